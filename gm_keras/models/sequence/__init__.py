"""Models of sequences of tokens: each token is predicted from those before it.

A text becomes tokens by a vocabulary, its characters in the order of their numbers, or the 256 bytes; training reads
windows of a fixed length, and the likelihood is that of a window given its first token. `base.TextMixin` holds the
vocabulary, `encode_text`, `decode_text`, likelihoods and nats per token. A system builds a causal network and says
`_token_log_probs`; sampling keeps what was computed of the tokens so far, and goes on beyond the window's length
(`gm_keras.decoding.sequences`).

`gpt2` is the simplest to read; its network is in `gm_keras.networks.transformer`.
"""
