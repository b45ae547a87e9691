"""Normalizing flows: invertible networks between examples and latents of the same size, with an exact density.

log p(x) is the prior's density of the latents of x, plus the logarithm of the Jacobian's determinant, which each layer
gives (`gm_keras.layers.bijector`); training raises it. The inverse makes samples, and `encode` loses nothing.
`base.Flow` holds all that follows from the network: the loss, dequantization of grey levels (noise fills each level, so
that the nats are those of the discrete images), `encode`, `decode`, and sampling with a temperature. A system builds the
network and its inverse, from layers in `gm_keras.layers` that are put together in `gm_keras.networks`.

`realnvp` is the simplest to read, after `base`; its couplings are in `gm_keras.layers.coupling`.
"""
