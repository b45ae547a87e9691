"""Pictures of latents: what lies between them, along their dimensions, and where their classes are."""

from collections.abc import Sequence

import numpy as np

from gm_keras.core.latents import path
from gm_keras.exploration import calls, canvas, traversal
from gm_keras.exploration.attributes import Attributes, class_attributes
from gm_keras.exploration.scene import Picture, Scene, Start

# Points of data that are drawn behind others; test examples whose latents are projected.
POINTS, PROJECTED = 1000, 2000
# Classes in a table of attribute vectors, at the most.
TABLE = 10
# Shares of the prior below the columns of a traversal.
SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
SCALES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
WAYS = ("linear", "spherical")


def background(scene: Scene) -> np.ndarray:
    """Test examples to draw behind points."""
    return scene.examples("test", np.arange(min(POINTS, scene.data.size("test"))))


def reconstructions(scene: Scene, columns: int = 10, pairs: int = 3) -> Picture:
    """Test examples, and below each what decoding its latents gives back."""
    rows = scene.choose(columns * pairs)
    x = scene.examples("test", rows)
    told = scene.told("test", rows)
    made = calls.decode(scene.model, calls.encode(scene.model, x, told), told, scene.options)
    error = float(np.sqrt(np.mean(np.square(made - x, dtype="float64"))))
    said = (
        f"The root mean square difference of a value is {error:.3g}, on a scale from -1 to 1."
        if scene.shows_images
        else f"The root mean square difference of a feature is {error:.3g}."
    )
    if scene.shows_images:
        lines = len(x) // columns or 1
        x, made = (each[: lines * columns].reshape(lines, -1, *x.shape[1:]) for each in (x, made))
        cells = np.stack([x, made], axis=1).reshape(2 * lines, *x.shape[1:])
        pixels = canvas.grid(cells, rows=["test example", "reconstruction"] * lines, blocks=2)
        caption = "Below each test example what the model makes of its latents. "
    else:
        pixels = canvas.paths(background(scene), {"reconstruction": np.stack([x, made])})
        caption = "Lines lead from test examples (rings) to their reconstructions. "
    return Picture(
        "reconstructions",
        pixels,
        "Reconstructions",
        caption + said,
        f"{len(rows)} test examples and their reconstructions",
    )


def interpolation(
    scene: Scene,
    pairs: int | None = None,
    steps: int = 8,
    ways: Sequence[str] = WAYS,
    label: int | None = None,
) -> Picture:
    """Examples on the way between pairs of latents, straight and along an arc."""
    if "latents" not in scene.model.capabilities:
        return _interpolation_of_codes(scene, pairs or 6, steps, label)
    pairs = pairs or (4 if len(ways) > 1 else 6)
    conditional = bool(scene.classes)
    start = scene.start(2 * pairs, label, same_class=conditional)
    pairs = len(start.latents) // 2
    if not pairs:
        raise ValueError("there are not two test examples of that class to go between")
    first, last = start.latents[0 : 2 * pairs : 2], start.latents[1 : 2 * pairs : 2]
    told = {name: values[0 : 2 * pairs : 2] for name, values in start.conditions.items()}
    points = [path(first, last, steps, spherical=way == "spherical") for way in ways]
    made = scene.decode(np.stack(points), told)
    between = f"Between pairs of {start.sources}"
    between += ", both of one class, which the model is told" if conditional else ""
    explained = {
        "linear": "linear goes straight from latents to latents",
        "spherical": "spherical turns from one direction to the other in equal angles",
    }
    caption = f"{between}: " + "; ".join(explained[way] for way in ways) + "."
    if start.examples is not None and scene.shows_images:
        caption += " At both ends the examples themselves."
    alt = f"{pairs} rows of {steps} steps from one example to another"
    if not scene.shows_images:
        groups = dict(zip(ways, made, strict=True))
        pixels = canvas.paths(background(scene), groups)
        return Picture("interpolation", pixels, "Interpolation", caption, alt)
    # (ways, steps, pairs, ...) -> a row for each way of each pair
    cells = made.transpose(2, 0, 1, 3, 4, 5)
    cells = cells.reshape(pairs * len(ways), steps, *cells.shape[3:])
    apart: tuple[int, ...] = ()
    if start.examples is not None:
        ends = start.examples[: 2 * pairs].reshape(pairs, 2, *start.examples.shape[1:])
        ends = ends.repeat(len(ways), axis=0)
        cells = np.concatenate([ends[:, :1], cells, ends[:, 1:]], axis=1)
        apart = (1, steps + 1)
    pixels = canvas.grid(cells, rows=list(ways) * pairs, blocks=len(ways), apart=apart)
    return Picture("interpolation", pixels, "Interpolation", caption, alt)


