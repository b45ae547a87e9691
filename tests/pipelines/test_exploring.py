"""`gm-keras interpolate`, `arithmetic`, `traverse` and `neighbours` on small exported systems."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from gm_keras import images
from gm_keras.data import PreparedData
from gm_keras.metrics.features import load_extractor, make_extractor
from gm_keras.models.gan.dcgan import DCGAN
from gm_keras.models.latent.vae import VAE
from pipelines.command import exploring
from pipelines.shared.errors import UserError
from tests.projects import parts
from tests.projects.datasets import write_digits

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SYSTEMS = {
    "vae": parts.block(
        "vae", model={"latent_dim": 3, "network": "dense", "units": [16], "num_classes": 10}
    ),
    "gan": parts.block("dcgan", parts.GAME, model={"latent_dim": 4, "filters": 4, "stages": 1}),
    "diffusion": parts.block("ddpm", model={"timesteps": 3}),
    "boltzmann": parts.block("rbm", model={"hidden": 4}),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project with two systems trained for an epoch and exported, and the data set's classifier."""
    folder = tmp_path_factory.mktemp("project")
    parts.write_params(folder, SYSTEMS)
    data = write_digits(folder / "data" / "digits")
    (folder / "extractors" / "digits").mkdir(parents=True)
    make_extractor(data, 0, folder / "extractors" / "digits")
    keras.utils.set_random_seed(0)
    x, label = data.scaled("train"), np.array(data.arrays("train")["label"])
    vae = VAE((8, 8, 1), latent_dim=3, network="dense", units=(16,), num_classes=10)
    vae.compile("adam")
    vae.fit(x, label, batch_size=50, epochs=1, verbose=0)
    gan = DCGAN((8, 8, 1), latent_dim=4, filters=4, stages=1)
    gan.compile({name: keras.optimizers.Adam() for name in ("discriminator", "generator")})
    gan.fit(x, batch_size=50, epochs=1, verbose=0)
    for key, model in {"vae": vae, "gan": gan}.items():
        (folder / "exports" / key).mkdir(parents=True)
        model.save(folder / "exports" / key / "model.keras")
    return folder


