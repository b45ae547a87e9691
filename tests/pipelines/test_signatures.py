"""What `params.yaml` says of models and samplers, checked before Keras is imported."""

import subprocess
import sys

import pytest

from pipelines.settings import signatures
from pipelines.shared import catalog
from pipelines.shared.errors import UserError


def refusal(check, system, block):
    with pytest.raises(UserError) as caught:
        check("here", system, block)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300
    return message


@pytest.mark.parametrize(
    ("system", "block", "expected"),
    [
        ("vae", {"binarize": "no"}, "here.binarize must be true or false, not 'no'"),
        ("realnvp", {"batch_norm": "off"}, "here.batch_norm must be true or false, not 'off'"),
        ("vae", {"latent_dim": -3}, "here.latent_dim must be an integer of at least 1, not -3"),
        ("vae", {"latent_dim": True}, "here.latent_dim must be an integer of at least 1, not True"),
        ("vae", {"latent_dim": "3"}, "here.latent_dim must be an integer of at least 1, not '3'"),
        ("vae", {"latent_dim": None}, "here.latent_dim must be an integer of at least 1, not null"),
        ("vae", {"latent_dim": 10**30}, "here.latent_dim must be an integer from 1 to 8192"),
        # Python refuses to print such a number.
        ("vae", {"latent_dim": 10**6000}, "not an integer of 19932 bits"),
        ("vae", {"units": [10**6000]}, "here.units must be a list"),
        ("vae", {"units": []}, "here.units must be a list of one or more integers of at least 1"),
        ("vae", {"units": {"a": 1}}, "here.units must be a list of one or more integers"),
        ("vae", {"units": [[8]]}, "here.units must be a list of one or more integers"),
        ("vae", {"filters": 32}, "here.filters must be a list of one or more integers"),
        ("vae", {"filters": "32"}, "here.filters must be a list of one or more integers"),
        ("vae", {"network": "conv"}, 'here.network must be "convolutional" or "dense", not'),
        ("vae", {"num_classes": 0}, "here.num_classes must be an integer of at least 1, or null"),
        (
            "vae",
            {"image_shape": [8, 8]},
            "here.image_shape must be a shape (height, width, channels)",
        ),
        ("ddpm", {"dropout": float("nan")}, "here.dropout must be a number of at least 0 and less"),
        ("ddpm", {"dropout": 1.0}, "here.dropout must be a number of at least 0 and less than 1"),
        ("gated_pixelcnn", {"kernel_size": 4}, "here.kernel_size must be an odd integer from 3"),
        ("pix2pix", {"l1_weight": float("inf")}, "here.l1_weight must be a number"),
        ("gpt2", {"vocabulary": ["a", "b"]}, "here.vocabulary must be a text of at least 2"),
        (
            "vae",
            {"latent_dims": 3},
            'here.latent_dims is not a known key: did you mean "latent_dim"?',
        ),
        ("vqvae_prior", {"first_stage": "vqvae"}, "here.first_stage cannot be set here"),
    ],
)
def test_arguments_of_models(system, block, expected):
    assert expected in refusal(signatures.check_model, system, block)


@pytest.mark.parametrize(
    ("system", "block", "expected"),
    [
        ("vae", {"noize": True}, 'here.noize is not a known key: did you mean "noise"?'),
        ("vae", {"noise": "no"}, "here.noise must be true or false, not 'no'"),
        ("ddpm", {"guidance_scale": 2.0}, "Known: clip, eta, guidance, sampler, steps, variance"),
        (
            "ddpm",
            {"guidance": float("nan")},
            "here.guidance must be a number from -1000000 to 1000000, not nan",
        ),
        ("ddpm", {"steps": 2.7}, "here.steps must be an integer of at least 1, or null, not 2.7"),
        ("ddpm", {"steps": -1}, "here.steps must be an integer of at least 1, or null, not -1"),
        ("ddpm", {"sampler": "euler"}, 'here.sampler must be "ddim" or "ancestral", not'),
        ("gpt2", {"temperature": float("nan")}, "here.temperature must be a number of at least 0"),
        ("gpt2", {"prompt": ""}, "here.prompt must be a text of at least 1 character, or null"),
        ("gpt2", {"top_p": 0}, "here.top_p must be a number above 0 and at most 1, or null"),
        ("dcgan", {"steps": 3}, "here.steps is not a known key: dcgan has no options"),
        ("vae", {"n": 5}, "here.n cannot be set here: evaluate:"),
        ("vae", {"seed": 1}, "here.seed cannot be set here: seed:"),
        ("ddpm", {"label": 3}, "here.label cannot be set here: "),
        ("pix2pix", {"batch_size": 16}, "here.batch_size cannot be set here: "),
    ],
)
def test_options_of_samplers(system, block, expected):
    assert expected in refusal(signatures.check_sample, system, block)


@pytest.mark.parametrize("recipe", catalog.recipes(), ids=lambda recipe: recipe.name)
def test_the_recipes_hold_nothing_wrong(recipe):
    for block in (recipe.system, *recipe.overrides.values()):
        signatures.check_model("model", recipe.name, block.get("model", {}))
        signatures.check_sample("sample", recipe.name, block.get("sample", {}))
    test = {name: value for name, value in recipe.test.items() if name != "uses"}
    signatures.check_model("test", recipe.name, test)


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from pipelines.settings import signatures; "
        "signatures.check_model('here', 'vae', {'latent_dim': 3}); "
        "sys.exit('keras' in sys.modules or 'gm_keras.core' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
