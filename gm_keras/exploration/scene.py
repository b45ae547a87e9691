"""What pictures of a model are drawn from, and what a picture is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gm_keras import reading
from gm_keras.exploration import calls
from gm_keras.metrics.examples import conditions_of


@dataclass(frozen=True)
class Picture:
    """A picture and what is said about it.

    Attributes:
        name: Of its file, without the ending.
        pixels: `(height, width, 3)`, uint8.
        title: A few words.
        caption: What is seen, and how it came about.
        alt: What it shows, for those who do not see it.
    """

    name: str
    pixels: np.ndarray
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Start:
    """Latents that a picture begins with.

    Attributes:
        latents: `(n, *latent shape)`.
        conditions: What the model is told of each, by name: `(n, *shape)`.
        examples: The test examples `(n, ...)` that they were encoded from; None for draws from the prior.
        classes: `(n,)`, the classes of the examples, where they are known.
    """

    latents: np.ndarray
    conditions: dict[str, np.ndarray]
    examples: np.ndarray | None = None
    classes: np.ndarray | None = None

    @property
    def sources(self) -> str:
        """Where the latents come from, for captions."""
        return "draws from the prior" if self.examples is None else "test examples"

    @property
    def source(self) -> str:
        """Where one of the latents comes from, for captions."""
        return "a draw from the prior" if self.examples is None else "a test example"


@dataclass
class Scene:
    """A trained model, its data, and what was drawn from it.

    Attributes:
        model: A `GenerativeModel`.
        data: Prepared data (`gm_keras.data.PreparedData`).
        extractor: A `gm_keras.metrics.features.Extractor`; None where no picture asks for features.
        samples: `(n, *shape of one example)` drawn from the model; None where no picture asks for them.
        seed: Of everything that is drawn or chosen.
        options: Of `sample`.
    """

    model: Any
    data: Any
    extractor: Any = None
    samples: np.ndarray | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shows_images(self) -> bool:
        """Whether examples are images; otherwise they are points."""
        return len(self.model.data_shape) == 3

    @cached_property
    def names(self) -> list[str]:
        """The names of the classes, or their numbers; empty without labels."""
        given = self.data.info.get("class_names")
        return [reading.shown(str(each)) for each in given or range(self.data.num_classes or 0)]

    @property
    def classes(self) -> int | None:
        """How many classes the model is told of; None if it is told no class."""
        return getattr(self.model.conditions.get("label"), "classes", None)

    def told(self, split: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What the model is told of some examples of a split, by name."""
        return conditions_of(self.model, self.data, split, rows)

    def told_classes(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """What a model is told where classes are chosen: these, and else what it is told of the first test example.

        Args:
            labels: Any shape; without effect on a model that is told no class.
        """
        told = {}
        for name in self.model.conditions:
            if name == "label":
                told[name] = labels
            else:
                first = self.told("test", np.arange(1))[name]
                told[name] = np.broadcast_to(first, (*labels.shape, *first.shape[1:]))
        return told

    def labels(self, split: str) -> np.ndarray | None:
        """The labels of a split, int32 `(n,)`; None where the data have none."""
        labels = self.data.arrays(split).get("label")
        return None if labels is None else np.asarray(labels)

    def examples(self, split: str, rows: np.ndarray) -> np.ndarray:
        """Examples of a split, scaled as in training."""
        return self.data.scaled(split, self.model.data_field, rows)

    def choose(self, n: int, label: int | None = None) -> np.ndarray:
        """Rows of test examples: the classes in turn, within a class in an order that the seed decides.

        Args:
            n: How many; fewer come back where there are not so many.
            label: Of this class alone.

        Raises:
            ValueError: If there is no test example of that class, or there are no labels.
        """
        labels, order = self.labels("test"), self.shuffled(label)
        if labels is None or label is not None:
            return order[:n]
        in_class = np.empty(len(order), int)
        for each in np.unique(labels):
            members = labels[order] == each
            in_class[members] = np.arange(members.sum())
        return order[np.lexsort((labels[order], in_class))][:n]

    def shuffled(self, label: int | None = None) -> np.ndarray:
        """The rows of all test examples, or of those of one class, in an order that the seed decides.

        Raises:
            ValueError: If there is no test example of that class, or there are no labels.
        """
        labels = self.labels("test")
        order = np.random.default_rng(self.seed).permutation(self.data.size("test"))
        if label is None:
            return order
        if labels is None:
            raise ValueError(f'the data set "{self.data.name}" has no labels: leave label out')
        rows = order[labels[order] == label]
        if not len(rows):
            known = f"0 to {len(self.names) - 1}"
            raise ValueError(f"there is no test example with the label {label}: try {known}")
        return rows

    def start(self, n: int, label: int | None = None, *, same_class: bool = False) -> Start:
        """Latents to begin with: of test examples where there is an encoder, else draws from the prior.

        Args:
            n: How many.
            label: The class of all; None takes the classes in turn.
            same_class: Give each two that follow each other one class.

        Raises:
            ValueError: If the label is unknown to the model or to the data.
        """
        model = self.model
        if "autoencoder" in model.capabilities:
            rows = self._pairs(n) if same_class and label is None else self.choose(n, label)
            if not len(rows):
                raise ValueError("no class has two test examples to go between")
            classes = self.labels("test")
            classes = None if classes is None else classes[rows]
            x = self.examples("test", rows)
            told = self.told("test", rows)
            return Start(calls.encode(model, x, told), told, x, classes)
        if label is None:
            turn = np.arange(n) // 2 if same_class else np.arange(n)
            told = self.told_classes(turn % (self.classes or 1))
        else:
            told = model.told({**self.told_classes(np.full(n, label)), "label": label}, n)
        return Start(model.draw_latents(n, seed=self.seed), told)

    def _pairs(self, n: int) -> np.ndarray:
        """Rows of test examples of which each two have one class, the classes in turn."""
        labels = self.labels("test")
        if labels is None:
            return self.choose(n)
        firsts = [self.choose(n, int(each)) for each in np.unique(labels)]
        pairs = [
            rows[at : at + 2] for at in range(0, n, 2) for rows in firsts if len(rows) >= at + 2
        ]
        return np.concatenate([*pairs, np.empty(0, int)]).astype(int)[:n]

    def decode(self, latents: np.ndarray, conditions: Mapping[str, np.ndarray]) -> np.ndarray:
        """The examples of latents, with the options of this scene: any leading shape `(..., *latent)`.

        Args:
            latents: `(*leading shape, *latent shape)`.
            conditions: What the model is told, by name: `(*leading shape, *shape)`, or what fills it by broadcasting.
        """
        depth = 1 if self.has_dimensions else len(self.model.data_shape)
        leading = latents.shape[: latents.ndim - depth]
        flat = latents.reshape(-1, *latents.shape[latents.ndim - depth :])
        told = {}
        for name, values in conditions.items():
            shape = self.model.conditions[name].shape
            told[name] = np.broadcast_to(values, (*leading, *shape)).reshape(-1, *shape)
        made = calls.decode(self.model, flat, told, self.options)
        return made.reshape(*leading, *made.shape[1:])

    @property
    def has_dimensions(self) -> bool:
        """Whether single dimensions of the latents may mean something; those of diffusion are noise."""
        return "trajectory" not in self.model.capabilities
