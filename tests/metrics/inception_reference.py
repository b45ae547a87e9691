"""The Inception network of 2015-12-05 a second time, in NumPy and written out, with random weights.

The weights are drawn while one image runs through it, and batch normalization is given about the statistics
of that image, so that no layer is saturated and no difference is lost.
"""

import numpy as np

RNG = np.random.default_rng(0)


class Reference:
    """Computes one image `(299, 299, 3)`, and names and keeps the weights as the public checkpoint does.

    Attributes:
        tensors: All that the checkpoint would hold.
        pooled: `(2048,)`.
    """

    def __init__(self, image: np.ndarray):
        self.tensors: dict[str, np.ndarray] = {}
        x = self.conv(image, "Conv2d_1a_3x3", 32, 3, 3, stride=2, pad=False)
        x = self.conv(x, "Conv2d_2a_3x3", 32, 3, 3, pad=False)
        x = self.conv(x, "Conv2d_2b_3x3", 64, 3, 3)
        x = maximum(x, stride=2, pad=False)
        x = self.conv(x, "Conv2d_3b_1x1", 80)
        x = self.conv(x, "Conv2d_4a_3x3", 192, 3, 3, pad=False)
        x = maximum(x, stride=2, pad=False)
        assert x.shape == (35, 35, 192)
        for name, width in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)]:
            x = self.block_a(x, name, width)
        x = self.block_b(x, "Mixed_6a")
        assert x.shape == (17, 17, 768)
        for name, width in [
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ]:
            x = self.block_c(x, name, width)
        x = self.block_d(x, "Mixed_7a")
        assert x.shape == (8, 8, 1280)
        x = self.block_e(x, "Mixed_7b", average)
        x = self.block_e(x, "Mixed_7c", maximum)
        self.pooled = x.mean(axis=(0, 1))
        self.tensors["fc.weight"] = RNG.normal(size=(1008, 2048), scale=0.05).astype("float32")
        self.tensors["fc.bias"] = RNG.normal(size=1008).astype("float32")

    def conv(self, x, name, width, height=1, across=1, stride=1, pad=True):
        inputs = x.shape[2]
        kernel = RNG.normal(size=(width, inputs, height, across))
        # Small variances, beside which the constant of batch normalization counts.
        kernel = (kernel * np.sqrt(0.05 / (inputs * height * across))).astype("float32")
        padding = ((height // 2,) * 2, (across // 2,) * 2, (0, 0)) if pad else ((0, 0),) * 3
        patches = windows(np.pad(x, padding), height, across, stride)
        result = np.tensordot(patches, kernel, axes=([2, 3, 4], [1, 2, 3]))
        mean, variance = result.mean(axis=(0, 1)), result.var(axis=(0, 1)) + 1e-3
        bn = {
            "weight": RNG.uniform(0.8, 1.2, width),
            "bias": RNG.normal(size=width, scale=0.2),
            "running_mean": mean * RNG.uniform(0.9, 1.1, width),
            "running_var": variance * RNG.uniform(0.8, 1.2, width),
        }
        bn = {part: value.astype("float32") for part, value in bn.items()}
        self.tensors[f"{name}.conv.weight"] = kernel
        self.tensors.update({f"{name}.bn.{part}": value for part, value in bn.items()})
        self.tensors[f"{name}.bn.num_batches_tracked"] = np.array(0)
        result = (result - bn["running_mean"]) / np.sqrt(bn["running_var"] + 1e-3)
        return np.maximum(result * bn["weight"] + bn["bias"], 0.0)

    def block_a(self, x, name, width):
        one = self.conv(x, f"{name}.branch1x1", 64)
        five = self.conv(x, f"{name}.branch5x5_1", 48)
        five = self.conv(five, f"{name}.branch5x5_2", 64, 5, 5)
        three = self.conv(x, f"{name}.branch3x3dbl_1", 64)
        three = self.conv(three, f"{name}.branch3x3dbl_2", 96, 3, 3)
        three = self.conv(three, f"{name}.branch3x3dbl_3", 96, 3, 3)
        pool = self.conv(average(x), f"{name}.branch_pool", width)
        return np.concatenate([one, five, three, pool], axis=2)

    def block_b(self, x, name):
        three = self.conv(x, f"{name}.branch3x3", 384, 3, 3, stride=2, pad=False)
        double = self.conv(x, f"{name}.branch3x3dbl_1", 64)
        double = self.conv(double, f"{name}.branch3x3dbl_2", 96, 3, 3)
        double = self.conv(double, f"{name}.branch3x3dbl_3", 96, 3, 3, stride=2, pad=False)
        return np.concatenate([three, double, maximum(x, stride=2, pad=False)], axis=2)

    def block_c(self, x, name, width):
        one = self.conv(x, f"{name}.branch1x1", 192)
        seven = self.conv(x, f"{name}.branch7x7_1", width)
        seven = self.conv(seven, f"{name}.branch7x7_2", width, 1, 7)
        seven = self.conv(seven, f"{name}.branch7x7_3", 192, 7, 1)
        double = self.conv(x, f"{name}.branch7x7dbl_1", width)
        double = self.conv(double, f"{name}.branch7x7dbl_2", width, 7, 1)
        double = self.conv(double, f"{name}.branch7x7dbl_3", width, 1, 7)
        double = self.conv(double, f"{name}.branch7x7dbl_4", width, 7, 1)
        double = self.conv(double, f"{name}.branch7x7dbl_5", 192, 1, 7)
        pool = self.conv(average(x), f"{name}.branch_pool", 192)
        return np.concatenate([one, seven, double, pool], axis=2)

    def block_d(self, x, name):
        three = self.conv(x, f"{name}.branch3x3_1", 192)
        three = self.conv(three, f"{name}.branch3x3_2", 320, 3, 3, stride=2, pad=False)
        seven = self.conv(x, f"{name}.branch7x7x3_1", 192)
        seven = self.conv(seven, f"{name}.branch7x7x3_2", 192, 1, 7)
        seven = self.conv(seven, f"{name}.branch7x7x3_3", 192, 7, 1)
        seven = self.conv(seven, f"{name}.branch7x7x3_4", 192, 3, 3, stride=2, pad=False)
        return np.concatenate([three, seven, maximum(x, stride=2, pad=False)], axis=2)

    def block_e(self, x, name, pool):
        one = self.conv(x, f"{name}.branch1x1", 320)
        three = self.conv(x, f"{name}.branch3x3_1", 384)
        three_a = self.conv(three, f"{name}.branch3x3_2a", 384, 1, 3)
        three_b = self.conv(three, f"{name}.branch3x3_2b", 384, 3, 1)
        double = self.conv(x, f"{name}.branch3x3dbl_1", 448)
        double = self.conv(double, f"{name}.branch3x3dbl_2", 384, 3, 3)
        double_a = self.conv(double, f"{name}.branch3x3dbl_3a", 384, 1, 3)
        double_b = self.conv(double, f"{name}.branch3x3dbl_3b", 384, 3, 1)
        pooled = self.conv(pool(x), f"{name}.branch_pool", 192)
        return np.concatenate([one, three_a, three_b, double_a, double_b, pooled], axis=2)


def windows(x, height, across, stride=1):
    view = np.lib.stride_tricks.sliding_window_view(x, (height, across), axis=(0, 1))
    return view[::stride, ::stride]


def maximum(x, stride=1, pad=True):
    if pad:
        x = np.pad(x, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    return windows(x, 3, 3, stride).max(axis=(3, 4))


def average(x):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    return np.nanmean(windows(padded, 3, 3), axis=(3, 4))
