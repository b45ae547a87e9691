# Written by `make format`: for editors and type checkers.
from gm_keras import backend as backend
from gm_keras import callbacks as callbacks
from gm_keras import core as core
from gm_keras import data as data
from gm_keras import exploration as exploration
from gm_keras import metrics as metrics
from gm_keras import models as models
from gm_keras import registry as registry
from gm_keras.core import GenerativeModel as GenerativeModel
from gm_keras.core import OptimizerGroup as OptimizerGroup
from gm_keras.core import Phase as Phase
from gm_keras.models.autoregressive.gated_pixelcnn import GatedPixelCNN as GatedPixelCNN
from gm_keras.models.boltzmann.helmholtz_machine import HelmholtzMachine as HelmholtzMachine
from gm_keras.models.boltzmann.rbm import RBM as RBM
from gm_keras.models.diffusion.ddpm import DDPM as DDPM
from gm_keras.models.flow.realnvp import RealNVP as RealNVP
from gm_keras.models.gan.bigan import BiGAN as BiGAN
from gm_keras.models.gan.biggan import BigGAN as BigGAN
from gm_keras.models.gan.cgan import CGAN as CGAN
from gm_keras.models.gan.dcgan import DCGAN as DCGAN
from gm_keras.models.gan.gan import VanillaGAN as VanillaGAN
from gm_keras.models.gan.improved_gan import ImprovedGAN as ImprovedGAN
from gm_keras.models.gan.infogan import InfoGAN as InfoGAN
from gm_keras.models.gan.lgan import LGAN as LGAN
from gm_keras.models.gan.lsgan import LSGAN as LSGAN
from gm_keras.models.gan.progressive_gan import ProgressiveGAN as ProgressiveGAN
from gm_keras.models.gan.sagan import SAGAN as SAGAN
from gm_keras.models.gan.sngan import SNGAN as SNGAN
from gm_keras.models.gan.wgan import WGAN as WGAN
from gm_keras.models.gan.wgan_gp import WGANGP as WGANGP
from gm_keras.models.latent.vae import VAE as VAE
from gm_keras.models.latent.vqvae import VQVAE as VQVAE
from gm_keras.models.latent.vqvae_prior import VQVAEPrior as VQVAEPrior
from gm_keras.models.sequence.gpt2 import GPT2 as GPT2
from gm_keras.models.translation.pix2pix import Pix2Pix as Pix2Pix

__version__: str
