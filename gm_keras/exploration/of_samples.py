"""Pictures of samples: how they come about, and how near they are to the training examples."""

import numpy as np

from gm_keras.exploration import canvas
from gm_keras.exploration.neighbours import nearest
from gm_keras.exploration.scene import Picture, Scene
from gm_keras.progress import progress

# Samples and test examples whose nearest training examples are looked for.
COMPARED = 256
# Training examples that are read at a time.
PART = 2048
# Frames of a trajectory, and samples of which it is drawn.
FRAMES, SHOWN, POINTS = 8, 4, 1000


def trajectory(scene: Scene) -> Picture:
    """How noise becomes samples: the states on the way, and what is expected of each."""
    n = SHOWN if scene.shows_images else POINTS
    told = scene.told_classes(np.arange(n) % (scene.classes or 1))
    steps = int(scene.options.get("steps") or scene.model.timesteps)
    frames = max(2, min(FRAMES, steps + 1))
    states, expected = scene.model.trajectory(
        n, seed=scene.seed, frames=frames, **told, **scene.options
    )
    caption = (
        "From noise (left) to samples (right), evenly spaced over the steps of the sampler. Above: the state; "
        "below: the clean example that the model expects to come of it."
    )
    alt = f"{frames} states from noise to a sample, with the expected results"
    if not scene.shows_images:
        data = scene.examples("test", np.arange(min(POINTS, scene.data.size("test"))))
        panels = [[("", each) for each in states], [("", each) for each in expected]]
        pixels = canvas.clouds(panels, data, rows=["state", "expected"])
    else:
        cells = np.stack([states, expected]).transpose(2, 0, 1, 3, 4, 5)
        cells = cells.reshape(2 * n, frames, *cells.shape[3:])
        heads = ["noise", *[""] * (frames - 2), "sample"]
        pixels = canvas.grid(cells, rows=["state", "expected"] * n, columns=heads, blocks=2)
    return Picture("trajectory", pixels, "From noise to samples", caption, alt)


def neighbours(
    scene: Scene, *, features: bool, rows: int = 8, k: int = 5, label: int | None = None
) -> Picture:
    """Samples with their nearest training examples, and how near test examples are.

    Args:
        scene: With samples; with an extractor where `features` is set.
        features: Compare in the extractor's features; else in the values of the examples.
        rows: Samples to show.
        k: Training examples for each.
        label: The class of the samples, if they have one class: they are then compared with test examples of it.

    Raises:
        ValueError: If there is no test example of that class.
    """
    data, field = scene.data, scene.model.data_field
    size = data.size("train")
    k = min(k, size)
    samples = scene.samples[:COMPARED]
    chosen = scene.shuffled(label)[:COMPARED]
    test = data.scaled("test", field, np.sort(chosen))

    def represent(x):
        return scene.extractor(x) if features else x

    queries = np.concatenate([represent(samples), represent(test)])
    with progress(size, "nearest training examples") as bar:

        def parts():
            for start in range(0, size, PART):
                part = data.scaled("train", field, slice(start, start + PART))
                yield represent(part)
                bar.update(len(part))

        places, distances = nearest(queries, parts(), k)
    of_samples, of_test = distances[: len(samples), 0], distances[len(samples) :, 0]
    shown = np.argsort(of_samples, kind="stable")[:rows]
    medians = np.median(of_samples), np.median(of_test)
    space = _space(scene, features)
    of_class = "" if label is None else f'of the class "{scene.names[label]}" '
    said = (
        f"The median distance from a sample to the nearest of the {size:,} training examples is "
        f"{medians[0]:.3g} {space}, from a test example {of_class}{medians[1]:.3g}: a model that copies is far "
        "nearer than the test set is."
    )
    name = "neighbours_features" if features else "neighbours"
    title = "Nearest training examples" + (f" {space}" if scene.shows_images else "")
    if not scene.shows_images:
        pixels = canvas.histogram(
            {"samples": of_samples, "test examples": of_test},
            "distance to the nearest training example",
        )
        alt = "how often samples and test examples have which distance to the training set"
        return Picture(name, pixels, title, f"{said} Dashed: the medians.", alt)
    found = data.scaled("train", field, places[shown].reshape(-1))
    found = found.reshape(len(shown), k, *found.shape[1:])
    cells = np.concatenate([samples[shown, None], found], axis=1)
    words = [f"{of_samples[each]:.2f}" for each in shown]
    pixels = canvas.grid(
        cells, rows=words, columns=["sample", *map(str, range(1, k + 1))], apart=(1,)
    )
    caption = (
        f"Of {len(samples)} samples those nearest to a training example: on the left the distance, on the right "
        f"the {k} nearest training examples. {said}"
    )
    alt = f"{len(shown)} samples, each beside its {k} nearest training examples"
    return Picture(name, pixels, title, caption, alt)


def _space(scene: Scene, features: bool) -> str:
    if not features:
        return "in pixels" if scene.shows_images else "in the features"
    kind = {"classifier": "the classifier's", "inception": "the Inception network's"}
    return f"in {kind[scene.extractor.kind]} features"
