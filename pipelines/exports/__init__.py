"""Trained models for use elsewhere: networks, the served sampler, its registration, loading safely."""
