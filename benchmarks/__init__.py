"""Measurements against what a user would write instead; `make bench` runs them."""
