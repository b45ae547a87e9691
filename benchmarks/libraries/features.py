"""Our classifier and the Inception network of the papers in PyTorch, to extract features of images.

The Inception network is that of Szegedy et al. 2015 (arXiv 1512.00567) in the form that Heusel et al. 2017
(arXiv 1706.08500) measure with; batch normalization is part of the convolutions, as in ours. Differences: the resize is
PyTorch's own, which does the same amount of work; weights are random.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES, CLASSES = 32, 10
Kernel = int | tuple[int, int]


class Classifier(nn.Module):
    """From images `(n, channels, height, width)` to features and logits."""

    def __init__(self, height: int, width: int, channels: int):
        super().__init__()
        layers: list[nn.Module] = []
        stages = max(1, round(np.log2(min(height, width) / 4)))
        for stage in range(stages):
            for _ in range(2):
                layers += [nn.Conv2d(channels, 32 << stage, 3, padding=1), nn.ReLU(inplace=True)]
                channels = 32 << stage
            layers.append(nn.MaxPool2d(2))
        self.hidden = nn.Sequential(*layers, nn.Flatten())
        self.features = nn.Linear(channels * (height >> stages) * (width >> stages), FEATURES)
        self.logits = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = F.relu(self.features(self.hidden(images)))
        return features, self.logits(features)


def convolution(
    inputs: int, outputs: int, kernel: Kernel, stride: int = 1, same: bool = True
) -> nn.Sequential:
    """A convolution and ReLU."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = tuple(side // 2 for side in sides) if same else 0
    return nn.Sequential(nn.Conv2d(inputs, outputs, sides, stride, padding), nn.ReLU(inplace=True))


def chain(inputs: int, *steps: tuple[int, Kernel]) -> nn.Sequential:
    """Convolutions one after another: filters and kernel of each."""
    layers = []
    for outputs, kernel in steps:
        layers.append(convolution(inputs, outputs, kernel))
        inputs = outputs
    return nn.Sequential(*layers)


class Branches(nn.Module):
    """Several ways from the same input, put side by side."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.cat([branch(hidden) for branch in self.branches], 1)


def average() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def block_35(inputs: int, pooled: int) -> Branches:
    return Branches(
        chain(inputs, (64, 1)),
        chain(inputs, (48, 1), (64, 5)),
        chain(inputs, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(average(), convolution(inputs, pooled, 1)),
    )


def block_17(width: int) -> Branches:
    row, column = (1, 7), (7, 1)
    return Branches(
        chain(768, (192, 1)),
        chain(768, (width, 1), (width, row), (192, column)),
        chain(768, (width, 1), (width, column), (width, row), (width, column), (192, row)),
        nn.Sequential(average(), convolution(768, 192, 1)),
    )


def block_8(inputs: int, pool: nn.Module) -> Branches:
    def ends() -> Branches:
        return Branches(convolution(384, 384, (1, 3)), convolution(384, 384, (3, 1)))

    return Branches(
        chain(inputs, (320, 1)),
        nn.Sequential(chain(inputs, (384, 1)), ends()),
        nn.Sequential(chain(inputs, (448, 1), (384, 3)), ends()),
        nn.Sequential(pool, convolution(inputs, 192, 1)),
    )


class Inception(nn.Module):
    """From images `(n, channels, height, width)`, 0 to 255, to features and logits."""

    def __init__(self) -> None:
        super().__init__()
        to_17 = Branches(
            convolution(288, 384, 3, 2, same=False),
            nn.Sequential(chain(288, (64, 1), (96, 3)), convolution(96, 96, 3, 2, same=False)),
            nn.MaxPool2d(3, 2),
        )
        to_8 = Branches(
            nn.Sequential(chain(768, (192, 1)), convolution(192, 320, 3, 2, same=False)),
            nn.Sequential(
                chain(768, (192, 1), (192, (1, 7)), (192, (7, 1))),
                convolution(192, 192, 3, 2, same=False),
            ),
            nn.MaxPool2d(3, 2),
        )
        self.body = nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(
                    convolution(3, 32, 3, 2, same=False),
                    convolution(32, 32, 3, same=False),
                    convolution(32, 64, 3),
                    nn.MaxPool2d(3, 2),
                    convolution(64, 80, 1),
                    convolution(80, 192, 3, same=False),
                    nn.MaxPool2d(3, 2),
                ),
                blocks_35=nn.Sequential(block_35(192, 32), block_35(256, 64), block_35(288, 64)),
                to_17=to_17,
                blocks_17=nn.Sequential(*(block_17(width) for width in (128, 160, 160, 192))),
                to_8=to_8,
                blocks_8=nn.Sequential(
                    block_8(1280, average()), block_8(2048, nn.MaxPool2d(3, 1, 1))
                ),
            )
        )
        self.logits = nn.Linear(2048, 1008, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        images = images.expand(-1, 3, -1, -1)
        resized = F.interpolate(images, (299, 299), mode="bilinear", align_corners=False)
        features = self.body((resized - 128.0) / 128.0).mean((2, 3))
        return features, self.logits(features)


class Features:
    """Measures the same images again and again.

    Args:
        kind: "classifier" or "inception".
        images: The `.npy` file of one part of the images: float32 `(n, height, width, channels)` in [-1, 1].
    """

    def __init__(self, kind: str, images: str):
        self._images, self._kind = np.load(images), kind
        network = Inception() if kind == "inception" else Classifier(*self._images.shape[1:])
        self._network = network.eval().to(memory_format=torch.channels_last)
        self._parameters = sum(p.numel() for p in network.parameters())
        self._done = 0

    @torch.inference_mode()
    def run(self, parts: int) -> None:
        """Measures the images so many times."""
        for _ in range(parts):
            images = torch.from_numpy(self._images).permute(0, 3, 1, 2)
            if self._kind == "inception":
                images = images.clamp(-1.0, 1.0).mul_(127.5).add_(127.5).round_()
            features, logits = self._network(images)
            self._features, self._probabilities = features.numpy(), logits.softmax(1).numpy()
            self._done += 1

    def facts(self) -> dict[str, Any]:
        """The parameters, the shapes of the results, and how often they were computed."""
        return {
            "done": self._done,
            "parameters": self._parameters,
            "images": len(self._images),
            "shapes": str([self._features.shape, self._probabilities.shape]),
        }
