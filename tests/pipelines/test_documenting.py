"""The pages that a command writes are as it would write them, and say what the recipes say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.command import documenting, listing, picturing
from pipelines.report import cards, inputs
from pipelines.settings import load_settings
from pipelines.shared import catalog, kinds
from pipelines.shared.errors import UserError
from tests.pipelines.test_catalog import CAPABILITIES
from tests.projects import parts, reported

ROOT = Path(__file__).parents[2]
RUN = {
    "data": "digits",
    "scores": [
        {"metric": "negative_elbo_nats", "value": 21.5, "error": 0.25},
        {"metric": "bits_per_dim", "value": 0.485, "error": 0.006},
        {"metric": "classifier_fid", "value": 6.0, "error": 0.9},
    ],
    "likelihood": {"kind": "bound", "of": "discrete", "given": "label"},
    "epochs": 150,
    "parameters": 119_285,
    "seconds": 300.0,
    "machine": "2 cores of a machine",
    "commit": "0123456789ab",
}


def test_the_committed_pages_are_up_to_date():
    for name, text in documenting.pages(ROOT).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, "write it with: gm-keras docs"


def test_the_page_shows_what_was_reached():
    page = documenting.systems_page([replace(catalog.recipe("vae"), reached=(RUN,))])
    assert (
        "| [`vae`](#vae) | digits | Negative ELBO 21.50 ± 0.25 nats, Bits per dimension ≤ 0.485 ± 0.006 bits "
        "| 6.0 ± 0.9 | – | – | 119,285 | 5 min |"
    ) in page
    facts = "119,285 parameters; 150 epochs; 5 min; 2 cores of a machine; commit 0123456789ab"
    assert facts in page
    assert "given the label" in page


def test_real_data_and_noise_are_shown_where_the_runs_agree_but_for_their_rounding():
    def table(*ceilings: float) -> str:
        recipes = []
        for ceiling in ceilings:
            scores = [
                {"metric": "classifier_fid", "value": 6.2, "error": 0.9, "ceiling": ceiling},
                {"metric": "precision", "value": 0.8, "error": 0.012, "ceiling": 0.417},
                {"metric": "recall", "value": 0.5, "error": 0.012, "ceiling": 0.039},
            ]
            recipe = catalog.recipe("vae")
            recipes.append(replace(recipe, reached=[{**RUN, "scores": scores}]))
        return documenting.defaults_table(recipes)

    assert "| noise |  | 117.0 | 0.417 | 0.039 |" in table(117.5, 117.0)
    assert "noise" not in table(117.5, 110.0)


def test_a_page_that_is_out_of_date_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(documenting, "checkout", lambda: tmp_path)
    (tmp_path / "params.yaml").write_text("systems: {}\n")
    (tmp_path / "README.md").write_text(
        "<!-- systems: begin -->\nold\n<!-- systems: end -->\nkept\n"
    )
    with pytest.raises(UserError, match="out of date: write it with: gm-keras docs"):
        documenting.write(check=True)
    assert "old" in (tmp_path / "README.md").read_text()
    documenting.write()
    text = (tmp_path / "README.md").read_text()
    assert "old" not in text
    assert text.endswith("<!-- systems: end -->\nkept\n")
    assert documenting.write(check=True) == "every page is up to date"


def test_every_capability_and_every_data_set_has_a_meaning():
    assert set(documenting.CAPABILITIES) == CAPABILITIES
    for recipe in catalog.recipes():
        assert all(kinds.kind_of(name) for name in recipe.datasets), recipe.name


def test_the_beginning_of_a_recipe_says_what_all_of_it_says():
    for head, recipe in zip(catalog.heads(), catalog.recipes(), strict=True):
        for name in ("name", "paper", "summary", "family", "capabilities", "datasets"):
            assert getattr(head, name) == getattr(recipe, name)


def test_the_list_is_grouped_and_filtered():
    lines = listing.listing(data=["text"], capabilities=["density"]).splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == ["system", "sequence", "gpt2"]
    assert "  gpt2" in lines[-1]
    assert (
        listing.listing(families=["gan"], capabilities=["density"]) == "No system is all of that."
    )
    with pytest.raises(UserError, match='--offers: no recipe has "densty": did you mean "density"'):
        listing.listing(capabilities=["densty"])


def report_cards(folder: Path) -> dict[str, dict[str, Any]]:
    """The cards of the systems of a made-up project, under the names of the default ones."""
    folder.mkdir()
    root = reported.make_project(folder)
    system = inputs.read_system("vae", load_settings(root / "params.yaml"), root)
    content = cards.card(system).model_dump()
    return {key: content | {"key": key} for key in ("vae", "dcgan", "realnvp")}


def test_the_pictures_come_from_a_project(tmp_path, monkeypatch):
    root, project = tmp_path / "checkout", tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    (root / "params.yaml").write_text("systems: {vae: {}, dcgan: {}, realnvp: {}}\n")
    monkeypatch.setattr(picturing, "checkout", lambda: root)
    way = project / "reports" / picturing.ON_THE_WAY / "latents/trajectory.png"
    reported.write_picture(way, 0)
    for seed, key in enumerate(("vae", "dcgan", "realnvp", *picturing.OTHERS)):
        with pytest.raises(UserError, match=f"is missing: add {key} there"):
            picturing.write(project)
        assert list((root / "docs").iterdir()) == []
        reported.write_picture(project / f"reports/{key}/samples.png", seed, (360, 360))
    with pytest.raises(UserError, match="page@vae"):
        picturing.write(project)
    assert list((root / "docs").iterdir()) == []
    for key, card in report_cards(tmp_path / "other").items():
        parts.write_json(cards.path(key, project), card)
    monkeypatch.setattr(picturing, "BROWSER", "no-such-browser")
    assert "docs/report.png is as it was: it needs no-such-browser" in picturing.write(project)
    # Rows of two: two rows of defaults, three of the others.
    sizes = {path.stem: Image.open(path).size for path in (root / "docs").iterdir()}
    assert sizes == {"samples": (732, 732), "systems": (732, 1104), "trajectory": (60, 48)}
    assert (root / "docs/trajectory.png").read_bytes() == way.read_bytes()
