"""The same networks by hand in PyTorch; the modules of `benchmarks.peers` where they fit."""
