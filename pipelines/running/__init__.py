"""What stages run on: their start and end, models and data from settings, checkpoints, measurements."""
