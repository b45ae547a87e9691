"""Every system by name."""

from gm_keras.core import GenerativeModel
from gm_keras.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from gm_keras.models.boltzmann.helmholtz_machine import HelmholtzMachine
from gm_keras.models.boltzmann.rbm import RBM
from gm_keras.models.diffusion.ddpm import DDPM
from gm_keras.models.flow.realnvp import RealNVP
from gm_keras.models.gan.dcgan import DCGAN
from gm_keras.models.gan.progressive_gan import ProgressiveGAN
from gm_keras.models.gan.wgan_gp import WGANGP
from gm_keras.models.latent.vae import VAE
from gm_keras.models.latent.vqvae import VQVAE
from gm_keras.models.latent.vqvae_prior import VQVAEPrior
from gm_keras.models.sequence.gpt2 import GPT2
from gm_keras.models.translation.pix2pix import Pix2Pix

SYSTEMS: dict[str, type[GenerativeModel]] = {
    "gated_pixelcnn": GatedPixelCNN,
    "vae": VAE,
    "vqvae": VQVAE,
    "vqvae_prior": VQVAEPrior,
    "ddpm": DDPM,
    "dcgan": DCGAN,
    "realnvp": RealNVP,
    "wgan_gp": WGANGP,
    "progressive_gan": ProgressiveGAN,
    "pix2pix": Pix2Pix,
    "rbm": RBM,
    "helmholtz_machine": HelmholtzMachine,
    "gpt2": GPT2,
}


def names() -> list[str]:
    """The names of all systems, in alphabetical order."""
    return sorted(SYSTEMS)


def get(name: str) -> type[GenerativeModel]:
    """Returns the class of a system.

    Args:
        name: For example "vae".

    Raises:
        ValueError: If there is no such system; the message lists those there are.
    """
    if name not in SYSTEMS:
        raise ValueError(f'there is no system "{name}"; known: {", ".join(names())}')
    return SYSTEMS[name]
