"""Translators: models that make one image of another, trained on sources and targets.

The source is a condition, an image, so that everything that tells a model something works for it: `translate(source)`
is `sample(n, source=source)`, checked, compiled, exported and scored like any sample. `base.Translator` declares the
two fields of a batch and that condition. A system builds a generator from sources to targets and what judges it, and
says its phases and losses; scores against the target are in `gm_keras.metrics.scores`.

`pix2pix` is the simplest to read; its U-Net and its discriminator of patches are in `gm_keras.networks.pix2pix`.
"""
