"""Looks into an exported system: what `gm-keras interpolate`, `arithmetic`, `traverse` and `neighbours` do.

What can be told without Keras is told before it is loaded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.command.sampling import check_output, exported, load_exported
from pipelines.settings import LARGEST_SEED, Settings, load_settings
from pipelines.shared import catalog, labels
from pipelines.shared.errors import UserError, check_number, nearest
from pipelines.shared.files import replacing

if TYPE_CHECKING:
    from gm_keras.exploration import Picture, Scene

# Samples whose neighbours are looked for, at the least: of these the nearest ones are shown.
COMPARED = 128
# Rows or columns of a picture.
MOST = 1000
# A sum of classes: a sign before each but the first, with spaces around it.
SIGN = re.compile(r"\s+([+−-])\s+")


@dataclass(frozen=True)
class Request:
    """What all these commands are asked.

    Attributes:
        params: Where `params.yaml` is.
        key: A system of `params.yaml`.
        output: A PNG file; it is replaced only when the new one is complete.
        seed: Of everything that is drawn or chosen.
        n: How many rows, at least 1.
        exports: The folder that the export stage writes to.
    """

    params: Path
    key: str
    output: Path
    seed: int = 0
    n: int = 1
    exports: Path = Path("exports")


def interpolate(
    request: Request, *, steps: int, spherical: bool | None, label: str | int | None
) -> "Picture":
    """Draws the ways between pairs of test examples, or of draws where there is no encoder.

    Args:
        request: `n` is the number of pairs.
        steps: Points on a way, at least 2.
        spherical: False for straight ways, True for arcs, None for both.
        label: Of all examples; None takes the classes in turn.

    Returns:
        The picture that was written.

    Raises:
        UserError: Something is asked for that cannot be.
    """
    check_number("--steps", steps, 2, MOST)

    def draw(scene: "Scene") -> "Picture":
        from gm_keras.exploration import of_latents

        ways = of_latents.WAYS if spherical is None else [of_latents.WAYS[spherical]]
        if spherical and "latents" not in scene.model.capabilities:
            raise UserError(f'"{request.key}" goes between codes, which is straight: use --linear')
        chosen = labels.number(label, scene.names, scene.data.name)
        picture = of_latents.interpolation(scene, request.n, steps, ways, chosen)
        return _of_class(picture, chosen, scene)

    return _write(request, ("autoencoder", "latents"), draw)


def traverse(request: Request, *, steps: int, label: str | int | None) -> "Picture":
    """Draws what single dimensions of the latents do.

    Args:
        request: `n` is the number of dimensions.
        steps: Values of each, at least 2.
        label: The class of the example that is changed.

    Returns:
        The picture that was written.

    Raises:
        UserError: Something is asked for that cannot be.
    """
    check_number("--steps", steps, 2, MOST)

    def draw(scene: "Scene") -> "Picture":
        from gm_keras.exploration import of_latents

        chosen = labels.number(label, scene.names, scene.data.name)
        return _of_class(of_latents.dimensions(scene, request.n, steps, chosen), chosen, scene)

    return _write(request, ("latents",), draw, without="trajectory")


def arithmetic(request: Request, *, expression: str) -> "Picture":
    """Draws a sum of the mean latents of classes.

    Args:
        request: `n` is the number of rows with single members of the classes.
        expression: Names or numbers of classes between plus and minus, such as "3 - 5 + 8".

    Returns:
        The picture that was written.

    Raises:
        UserError: Something is asked for that cannot be.
    """
    _split(expression)

    def draw(scene: "Scene") -> "Picture":
        from gm_keras.exploration import class_attributes, of_latents

        terms = parse_terms(expression, scene.names, scene.data.name)
        if not scene.shows_images:
            raise UserError(f'arithmetic shows images, and "{scene.data.name}" has points')
        encoder = "autoencoder" in scene.model.capabilities
        if not encoder:
            scene.extractor = _extractor(scene, request)
        attributes = class_attributes(scene, {number for _, number in terms})
        if attributes is None:
            raise UserError(
                f'"{request.key}" has no encoder, and no classifier of "{scene.data.name}" reads '
                "its samples: there are no latents of classes"
            )
        missing = [scene.names[each] for _, each in terms if each not in attributes.members]
        if missing:
            origin = "training examples" if encoder else "samples"
            raise UserError(f'"{request.key}": too few {origin} of the class "{missing[0]}"')
        return of_latents.arithmetic(scene, attributes, terms, request.n)

    return _write(request, ("latents",), draw, without="trajectory")


def neighbours(request: Request, *, features: bool, label: str | int | None) -> "Picture":
    """Draws samples beside their nearest training examples.

    Args:
        request: `n` is the number of samples shown: the nearest ones of at least `COMPARED`.
        features: Compare in the features of the data set's extractor, not in pixels.
        label: The class to draw.

    Returns:
        The picture that was written.

    Raises:
        UserError: Something is asked for that cannot be.
    """

    def draw(scene: "Scene") -> "Picture":
        from gm_keras.exploration import of_samples

        if features:
            scene.extractor = _extractor(scene, request)
            if scene.extractor.kind == "raw":
                raise UserError(
                    f'"{scene.data.name}" is compared as it is, without a network: use --pixels'
                )
        options = {**scene.options, "seed": request.seed, "batch_size": COMPARED}
        chosen = labels.number(label, scene.names, scene.data.name)
        count = max(COMPARED, request.n)
        told = scene.told("test", np.arange(count) % scene.data.size("test"))
        told.pop("label", None)
        if chosen is not None:
            told["label"] = chosen
        scene.samples = scene.model.sample(count, **told, **options)
        picture = of_samples.neighbours(scene, features=features, rows=request.n, label=chosen)
        return _of_class(picture, chosen, scene)

    return _write(request, ("sampler",), draw)


def parse_terms(expression: str, names: list[str], data: str) -> list[tuple[int, int]]:
    """Reads a sum of classes.

    Args:
        expression: Such as "3 - 5 + 8", or names with spaces around the signs; case does not matter.
        names: Of the classes, in their order.
        data: The data set's name, for errors.

    Returns:
        Pairs of a sign, 1 or -1, and the number of a class.

    Raises:
        UserError: It is no sum, or there is no such class.
    """
    if not names:
        raise UserError(f'the data set "{data}" has no classes to add up')
    terms, signs = _split(expression)
    numbers = []
    for term in terms:
        number = labels.find(term, names)
        if number is None:
            number = int(term) if term.isdecimal() else -1
        if not 0 <= number < len(names):
            raise UserError(f'"{data}" has no class "{term}": {nearest(term, names)}')
        numbers.append(number)
    return [
        (1 if sign == "+" else -1, each) for sign, each in zip(["+", *signs], numbers, strict=True)
    ]


def _of_class(picture: "Picture", label: int | None, scene: "Scene") -> "Picture":
    """A picture whose caption says which class was asked for."""
    if label is None:
        return picture
    caption = f"{picture.caption} Asked for: {labels.told(label, scene.names)}."
    return replace(picture, caption=caption)


def _write(
    request: Request,
    capabilities: tuple[str, ...],
    draw: Callable[["Scene"], "Picture"],
    *,
    without: str | None = None,
) -> "Picture":
    """Checks a request, loads what it asks for, and writes the picture that `draw` makes.

    Args:
        request: What is asked.
        capabilities: Of these the system must offer one.
        draw: Makes the picture.
        without: This the system must not offer.
    """
    check_number("-n", request.n, 1, MOST)
    check_number("--seed", request.seed, 0, LARGEST_SEED)
    settings = load_settings(request.params)
    system = settings.system(request.key)
    _check_capability(settings, request.key, capabilities, without)
    path = exported(request.key, request.exports)
    check_output(request.output, text=False)

    model = load_exported(path, settings)
    from gm_keras import images
    from gm_keras.exploration import Scene
    from pipelines.running.build import prepared

    if model.data_field == "tokens":
        raise UserError(f'"{request.key}" makes text, of which there is no picture')
    data = prepared(system.data, settings, request.params.resolve().parent)
    if model.data_shape != data.example_shape or model.data_field != data.primary:
        raise UserError(
            f'"{request.key}" was trained on examples of shape {model.data_shape}, but "{system.data}" has '
            f"{data.example_shape}: train it again with: dvc repro export@{request.key}"
        )
    scene = Scene(model, data, seed=request.seed, options=system.sample)
    try:
        picture = draw(scene)
    except (TypeError, ValueError) as error:  # in one line, what is wrong with n, label or sample:
        raise UserError(f'system "{request.key}": {" ".join(str(error).split())}') from None
    with replacing(request.output) as temporary:
        images.save(picture.pixels, temporary)
    return picture


def _check_capability(
    settings: Settings, key: str, capabilities: tuple[str, ...], without: str | None
) -> None:
    def offered(each: str) -> set[str]:
        return set(catalog.recipe(settings.systems[each].class_name).capabilities)

    able = [
        each
        for each in settings.systems
        if not offered(each).isdisjoint(capabilities) and without not in offered(each)
    ]
    if key in able:
        return
    reason = f"does not offer {' or '.join(capabilities)}"
    if without in offered(key):
        reason = "has noise for latents, whose dimensions mean nothing"
    raise UserError(
        f'"{key}" ({settings.systems[key].class_name}) {reason}; '
        f"systems of params.yaml that can do it: {', '.join(able) or 'none'}"
    )


def _extractor(scene: "Scene", request: Request) -> Any:
    from gm_keras.metrics.features import load_extractor

    name = scene.data.path.name
    folder = request.params.resolve().parent / "extractors" / name
    try:
        weights = load_settings(request.params).metrics.weights_file(folder.parents[1])
        return load_extractor(scene.data, folder, weights)
    except ValueError as error:
        raise UserError(f"{error}: make it with: dvc repro extractor@{name}") from None


def _split(expression: str) -> tuple[list[str], list[str]]:
    """The terms of a sum, and the signs before all but the first."""
    # Names may hold hyphens, numbers do not: "3-5+8" needs no spaces.
    compact = re.fullmatch(r"\s*\d+(\s*[+−-]\s*\d+)*\s*", expression)
    parts = re.split(r"\s*([+−-])\s*" if compact else SIGN, expression.strip())
    terms, signs = [each.strip() for each in parts[0::2]], parts[1::2]
    if not all(terms) or len(terms) < 2:
        raise UserError(
            f'expected classes with " + " or " - " between them, such as "3 - 5 + 8", not "{expression}"'
        )
    return terms, signs
