"""Every system by name: where its class is. A class is imported when it is asked for."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gm_keras.core import GenerativeModel

#: For each system, its family and its class: `gm_keras.models.<family>.<name>` holds it.
SYSTEMS: dict[str, tuple[str, str]] = {
    "bigan": ("gan", "BiGAN"),
    "biggan": ("gan", "BigGAN"),
    "cgan": ("gan", "CGAN"),
    "dcgan": ("gan", "DCGAN"),
    "ddpm": ("diffusion", "DDPM"),
    "gan": ("gan", "VanillaGAN"),
    "gated_pixelcnn": ("autoregressive", "GatedPixelCNN"),
    "gpt2": ("sequence", "GPT2"),
    "helmholtz_machine": ("boltzmann", "HelmholtzMachine"),
    "improved_gan": ("gan", "ImprovedGAN"),
    "infogan": ("gan", "InfoGAN"),
    "lgan": ("gan", "LGAN"),
    "lsgan": ("gan", "LSGAN"),
    "pix2pix": ("translation", "Pix2Pix"),
    "progressive_gan": ("gan", "ProgressiveGAN"),
    "rbm": ("boltzmann", "RBM"),
    "realnvp": ("flow", "RealNVP"),
    "sagan": ("gan", "SAGAN"),
    "sngan": ("gan", "SNGAN"),
    "vae": ("latent", "VAE"),
    "vqvae": ("latent", "VQVAE"),
    "vqvae_prior": ("latent", "VQVAEPrior"),
    "wgan": ("gan", "WGAN"),
    "wgan_gp": ("gan", "WGANGP"),
}


def names() -> list[str]:
    """The names of all systems, in alphabetical order."""
    return sorted(SYSTEMS)


def module_of(name: str) -> str:
    """The module that holds the class of a system, such as "gm_keras.models.latent.vae".

    Raises:
        ValueError: If there is no such system; the message lists those there are.
    """
    if name not in SYSTEMS:
        raise ValueError(f'there is no system "{name}"; known: {", ".join(names())}')
    return f"gm_keras.models.{SYSTEMS[name][0]}.{name}"


def classes() -> dict[str, str]:
    """For each class of a system, the module that holds it."""
    return {cls: module_of(name) for name, (_, cls) in SYSTEMS.items()}


def get(name: str) -> type["GenerativeModel"]:
    """Imports the class of a system.

    Args:
        name: For example "vae".

    Raises:
        ValueError: If there is no such system; the message lists those there are.
    """
    return getattr(importlib.import_module(module_of(name)), SYSTEMS[name][1])
