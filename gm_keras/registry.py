"""Every system by name."""

from gm_keras.core import GenerativeModel
from gm_keras.models.diffusion.ddpm import DDPM
from gm_keras.models.flow.realnvp import RealNVP
from gm_keras.models.gan.dcgan import DCGAN
from gm_keras.models.gan.wgan_gp import WGANGP
from gm_keras.models.latent.vae import VAE

SYSTEMS: dict[str, type[GenerativeModel]] = {
    "vae": VAE,
    "ddpm": DDPM,
    "dcgan": DCGAN,
    "realnvp": RealNVP,
    "wgan_gp": WGANGP,
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
