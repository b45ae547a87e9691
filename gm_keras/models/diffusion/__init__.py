"""Diffusion models: noise is added to examples in many small steps, and a network learns to go back.

`schedules` says how much of an example is left at each time; a draw at any time comes straight from the example, so
that training picks a time at random and asks the network for the noise. `base.DiffusionModel` holds that forward process
and its reversal. What follows from the predicted noise is in files of its own: `reverse`, the way from noise to a sample,
its options and its trajectory; `samplers`, each of them a table of coefficients; `bound`, the variational bound. A system
builds the network (`gm_keras.networks.unet`) and says in `_loss` what it learns; labels are guided without a classifier.

`ddpm` is the simplest to read: first its file with `base`, then `samplers`.
"""
