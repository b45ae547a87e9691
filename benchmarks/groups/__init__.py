"""The groups of measurements, by name; each module has `run(options) -> list[Row]`."""
