"""Spectral normalization (Miyato et al. 2018, arXiv 1802.05957) as a parametrization of PyTorch's layers.

Of `torch.nn.utils.parametrizations.spectral_norm` it has the values and the gradients, by half as many operations: v is
computed from u and not kept beside it, one product serves u and sigma, nothing is copied, and a kernel that is channels
last in memory is no other matrix for it than a view.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class Normalized(nn.Module):
    """Divides a weight by its largest singular value, known from one power iteration a use."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.register_buffer("u", nn.functional.normalize(torch.randn(len(weight)), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        rows = matrix(weight)
        with torch.no_grad():
            v = rows.t().mv(self.u)
            v /= torch.linalg.vector_norm(v)
        # Of length sigma, and u times it: the gradient of the length is u v^T, as that of u^T W v.
        left = rows.mv(v)
        sigma = torch.linalg.vector_norm(left)
        if self.training:
            torch.div(left.detach(), sigma.detach(), out=self.u)
        return weight / sigma


def matrix(weight: Tensor) -> Tensor:
    """A weight as `(outputs, all inputs)`: a view, of a kernel of a convolution if it is channels last in memory."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).flatten(1)


def spectral(layer: nn.Module) -> nn.Module:
    """The layer, its weight spectrally normalized."""
    parametrize.register_parametrization(layer, "weight", Normalized(layer.weight))
    return layer
