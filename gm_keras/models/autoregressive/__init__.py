"""Autoregressive models of images: each value is predicted from those before it, so that the likelihood is exact.

The order is by rows, in each row by columns, at each pixel by channels. A network sees the whole image at once, but is
built so that the logits of a value depend on earlier ones alone; training is one pass, and log p(x) the sum over all
values. Sampling needs a pass for each value, and keeps what the next can use again (`gm_keras.decoding.images`).
`base.AutoregressiveModel` holds the likelihood, the loss and sampling with its options; `base.GridMixin`, a part of it,
serves priors over grids of codes too. A system builds the network, from causal layers in `gm_keras.layers`.

`gated_pixelcnn` is the simplest to read, after `base`; its network is in `gm_keras.networks.gated_pixelcnn`.
"""