def _interpolation_of_codes(scene: Scene, pairs: int, steps: int, label: int | None) -> Picture:
    """For encoders without a prior over their latents: the model's own way between two examples."""
    rows = scene.choose(2 * pairs, label)
    pairs = len(rows) // 2
    if not pairs:
        raise ValueError("there are not two test examples of that class to go between")
    x = scene.examples("test", rows[: 2 * pairs])
    told = scene.told("test", rows[0 : 2 * pairs : 2])
    made = scene.model.interpolate(x[0::2], x[1::2], steps, **told).swapaxes(0, 1)
    ends = x.reshape(pairs, 2, *x.shape[1:])
    cells = np.concatenate([ends[:, :1], made, ends[:, 1:]], axis=1)
    return Picture(
        "interpolation",
        canvas.grid(cells, apart=(1, steps + 1)),
        "Interpolation",
        "Straight between what the encoder makes of pairs of test examples, which stand at both ends; each "
        "point is replaced by the nearest codes and decoded.",
        f"{pairs} rows of {steps} steps from one test example to another",
    )


def dimensions(
    scene: Scene, rows: int = 8, columns: int | None = None, label: int | None = None
) -> Picture:
    """Examples while one dimension of the latents goes over the prior's range; None where none counts."""
    start = scene.start(1, label)
    shares = np.array(SHARES) if columns is None else np.linspace(0.01, 0.99, columns)
    values = traversal.prior_quantiles(scene.model, shares)
    size = start.latents.shape[-1]
    tried = np.arange(min(size, traversal.TRIED))
    made = scene.decode(traversal.traversal(start.latents[0], tried, values), start.conditions)
    shown = traversal.by_effect(made)[:rows]
    caption = (
        f"Each row changes one dimension of the latents of {start.source}, from the {shares[0]:.0%} quantile of "
        f"its prior to the {shares[-1]:.0%} quantile; the others stay. "
    )
    caption += (
        f"All {size} dimensions, the one with the greatest effect first."
        if len(shown) == size
        else f"These {len(shown)} of {size} dimensions have the greatest effect, in that order."
    )
    if len(tried) < size:
        caption += f" The first {len(tried)} were tried."
    alt = f"{len(shown)} dimensions of the latents, each in {len(values)} steps"
    words = [f"z{tried[row] + 1}" for row in shown]
    if scene.shows_images:
        heads = [f"{share:.0%}" for share in shares]
        pixels = canvas.grid(made[shown], rows=words, columns=heads)
    else:
        groups = {word: made[row][:, None] for word, row in zip(words[:TABLE], shown, strict=False)}
        pixels = canvas.paths(background(scene), groups)
    return Picture("traversal", pixels, "Single dimensions", caption, alt)


