"""Models with latent variables and a decoder: a prior over latents, and p(x | z), which a network gives.

The likelihood is an integral over the latents, of which training raises a bound: an encoder guesses the latents of each
example, and the bound is how well they give it back, less what they cost under the prior. `base.LikelihoodMixin` is
p(x | z) of grey, binarized or continuous values. Latents are vectors with a normal prior, or a grid of codes of a
codebook; a prior of codes is learned in a second stage, a model that takes the first one as `first_stage`, and
answers with its images. `encode`, `decode`, `interpolate` and the bounds come from the mixins of `gm_keras.core`.

`vae` is the simplest to read; then `vqvae`, and `vqvae_prior`, its second stage.
"""
