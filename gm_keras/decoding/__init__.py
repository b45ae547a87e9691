"""Autoregressive sampling: how one token is drawn, and the loop that draws one after the other."""
