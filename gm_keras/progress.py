"""A bar on standard error for what takes long."""

from tqdm import tqdm

# Seconds before a bar is shown: what is done sooner needs none.
DELAY = 5.0


def progress(total: int, what: str) -> tqdm:
    """A progress bar that shows itself after five seconds; use it as a context and call `update(n)`.

    Args:
        total: How much there is to do.
        what: For example "features of test examples".
    """
    return tqdm(total=total, desc=what, delay=DELAY, leave=False)
