"""Hand-written JAX, one module for each system, without Keras: what no overhead of ours could be below."""
