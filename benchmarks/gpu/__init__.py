"""The large networks of the papers on a GPU, in bfloat16: ours against PyTorch, eager and compiled."""