def codes(scene: Scene, draws: int = 3) -> Picture | None:
    """Examples while one of the latents that have a name goes over its range; None where none has one.

    Args:
        scene: Of a model with `num_codes`; images.
        draws: Rows for each code, of different latents.
    """
    names = scene.model.latent_names
    if not names or not scene.shows_images:
        return None
    # The middle of each class: there a class has each of its values once.
    shares = (np.arange(scene.model.num_codes) + 0.5) / scene.model.num_codes
    values = traversal.prior_quantiles(scene.model, shares)
    start = scene.model.draw_latents(draws, seed=scene.seed)
    rows = [traversal.traversal(each, np.arange(len(names)), values) for each in start]
    cells = scene.decode(np.stack(rows, axis=1), {})
    cells = cells.reshape(len(names) * draws, *cells.shape[2:])
    words = [word for name in names for word in [name, *[""] * (draws - 1)]]
    pixels = canvas.grid(cells, rows=words, blocks=draws)
    caption = (
        f"Each row changes one code of a draw from the prior, the others stay: a class goes through its {len(shares)} "
        f"values, a number from {values[0]:.2g} to {values[-1]:.2g}. Each code is shown in {draws} draws."
    )
    alt = f"{len(names)} codes, each in {len(shares)} steps"
    return Picture("codes", pixels, "Codes", caption, alt)


def attribute_table(scene: Scene) -> Picture | None:
    """An example of each class with its attribute exchanged for each other class's."""
    if not scene.shows_images:
        return None
    attributes = class_attributes(scene, range(min(TABLE, len(scene.names))))
    if attributes is None:
        return None
    classes = sorted(attributes.members)
    if attributes.encoded:
        # Each row begins with a test example.
        classes = [each for each in classes if each in scene.labels("test")]
    if len(classes) < 2:
        return None
    start = _one_of_each(scene, attributes, classes)
    means = np.stack([attributes.mean(each) for each in classes])
    latents = start.latents[:, None] - means[:, None] + means[None]
    cells = scene.decode(latents, scene.told_classes(np.array(classes)[None]))
    names = [_short(scene.names[each]) for each in classes]
    caption = (
        f"Each row has {start.source} of one class; in each column the mean latents of that class are taken "
        "away from its own and those of the column's class added (attribute vectors)."
    )
    if attributes.encoded:
        caption += " The means are of training examples."
    else:
        caption += " The means are of draws that the classifier reads as the class."
    apart: tuple[int, ...] = ()
    if start.examples is not None:
        cells = np.concatenate([start.examples[:, None], cells], axis=1)
        apart, heads = (1,), ["", *names]
    else:
        heads = names
    if scene.classes:
        caption += " The decoder is told the column's class besides."
    pixels = canvas.grid(cells, rows=names, columns=heads, apart=apart)
    alt = f"examples of {len(classes)} classes, each turned into every other"
    return Picture("attributes", pixels, "Attribute vectors", caption, alt)


def _one_of_each(scene: Scene, attributes: Attributes, classes: list[int]) -> Start:
    if not attributes.encoded:
        return Start(np.stack([attributes.members[each][0] for each in classes]), {})
    starts = [scene.start(1, each) for each in classes]
    return Start(
        np.concatenate([each.latents for each in starts]),
        {},
        np.concatenate([each.examples for each in starts]),
    )


