"""Hand-written PyTorch, one module for each system; runs in an environment without Keras."""
