"""Samples that a page has to play: pictures and films stand in `samples.png`."""

from typing import Any

import numpy as np

#: What the sounds of one system may take on its page.
MOST_BYTES = 3_000_000


def addresses(field: str, samples: np.ndarray, info: dict[str, Any]) -> list[str]:
    """The first samples of a model of sounds as data addresses; none of other models.

    Args:
        field: The one that is modelled.
        samples: `(n, *shape of one example)`, as in a batch.
        info: `dataset.json`, which has the rate of recordings where it is known.

    Returns:
        Sounds of at most `MOST_BYTES` in all, and no more than a picture of them shows.
    """
    from gm_keras import views
    from gm_keras.fields import FIELDS

    if field not in FIELDS or FIELDS[field].view != "sounds":
        return []
    made: list[str] = []
    for sample in samples[: views.MOST_SHOWN["sounds"]]:
        (view,) = views.each(field, sample[None], rate=info.get("sample_rate"))
        if sum(map(len, made)) + len(view.address) > MOST_BYTES:
            break
        made.append(view.address)
    return made