def arithmetic(
    scene: Scene, attributes: Attributes, terms: Sequence[tuple[int, int]], rows: int = 3
) -> Picture:
    """A sum of the mean latents of classes, and below it sums of single members.

    Args:
        scene: What it is drawn from; images.
        attributes: Of `class_attributes`.
        terms: Pairs of a sign, 1 or -1, and a class that `attributes` has.
        rows: Rows of single members.
    """
    vectors = [np.stack([attributes.mean(number) for _, number in terms])]
    for row in range(rows):
        members = [attributes.members[number] for _, number in terms]
        vectors.append(np.stack([each[row % len(each)] for each in members]))
    latents = np.stack(vectors)
    signs = np.array([sign for sign, _ in terms], "float32")
    total = np.einsum("t,rtd->rd", signs, latents)
    told = scene.told_classes(np.array([*(number for _, number in terms), terms[-1][1]])[None])
    cells = scene.decode(np.concatenate([latents, total[:, None]], axis=1), told)
    heads = [f"{'−' if sign < 0 else '+'} {_short(scene.names[number])}" for sign, number in terms]
    heads[0] = heads[0].removeprefix("+ ")
    words = ["means", *(f"single {row + 1}" for row in range(rows))]
    pixels = canvas.grid(cells, rows=words, columns=[*heads, "="], apart=(len(terms),))
    origin = (
        "of training examples"
        if attributes.encoded
        else "of draws that the classifier reads as such"
    )
    caption = (
        f"The first row adds up mean latents of the classes, {origin}; the others single ones."
    )
    if scene.classes:
        name = scene.names[terms[-1][1]]
        caption += (
            f' The decoder is told a class besides: for the result "{name}", that of the last term.'
        )
    alt = f"the sum {' '.join(heads)} of latents, decoded"
    return Picture("arithmetic", pixels, "Latent arithmetic", caption, alt)


def _short(word: str) -> str:
    return word if len(word) <= 8 else word[:7] + "…"


def truncation(scene: Scene) -> Picture | None:
    """The same draws from the prior at other lengths; None for a model that looks at no length."""
    n = 10 if scene.shows_images else POINTS
    told = scene.told_classes(np.arange(n) % (scene.classes or 1))
    latents = scene.model.draw_latents(n, seed=scene.seed)
    scaled = traversal.scaled(latents, np.array(SCALES))
    named = len(scene.model.latent_names)
    scaled[..., :named] = latents[..., :named]
    made = scene.decode(scaled, told)
    if np.abs(made - made[SCALES.index(1.0)]).max() < 1e-4:
        return None
    caption = (
        "The same draws from the prior, multiplied by the number on the left. 1 is as drawn; smaller "
        "numbers bring them nearer to the centre of the prior than almost any draw in training, larger ones farther out."
        + (" Latents that have a name keep their values." if named else "")
    )
    words = [f"{scale:g}" for scale in SCALES]
    alt = f"samples from the same latents at {len(SCALES)} lengths"
    if scene.shows_images:
        pixels = canvas.grid(made, rows=words)
    else:
        caption = caption.replace("on the left", "above")
        pixels = canvas.clouds([list(zip(words, made, strict=True))], background(scene))
    return Picture("truncation", pixels, "Truncation", caption, alt)


def projection(scene: Scene) -> Picture | None:
    """The latents of test examples in two dimensions."""
    from sklearn.decomposition import PCA

    rows = np.arange(min(PROJECTED, scene.data.size("test")))
    labels = scene.labels("test")
    classes = None if labels is None else labels[rows]
    latents = calls.encode(scene.model, scene.examples("test", rows), scene.told("test", rows))
    if latents.shape[-1] < 2 or len(latents) < 2:
        return None
    if latents.shape[-1] == 2:
        points, words = latents, ("z1", "z2")
        caption = f"The two latents of {len(rows)} test examples."
    else:
        analysis = PCA(n_components=2, svd_solver="full")
        points = analysis.fit_transform(latents.astype("float64"))
        shares = analysis.explained_variance_ratio_
        words = tuple(
            f"principal component {number + 1} ({share:.0%})" for number, share in enumerate(shares)
        )
        caption = (
            f"The latents of {len(rows)} test examples, {latents.shape[-1]} dimensions, on their first two "
            f"principal components, which hold {shares.sum():.0%} of the variance."
        )
    if scene.classes:
        caption += " The model is told the class, so its latents need not say it: classes may lie over each other."
    pixels = canvas.scatter(points, classes, scene.names, words)
    alt = "test examples as points in the plane of two latents"
    if classes is not None and len(scene.names) <= canvas.COLOURS:
        alt += ", coloured by class"
    return Picture("projection", pixels, "Latents of the test set", caption, alt)
