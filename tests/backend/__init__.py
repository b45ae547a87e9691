"""What is below the models: memory and kernels."""
