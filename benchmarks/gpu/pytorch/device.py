"""What every PyTorch contender does with its device."""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

Choice = TypeVar("Choice")
FORMATS = (torch.channels_last, torch.contiguous_format)


def prepare(device: str) -> torch.device:
    """The device, with the fastest convolutions and float32 products that PyTorch offers."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    return torch.device(device)


def wait(device: torch.device) -> None:
    """Returns when the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def facts(device: torch.device) -> dict[str, Any]:
    """The card, the most bytes that tensors held on it (None on a CPU), and the version."""
    on_card = device.type == "cuda"
    return {
        "card": torch.cuda.get_device_name() if on_card else "cpu",
        "device_memory": torch.cuda.max_memory_allocated() if on_card else None,
        "versions": {"torch": torch.__version__},
    }


def parameters(network: nn.Module) -> int:
    """The number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def fastest(
    choices: Iterable[Choice], run: Callable[[Choice], Any], device: torch.device
) -> Choice:
    """The choice whose quickest run takes least: others may compile meanwhile; memory counts from here."""
    seconds = {}
    for choice in choices:
        times = []
        for _ in range(6):
            wait(device)
            started = time.perf_counter()
            run(choice)
            wait(device)
            times.append(time.perf_counter() - started)
        seconds[choice] = min(times)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return min(seconds, key=seconds.get)


def operations(network: nn.Module, *inputs: torch.Tensor, backward: bool = False) -> int:
    """Floating-point operations of products and convolutions, counted without computing anything.

    Args:
        network: On the device "meta".
        *inputs: The same.
        backward: Count the gradients as well.
    """
    # Attention counts as what it is by definition, two products over all positions.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        outputs = network(*inputs)
        if backward:
            outputs.float().sum().backward()
    return counter.get_total_flops()
