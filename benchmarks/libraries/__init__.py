"""What peer libraries offer, as their users call it."""
