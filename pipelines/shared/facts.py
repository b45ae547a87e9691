"""How facts of a training are written: the same on every page and in every table."""


def duration(seconds: float) -> str:
    """A time as people say it: "4.5 s", "45 s", "12 min", "3 h 20 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: int) -> str:
    """A number of things: "119,285"."""
    return f"{number:,}"