@pytest.fixture
def project(trained):
    """The trained project; what a test leaves in it is removed."""
    before = set(trained.iterdir())
    yield trained
    for path in set(trained.iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def run(run, project, monkeypatch):
    """Runs the command in the project; returns the exit code and both outputs."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return run


@pytest.mark.parametrize(
    ("arguments", "file", "words"),
    [
        (["interpolate", "vae"], "vae-interpolation.png", "linear goes straight"),
        (["interpolate", "gan", "--spherical"], "gan-interpolation.png", "draws from the prior"),
        (["traverse", "vae", "-n", "2"], "vae-traversal.png", "2 of 3 dimensions"),
        (["arithmetic", "vae", "3 - 5 + 8"], "vae-arithmetic.png", 'the result "8"'),
        (["neighbours", "gan"], "gan-neighbours.png", "300 training examples"),
        (["neighbours", "vae", "--features"], "vae-neighbours.png", "classifier's features"),
    ],
)
def test_commands_write_a_picture_and_say_what_it_shows(run, project, arguments, file, words):
    before = set(project.iterdir())
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert file in out
    assert words in out
    assert {path.name for path in set(project.iterdir()) - before} == {"plots"}
    assert [path.name for path in (project / "plots").iterdir()] == [file]
    assert np.asarray(Image.open(project / "plots" / file)).std() > 1.0


def test_a_seed_decides_the_picture(run):
    for seed, output in (("1", "a.png"), ("1", "b.png"), ("2", "c.png")):
        assert run("interpolate", "gan", "--seed", seed, "-o", output)[0] == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()


def test_rows_and_columns_are_as_many_as_asked(run):
    sizes = {}
    for name, options in {
        "few": ["-n", "2", "--steps", "3"],
        "rows": ["-n", "4", "--steps", "3"],
        "columns": ["-n", "2", "--steps", "6"],
    }.items():
        run("interpolate", "gan", "--linear", *options, "-o", f"{name}.png")
        sizes[name] = Image.open(f"{name}.png").size
    cell = 64 + images.GAP
    width, height = sizes["few"]
    assert sizes["columns"] == (width + 3 * cell, height)
    assert sizes["rows"][0] == width
    assert sizes["rows"][1] > height + 2 * (cell - 2)


def test_arithmetic_without_an_encoder_asks_the_classifier(run, project):
    data = PreparedData(project / "data" / "digits")
    model = keras.saving.load_model(project / "exports" / "gan" / "model.keras")
    extractor = load_extractor(data, project / "extractors" / "digits")
    drawn = extractor.probabilities(np.asarray(model.decode(model.draw_latents(1024))))
    counts = np.bincount(drawn.argmax(axis=1), minlength=10)
    often, seldom = counts.argmax(), counts.argmin()
    code, out, err = run("arithmetic", "gan", f"{often} + {often} - {often}")
    assert (code, err) == (0, "")
    assert "draws that the classifier reads as such" in out
    # A generator of one epoch does not make every digit.
    assert counts[seldom] < 3
    code, _, err = run("arithmetic", "gan", f"{often} - {seldom}")
    assert code == 1
    assert f'too few samples of the class "{seldom}"' in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["interpolate", "nosuch"], 'no system "nosuch"'),
        (
            ["interpolate", "boltzmann"],
            "systems of params.yaml that can do it: vae, gan, diffusion",
        ),
        (["traverse", "diffusion"], "systems of params.yaml that can do it: vae, gan"),
        (["interpolate", "diffusion"], "dvc repro export@diffusion"),
        (["interpolate", "vae", "--steps", "1"], "--steps must be at least 2"),
        (["interpolate", "vae", "--label", "10"], "label 10: try 0 to 9"),
        (["interpolate", "gan", "--label", "1"], "without labels"),
        (["interpolate", "vae", "-n", "0"], "-n must be at least 1"),
        (["interpolate", "vae", "-o", "grid.txt"], "PNG"),
        (["interpolate", "vae", "-o", "nosuch/grid.png"], "no folder nosuch"),
        (["traverse", "vae", "--label", "-1"], "label -1"),
        (["traverse", "vae", "--steps", "0"], "--steps"),
        (["arithmetic", "vae", "3"], "expected classes"),
        (["arithmetic", "vae", "3 - "], "expected classes"),
        (["arithmetic", "vae", "3 - ten"], 'no class "ten"'),
        (["arithmetic", "vae", "3 - 10"], 'no class "10"'),
        (["neighbours", "vae", "--label", "12"], "0 to 9"),
        (["neighbours", "gan", "-n", "-3"], "-n must be at least 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(run, project, arguments, words):
    (project / "grid.png").write_text("what was there")
    before = sorted(project.rglob("*"))
    if "-o" not in arguments:
        arguments = [*arguments, "-o", "grid.png"]
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert (project / "grid.png").read_text() == "what was there"
    assert sorted(project.rglob("*")) == before


def test_a_missing_or_damaged_part_of_the_project_is_named(run, project):
    extractor = project / "extractors" / "digits"
    extractor.rename(project / "elsewhere")
    try:
        code, _, err = run("neighbours", "vae", "--features")
    finally:
        (project / "elsewhere").rename(extractor)
    assert code == 1
    assert "dvc repro extractor@digits" in err
    export = project / "exports" / "gan" / "model.keras"
    whole = export.read_bytes()
    export.write_bytes(whole[:100])
    try:
        code, _, err = run("traverse", "gan")
    finally:
        export.write_bytes(whole)
    assert code == 1
    assert err.count("\n") == 1
    assert str(Path("exports") / "gan" / "model.keras") in err


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("3 - 5 + 8", [(1, 3), (-1, 5), (1, 8)]),
        ("3-5+8", [(1, 3), (-1, 5), (1, 8)]),
        ("t-shirt - Coat", [(1, 0), (-1, 1)]),
        ("0 + t-shirt + 2", [(1, 0), (1, 0), (1, 2)]),
    ],
)
def test_terms_are_names_or_numbers(expression, terms):
    names = ["T-shirt", "coat", *map(str, range(2, 9))]
    assert exploring.parse_terms(expression, names, "clothes") == terms


@pytest.mark.parametrize("expression", ["", "3", "3 +", "t-shirt", "+", "3 5"])
def test_what_is_no_sum_is_refused(expression):
    with pytest.raises(UserError, match="expected classes"):
        exploring.parse_terms(expression, ["a", "b"], "letters")
