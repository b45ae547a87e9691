"""Generative adversarial networks: a generator makes examples of random latents, a critic learns to tell them from data.

`base.GAN` plays the game. Each step has two phases: the critic's, one update or several, on data and fakes, and the
generator's, on what the critic says of new fakes. Samples, `decode` and latents follow from the generator alone.
A system builds the two networks and says two things: `_objective`, the critic's loss with its regularizer, and
`_generator_objective`. Objectives are functions in `gm_keras.losses.adversarial`, penalties on the critic's slope in
`gm_keras.losses.penalties`, networks in `gm_keras.networks`. Where the networks change in the course of training,
`_players` says which two play now, and `_data` how the critic sees data.

`dcgan` is the simplest to read; `wgan_gp` adds a penalty and several updates, `progressive_gan` stages.
"""
