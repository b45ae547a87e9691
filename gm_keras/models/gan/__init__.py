"""Generative adversarial networks: a generator makes examples of random latents, a critic learns to tell them from data.

A GAN is its networks, its objective and its regularizer. `base.GAN` plays the game. Each step has two phases: the
critic's, one update or several, on data and fakes, and the generator's, on what the critic says of new fakes. Samples,
`decode` and latents follow from the generator alone. A system builds the two networks and sets `objective`, one of
`gm_keras.losses.adversarial`, and where it has one its regularizer: `penalty`, on the critic's slope, one of
`gm_keras.losses.penalties`, and `clip`, the bound of its weights. Networks are in `gm_keras.networks`. With
`num_classes` both networks are functional models with the label as their second input; `_conditions_of_fakes` says what
fakes are told. Losses of another kind override `_objective`, `_generator_objective` or `_regularizer`; where the
networks change in the course of training, `_players` says which two play now, and `_data` how the critic sees data.

`gan` is the first of them and the simplest to read; `dcgan` has convolutions, and plays any objective with any
regularizer, one argument changed. `lsgan` is another objective; `wgan` clips weights and has the critic train alone at
times, `wgan_gp` and `lgan` have a penalty and several updates, `progressive_gan` stages. `sngan` bounds the slope by
spectral normalization, to which `sagan` adds attention and `biggan` its scale. `cgan` is told labels; `infogan` finds
codes of its own, `bigan` has an encoder, and `improved_gan` each technique of its paper on a switch.
"""
