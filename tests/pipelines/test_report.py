"""The pages: what they say of the scores, and what happens when an input is missing or damaged."""

import base64
import io
import json
import re
import subprocess
import sys
import wave
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gm_keras import images, views
from pipelines.report import (
    cards,
    curves,
    index,
    inputs,
    leaderboard,
    lineage,
    page,
    precision_recall,
    published,
    readings,
)
from pipelines.running import sounds
from pipelines.settings import load_settings
from pipelines.shared import catalog, facts, scores
from pipelines.shared.errors import UserError
from tests.projects import parts, reported


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return reported.make_project(tmp_path)


def system(root: Path, key: str) -> inputs.System:
    return inputs.read_system(key, load_settings(root / "params.yaml"), root)


def tables(root: Path) -> list[leaderboard.Table]:
    return leaderboard.tables([cards.card(system(root, key)) for key in reported.METRICS])


def written(root: Path, key: str = "vae") -> str:
    """The page of a system."""
    page.run(key)
    return (root / f"reports/{key}.html").read_text(encoding="utf-8")


def indexed(root: Path) -> str:
    """The index, with the pages as they are."""
    index.run()
    return (root / "reports/index.html").read_text(encoding="utf-8")


def all_written(root: Path) -> dict[str, str]:
    """Every page, and the index."""
    settings = load_settings(root / "params.yaml")
    for key in reported.METRICS:
        page.write(key, settings, root)
    index.run()
    names = (*reported.METRICS, "index")
    return {name: (root / f"reports/{name}.html").read_text(encoding="utf-8") for name in names}


def change(root: Path, key: str, **entries) -> None:
    path = root / "reports" / key / "scores.json"
    parts.write_json(path, json.loads(path.read_text()) | entries)


def cells(table: leaderboard.Table, key: str) -> dict[str, leaderboard.Cell]:
    row = next(row for each, row in table.rows if each.key == key)
    return dict(zip([column.name for column in table.columns], row, strict=True))


class Page(HTMLParser):
    """The pictures, identities and links of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.images: list[dict[str, str]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        if "id" in found:
            self.ids.append(found["id"])
        self.links += [found[name] for name in ("href", "src") if name in found]


def test_the_pages_hold_everything_they_need(root):
    pages = {key: Page(text) for key, text in all_written(root).items()}
    # A picture of three systems on the index; on each page samples, two epochs, one of the latents.
    numbers = {key: len(found.images) for key, found in pages.items()}
    assert numbers == {"index": 3, "vae": 4, "dcgan": 3, "pix2pix": 3, "gpt2": 2}
    for key, found in pages.items():
        assert all(image["alt"] for image in found.images)
        assert len(found.ids) == len(set(found.ids))
        for link in found.links:
            target, _, fragment = link.partition("#")
            if link.startswith("data:"):
                continue
            name = target.partition("?")[0].removesuffix(".html") or key
            assert name in pages, f"{link} on {key}"
            assert not fragment or fragment in pages[name].ids, f"{link} on {key}"
    assert {f"{key}.html" for key in reported.METRICS} <= set(pages["index"].links)
    assert all("index.html" in pages[key].links for key in reported.METRICS)


def test_the_same_inputs_give_the_same_bytes(root):
    files = [root / "reports" / name for name in ("index.html", "vae.html", "samples.png")]
    all_written(root)
    first = [path.read_bytes() for path in files]
    all_written(root)
    assert [path.read_bytes() for path in files] == first


def test_what_a_model_wrote_cannot_become_part_of_a_page(root):
    written(root)
    for text in (written(root, "gpt2"), indexed(root)):
        assert "What &lt;b&gt;say&lt;/b&gt; you, &lt;/script&gt; &amp; friends?" in text
        assert text.count("</script>") == 1


def test_every_kind_of_sample_has_its_place_on_a_page(root):
    """A film of masks' colours, which moves, and sounds, which can be played; nothing else is loaded."""
    frames = np.stack([views.sheet("mask", np.full((4, 8, 8, 1), code)) for code in range(3)])
    with (root / "reports/vae/samples.png").open("wb") as file:
        images.save(frames, file)
    made = sounds.addresses("audio", np.zeros((20, 800)), {"sample_rate": 8000})
    parts.write_json(root / "reports/vae/samples.json", {"texts": [], "sounds": made})
    found = Page(written(root))
    assert [link for link in found.links if link.startswith("data:audio")] == made
    assert len(made) == views.MOST_SHOWN["sounds"]
    film = base64.b64decode(found.images[0]["src"].partition(",")[2])
    with Image.open(io.BytesIO(film)) as shown:
        for number, frame in enumerate(frames):
            shown.seek(number)
            np.testing.assert_array_equal(np.asarray(shown.convert("RGB")), frame)


COLUMN = {
    "name": "capital <gain>",
    "kind": "number",
    "distance": 0.125,
    "floor": 0.04,
    "wasserstein": 0.3,
    "wasserstein_floor": 0.1,
    "bars": ["0 to 5", "5 to 10"],
    "real": [0.75, 0.25],
    "made": [0.5, 0.5],
}


def test_the_columns_of_a_table_stand_on_its_page(root):
    assert "<h2>Columns</h2>" not in written(root)
    far = COLUMN | {"name": "sex", "kind": "category", "distance": 0.9, "wasserstein": None}
    parts.write_json(root / "reports/vae/columns.json", [COLUMN, far])
    text = written(root)
    assert text.index("sex<small>category") < text.index("capital &lt;gain&gt;<small>number")
    assert "0 to 5: 75 % of the data, 50 % of the samples" in text
    assert text.count('<rect class="made"') == 4
    for value in ("0.125", "0.040", "0.300", "0.100", "0.900"):
        assert f'<td class="number">{value}</td>' in text
    parts.write_json(root / "reports/vae/columns.json", [COLUMN | {"made": [1.0]}])
    with pytest.raises(
        UserError, match=r"columns.json is not what the stage writes .*evaluate@vae"
    ):
        written(root)


def test_sounds_keep_their_rate_and_do_not_fill_a_page():
    assert sounds.addresses("image", np.zeros((2, 8, 8, 1)), {}) == []
    (first, *_) = sounds.addresses("audio", np.zeros((2, 800)), {"sample_rate": 8000})
    with wave.open(io.BytesIO(base64.b64decode(first.partition(",")[2]))) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 800)
    long = sounds.addresses("audio", np.zeros((12, 400_000), "float32"), {})
    assert 0 < sum(map(len, long)) < sounds.MOST_BYTES


def test_systems_without_a_page_are_named(root, capsys):
    all_written(root)
    (root / "reports/dcgan/scores.json").unlink()
    assert "Without a page so far, and so not here: dcgan." in indexed(root)
    assert "dcgan is not on the index: make its page with: dvc repro page@dcgan" in (
        capsys.readouterr().out
    )
    with pytest.raises(UserError, match="evaluate it with: dvc repro evaluate@dcgan"):
        page.run("dcgan")


def test_nothing_leads_to_the_page_of_a_system_that_was_taken_out(root):
    assert "dcgan.html" in all_written(root)["index"]
    params = root / "params.yaml"
    text = params.read_text()
    cut = text[: text.index("  dcgan:")] + text[text.index("  pix2pix:") :]
    params.write_text(cut)
    assert "dcgan" not in indexed(root)
    assert (root / "reports/dcgan.html").is_file()


def test_a_page_brings_the_index_up_to_date(root, capsys):
    page.run("vae")
    text = (root / "reports/index.html").read_text(encoding="utf-8")
    assert 'href="vae.html"' in text
    assert "Without a page so far, and so not here: dcgan, pix2pix, gpt2." in text
    # The card of another system is no reason for this one to have no page.
    cards.path("vae", root).write_text("{")
    page.run("dcgan")
    assert "the index is as it was: " in capsys.readouterr().out
    assert (root / "reports/dcgan.html").exists()
    assert (root / "reports/index.html").read_text(encoding="utf-8") == text


def test_an_index_of_nothing_says_what_to_do(root):
    assert "There is no page of a system yet" in indexed(root)


def test_a_damaged_card_is_one_line(root):
    before = all_written(root)["index"]
    for content in ("{", '{"key": "vae"}', cards.path("gpt2", root).read_text()):
        cards.path("vae", root).write_text(content)
        with pytest.raises(UserError, match="make it again with: dvc repro -f page@vae"):
            index.run()
    assert (root / "reports/index.html").read_text(encoding="utf-8") == before


def test_the_index_of_seventy_systems_is_small(root):
    """Seventy pictures of noise in colour, which no format makes small, and every score."""
    every = dict.fromkeys(scores.SCORES, 0.5) | {f"{name}_stderr": 0.01 for name in scores.SCORES}
    change(root, "vae", **every)
    reported.write_picture(root / "reports/vae/samples.png", 0, (700, 700))
    written(root)
    content = json.loads(cards.path("vae", root).read_text())
    keys = [f"vae_{number}" for number in range(70)]
    parts.write_params(root, {key: parts.block("vae") for key in keys})
    for key in keys:
        parts.write_json(root / f"reports/{key}/scores.json", {})
        parts.write_json(cards.path(key, root), content | {"key": key})
        (root / f"reports/{key}/samples.png").symlink_to(root / "reports/dcgan/samples.png")
    assert len(indexed(root)) < 3e6


def test_what_a_system_has_by_construction_is_no_victory(root):
    change(root, "vae", reconstruction_psnr=20.0)
    change(root, "dcgan", reconstruction_psnr=140.0)
    change(root, "pix2pix", reconstruction_psnr=19.0)
    made = [cards.card(system(root, key)) for key in ("vae", "dcgan", "pix2pix")]

    def ranked(found):
        table = leaderboard.tables(found)[0]
        return {key: cells(table, key)["reconstruction_psnr"] for key in ("vae", "dcgan")}

    assert ranked(made)["dcgan"].rank == "best"
    made[1] = made[1].model_copy(update={"capabilities": ["sampler", "invertible"]})
    assert (ranked(made)["dcgan"].rank, ranked(made)["dcgan"].given) == ("", True)
    assert (ranked(made)["vae"].rank, ranked(made)["vae"].given) == ("best", False)
    flow = system(root, "dcgan")
    flow = replace(flow, recipe=catalog.recipe("realnvp"))
    (row,) = readings.readings(flow)[scores.RECONSTRUCTION]
    assert row.given
    assert (row.reached, row.by) == (None, ())


def test_results_without_the_newer_entries_are_shown(root):
    old = {
        name: value
        for name, value in reported.METRICS["vae"].items()
        if name not in ("seeds", "likelihood", "data_checksum", "primary")
    }
    old["extractor"] = {"kind": "classifier"}
    parts.write_json(root / "reports/vae/scores.json", old)
    for name in ("calibration.json", "seeds.json", "pictures.json"):
        (root / "reports/vae" / name).unlink()
    (root / "models/vae/model.weights.h5").unlink()
    (root / "data/digits/dataset.json").unlink()
    (root / "dvc.lock").unlink()
    text = written(root)
    assert "Features of a classifier." in text
    assert "not in dvc.lock" in text


def test_every_system_of_the_catalogue_can_be_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    recipes = catalog.recipes()
    params = {
        "data": {name: entry for recipe in recipes for name, entry in recipe.entries.items()},
        "systems": {recipe.name: recipe.system for recipe in recipes},
    }
    # JSON is YAML as well.
    parts.write_json(tmp_path / "params.yaml", params)
    for recipe in recipes:
        metrics = reported.METRICS["dcgan"] | {"data": recipe.system["data"]}
        reported.write_system(tmp_path, recipe.name, metrics, seed=0)
    settings, texts = load_settings(tmp_path / "params.yaml"), {}
    for name in catalog.names():
        page.write(name, settings, tmp_path)
        texts[name] = (tmp_path / f"reports/{name}.html").read_text(encoding="utf-8")
    assert {f"{name}.html" for name in texts} <= set(Page(indexed(tmp_path)).links)
    assert all(entry["source"] in texts["ddpm"] for entry in catalog.recipe("ddpm").published)


@pytest.mark.parametrize(
    ("name", "content", "command"),
    [
        ("reports/vae/scores.json", '{"data": "digits"', "evaluate@vae"),
        ("reports/vae/scores.json", '{"data": "digits"}', "evaluate@vae"),
        ("reports/vae/scores.json", "[]", "evaluate@vae"),
        ("reports/vae/timing.json", None, "evaluate@vae"),
        ("reports/vae/samples.json", '{"texts": 3}', "evaluate@vae"),
        ("reports/vae/samples.png", None, "evaluate@vae"),
        ("reports/vae/samples.png", "no picture", "evaluate@vae"),
        ("reports/vae/calibration.json", '{"floor": 3}', "evaluate@vae"),
        ("reports/vae/seeds.json", "{", "evaluate@vae"),
        ("reports/vae/pictures.json", '[{"file": "line.png"}]', "evaluate@vae"),
        ("reports/vae/latents/line.png", None, "evaluate@vae"),
        ("reports/vae/epochs/epoch_0002.png", "no picture", "train@vae"),
        ("reports/vae/history.csv", None, "train@vae"),
        ("reports/vae/history.csv", "epoch,loss\n1,high\n", "train@vae"),
        ("reports/vae/history.csv", "time,loss\n1,2\n", "train@vae"),
        ("models/vae/run.json", "{}", "train@vae"),
        ("models/vae/model.weights.h5", "no weights", "train@vae"),
        ("data/digits/dataset.json", "[1]", "prepare@digits"),
    ],
)
def test_a_bad_input_is_one_line_and_the_page_stays(root, name, content, command):
    before = written(root)
    path = root / name
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        page.run("vae")
    message = str(caught.value)
    assert str(path) in message
    assert command in message
    assert "\n" not in message
    assert (root / "reports/vae.html").read_text(encoding="utf-8") == before


def test_the_leaderboard_has_a_table_for_each_data_set(root):
    digits, shakespeare = tables(root)
    # What all three have, and then what one has.
    assert [(column.title, column.few) for column in digits.columns] == [
        ("Classifier FID", False),
        ("Precision", False),
        ("Parameters", False),
        ("Negative ELBO", True),
        ("Mean absolute error", True),
    ]
    assert [each.key for each, _ in digits.rows] == ["vae", "dcgan", "pix2pix"]
    assert [column.name for column in shakespeare.columns] == ["nats_per_token", "parameters"]
    row = cells(digits, "vae")
    assert (row["classifier_fid"].text, row["classifier_fid"].error) == ("30.0", "2.0")
    # The standard error of the bound is that of its mirror image.
    assert (row["negative_elbo_nats"].text, row["negative_elbo_nats"].error) == ("21.50", "0.25")
    assert row["l1"].sort is None
    # 30 x 4 and 5 numbers; the step is no parameter.
    assert row["parameters"].sort == 125.0


def test_training_time_is_a_column_where_it_is_known(root):
    parts.write_json(root / "models/vae/run.json", {"run_id": "run", "training_seconds": 4000.0})
    digits, shakespeare = tables(root)
    assert cells(digits, "vae")["training_seconds"].text == "67 min"
    assert cells(digits, "dcgan")["training_seconds"].sort is None
    assert "training_seconds" not in cells(shakespeare, "gpt2")


def test_the_best_is_marked_with_what_cannot_be_told_apart_from_it(root):
    digits, _ = tables(root)
    ranks = {
        key: {name: cell.rank for name, cell in cells(digits, key).items()}
        for key in ("vae", "dcgan", "pix2pix")
    }
    assert [ranks[key]["classifier_fid"] for key in ranks] == ["", "best", ""]
    # 0.70 and 0.72 differ by less than 2 x 0.028; 0.1 does not.
    assert [ranks[key]["precision"] for key in ranks] == ["tied", "best", ""]
    # One system alone is not the best of anything.
    assert ranks["pix2pix"]["l1"] == ""


@pytest.mark.parametrize(
    "entries",
    [
        {"extractor": {"kind": "classifier", "sha256": "ff" * 32}},
        {"generated": 500},
        {"data_checksum": "00" * 32},
    ],
)
def test_nothing_is_best_among_what_was_not_measured_alike(root, entries):
    change(root, "dcgan", **entries)
    digits, _ = tables(root)
    assert all(cells(digits, key)["classifier_fid"].rank == "" for key in ("vae", "dcgan"))
    assert any("No best value is marked for Classifier FID" in note for note in digits.notes)


def test_likelihoods_of_different_things_are_not_ranked(root):
    likelihood = {"kind": "bound", "of": "discrete"}
    change(root, "dcgan", negative_elbo_nats=150.0, likelihood=likelihood)
    digits, _ = tables(root)
    assert cells(digits, "vae")["negative_elbo_nats"].rank == "best"
    change(root, "dcgan", likelihood=likelihood | {"of": "density"})
    digits, _ = tables(root)
    assert cells(digits, "vae")["negative_elbo_nats"].rank == ""


def test_calibration_is_one_value_or_an_honest_range(root):
    digits, shakespeare = tables(root)
    rows = {
        end.title: dict(zip([column.name for column in digits.columns], row, strict=True))
        for end, row in digits.calibration
    }
    assert rows["Real data"]["classifier_fid"] == leaderboard.Cell("2.0", "0.2", 2.0)
    assert rows["Noise"]["classifier_fid"].text == "102.0 to 132.0"
    assert rows["Noise"]["precision"].text == "0.100"
    assert rows["Real data"]["l1"].sort is None
    assert any("differ between the systems for Classifier FID" in each for each in digits.notes)
    assert any(reported.FLOOR_OF in note for note in digits.notes)
    assert shakespeare.calibration == ()


def test_the_notes_say_what_was_measured_with_what(root):
    digits, shakespeare = tables(root)
    assert digits.notes[0] == (
        "vae: 360 test examples of digits against 200 samples for each of 2 seeds from 0 on. Features of a "
        "classifier that reads 97.5 % of the test set right (32 features, weights abababababab)."
    )
    assert digits.notes[1].startswith("dcgan, pix2pix: 360 test examples")
    assert shakespeare.notes == (
        "54 test examples of shakespeare against 20 samples, seed 0. "
        "Features are the data themselves.",
    )


def test_scores_are_placed_between_noise_and_real_data(root):
    rows = {
        row.score.name: row
        for group in readings.readings(system(root, "vae")).values()
        for row in group
    }
    # (102 - 30) / (102 - 2), and (0.7 - 0.1) / (0.9 - 0.1).
    assert rows["classifier_fid"].reached == pytest.approx(0.72)
    assert rows["precision"].reached == pytest.approx(0.75)
    assert rows["classifier_fid"].by == (("real data", "2.0 ± 0.2"), ("noise", "102.0"))
    assert rows["negative_elbo_nats"].reached is None
    change(root, "vae", classifier_fid=500.0, precision=0.95)
    rows = {
        row.score.name: row
        for group in readings.readings(system(root, "vae")).values()
        for row in group
    }
    assert rows["classifier_fid"].reached == 0.0
    assert rows["precision"].reached == 1.0


def test_words_and_bars_are_right_whichever_way_is_better(root):
    """Of a likelihood, what stands at the ends is no noise; and of a higher score real data has the higher one."""
    change(root, "vae", accuracy=0.97, accuracy_stderr=0.04)
    ends = {
        "floor": {"elbo_nats": -20.0, "negative_elbo_nats": 20.0, "precision": 0.9},
        "ceiling": {"elbo_nats": -44.46812, "negative_elbo_nats": 44.46812, "precision": 0.1},
    }
    ends["floor"]["accuracy"], ends["ceiling"]["accuracy"] = 0.98, 0.1
    ends["ceiling"]["negative_elbo_nats_stderr"] = 0.0044
    parts.write_json(root / "reports/vae/calibration.json", ends)
    rows = {
        row.score.name: row
        for group in readings.readings(system(root, "vae")).values()
        for row in group
    }
    # No more decimals than the score itself has.
    assert rows["negative_elbo_nats"].by == (
        ("training data", "20.00"),
        ("before training", "44.47"),
    )
    assert rows["elbo_nats"].by == (("training data", "−20.00"), ("before training", "−44.47"))
    assert rows["accuracy"].by == (("given every label", "0.98"), ("most frequent class", "0.10"))
    assert rows["accuracy"].reached == pytest.approx((0.97 - 0.1) / (0.98 - 0.1))
    assert rows["precision"].by == (("real data", "0.900"), ("noise", "0.100"))
    same = (44.46812 - 21.5) / (44.46812 - 20.0)
    assert rows["negative_elbo_nats"].reached == pytest.approx(same)
    assert rows["elbo_nats"].reached == pytest.approx(same)
    text = all_written(root)
    for page_text in (text["vae"], text["index"]):
        shown = re.sub(r"<[^>]*>", "", page_text.partition("<main")[2])
        assert not re.search(r"\b(floor|ceiling)\b", shown, re.IGNORECASE)


def test_real_data_are_not_judged_by_what_a_model_has_by_construction(root):
    for key, value in (("vae", 18.0), ("dcgan", 143.0)):
        change(root, key, reconstruction_psnr=value)
        ends = {"floor": {"reconstruction_psnr": value}, "ceiling": {"classifier_fid": 100.0}}
        parts.write_json(root / f"reports/{key}/calibration.json", ends)
    made = [cards.card(system(root, key)) for key in ("vae", "dcgan")]
    made[1] = made[1].model_copy(update={"capabilities": ["sampler", "invertible"]})
    (table,) = leaderboard.tables(made)
    names = [column.name for column in table.columns]
    (_, row), _ = table.calibration
    assert row[names.index("reconstruction_psnr")].text == "18.00"


def test_training_time_machine_and_parameters_are_the_same_everywhere(root):
    run = {"run_id": "run", "training_seconds": 4000.0, "machine": "2 cores of a <machine>"}
    parts.write_json(root / "models/vae/run.json", run)
    pages = all_written(root)
    assert "125 parameters, trained in 67 min on 2 cores of a &lt;machine&gt;." in pages["vae"]
    assert ">67 min<" in pages["index"]
    assert ">125<" in pages["index"]
    assert "vae: trained on 2 cores of a &lt;machine&gt;." in pages["index"]
    parts.write_json(root / "models/vae/run.json", {"run_id": "run", "machine": "a machine"})
    assert "125 parameters, trained on a machine." in written(root)
    (root / "models/vae/model.weights.h5").unlink()
    assert "Trained on a machine." in written(root)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 min"), (12_000, "3 h 20 min")],
)
def test_times_have_sensible_digits(seconds, text):
    assert facts.duration(seconds) == text


def test_systems_are_points_of_precision_and_recall(root):
    for key, recall in (("vae", 0.25), ("dcgan", 0.75)):
        change(root, key, recall=recall, recall_stderr=0.05)
    ends = {"floor": {"precision": 0.9, "recall": 1.0}, "ceiling": {"precision": 0.1}}
    parts.write_json(root / "reports/vae/calibration.json", ends)
    digits, shakespeare = tables(root)
    assert shakespeare.shares is None
    real, vae, dcgan = digits.shares.points
    assert (real.kind, real.name, vae.name, dcgan.name) == ("floor", "Real data", "vae", "dcgan")
    width = precision_recall.RIGHT - precision_recall.LEFT
    # To the right is a higher recall, upwards a higher precision.
    assert dcgan.x - vae.x == pytest.approx(0.5 * width, abs=0.1)
    assert vae.y - real.y == pytest.approx(0.2 * width, abs=0.1)
    assert (real.x, real.across) == (precision_recall.RIGHT, 0.0)
    assert vae.across == pytest.approx(0.05 * width, abs=0.1)
    assert digits.shares.warning == ""
    assert "vae: Precision 0.700 ± 0.020, Recall 0.25 ± 0.05" in digits.shares.description
    change(root, "dcgan", generated=500)
    assert "not comparable" in tables(root)[0].shares.warning


def test_names_of_points_do_not_lie_over_each_other(root):
    change(root, "vae", recall=0.5, precision=0.5)
    one = cards.card(system(root, "vae"))
    crowd = [one.model_copy(update={"key": f"system_{number}"}) for number in range(30)]
    drawn = precision_recall.picture(crowd)
    assert len(drawn.points) == 30
    names = [(point.at, point.anchor) for point in drawn.points if point.name]
    assert 0 < len(names) == len(set(names)) < 30


def test_ticks_have_room_in_the_picture():
    points = [(1, -1.5e-7), (123_456, 3e-7)]
    (plot,) = curves.plots({"loss": points})
    longest = max(len(tick.text) for tick in plot.up)
    assert longest > 6
    assert plot.left - curves.MARGIN >= curves.DIGIT * longest
    last = plot.across[-1]
    assert last.at + curves.DIGIT * len(last.text) / 2 <= curves.WIDTH


def test_some_of_the_test_set_are_said_to_be_some(root):
    change(root, "vae", real=200, real_of=360)
    said = readings.circumstances(system(root, "vae"))[0]
    assert said.startswith("200 of the 360 test examples of digits against 200 samples")
    change(root, "vae", real=360, real_of=360)
    assert readings.circumstances(system(root, "vae"))[0].startswith("360 test examples of digits")


def test_a_bound_is_written_as_one(root):
    change(root, "vae", bits_per_dim=0.5)
    rows = readings.readings(system(root, "vae"))[scores.LIKELIHOOD]
    assert [row.value for row in rows if row.score.name == "bits_per_dim"] == ["≤ 0.5000"]
    said = " ".join(readings.circumstances(system(root, "vae")))
    assert "The likelihood is a bound" in said
    assert "k = 64" in said


def test_scores_left_out_are_named_with_the_reason(root):
    assert "Recall was left out: needs at least 4 samples, there are 3." in written(root, "dcgan")


def test_pictures_left_out_are_named_with_the_reason(root):
    entries = [
        {"title": "Interpolation", "left_out": "no class has <two> test examples"},
        {"title": "Truncation", "file": "line.png", "alt": "Digits"},
    ]
    parts.write_json(root / "reports/vae/pictures.json", entries)
    text = written(root)
    assert "There is no picture of “Interpolation”: no class has &lt;two&gt; test examples." in text
    assert "<strong>Truncation</strong>" in text
    parts.write_json(root / "reports/vae/pictures.json", entries[:1])
    assert "There is no picture of “Interpolation”" in written(root)


def test_a_curve_that_cannot_be_drawn_does_not_take_the_page_with_it(root, capsys):
    reported.write_history(
        root / "reports/vae/history.csv", {"loss": ["1e308", "-1e308"], "kl": ["1", "2"]}
    )
    text = written(root)
    assert "It cannot be drawn: " in text
    assert "Curve of kl: training from 1 at epoch 1 to 2 at epoch 2" in text
    told = capsys.readouterr().err
    assert told.startswith("no plot of loss: ValueError: ")
    assert told.count("\n") == 1


def test_a_system_without_a_score_to_compare_trainings_by_is_shown(root):
    change(root, "vae", primary=None, left_out={"primary": "there were too few real examples"})
    assert "primary was left out: there were too few real examples." in written(root)


def test_the_page_of_healthy_results_leaves_nothing_out(root, capsys):
    change(root, "dcgan", left_out={})
    for text in all_written(root).values():
        assert "was left out" not in text
        assert "There is no picture" not in text
        assert "cannot be drawn" not in text
    assert not capsys.readouterr().err


def test_published_figures_stand_beside_ours(root):
    figures = (
        {"data": "digits", "metric": "precision", "value": 0.9, "source": "A et al. 2020"},
        {"data": "cifar10", "metric": "classifier_fid", "value": 3.1, "error": 0.2, "source": "B"},
        {"data": "digits", "metric": "fid", "value": 5.0, "source": "C"},
        {"data": "digits", "metric": "recall", "value": 0.5, "source": "D"},
        {"data": "digits", "metric": "Votes of jurors", "value": 7, "unit": "%", "source": "E"},
    )
    vae = system(root, "vae")
    vae = replace(vae, recipe=replace(vae.recipe, published=figures))
    same, other_data, other_features, missing, unknown = published.comparisons(vae)
    assert same.comparable
    assert same.ours == "0.700 ± 0.020"
    assert not other_data.comparable
    assert other_data.value == "3.1 ± 0.2"
    assert other_data.verdict == "not comparable: ours was measured on digits"
    assert not other_features.comparable
    assert other_features.verdict == "not comparable: ours was measured with another extractor"
    assert (missing.ours, missing.verdict) == (None, "not measured here")
    assert (unknown.title, unknown.value) == ("Votes of jurors", "7 %")


@pytest.mark.parametrize("name", catalog.names())
def test_published_figures_of_recipes_have_a_source(name):
    for entry in catalog.recipe(name).published:
        assert {"data", "metric", "value", "source"} <= set(entry)
        assert set(entry) <= {"data", "metric", "value", "error", "unit", "setting", "source"}
        assert isinstance(entry["value"], int | float)
        assert entry["source"].strip()
        # A name of ours, or words: never a misspelt name of ours.
        assert entry["metric"] in scores.SCORES or " " in entry["metric"]


def test_the_lineage_has_the_hashes_of_dvc(root):
    links = {
        link.title: dict(link.facts)
        for link in lineage.chain(system(root, "vae"), lineage.locked_hashes(root))
    }
    assert links["Data set"]["DVC, MD5"] == "0123abcd.dir"
    assert links["Data set"]["version"] == "1.0.0"
    assert links["Data set"]["splits"] == "1,293 train, 144 validation, 360 test"
    assert links["Trained weights"]["DVC, MD5"] == "4567ef"
    assert links["Trained weights"]["MLflow run"] == "run-of-vae"
    assert links["Scores"]["DVC, MD5"] == "not in dvc.lock"
    assert links["Extractor"]["weights, SHA-256"] == "ab" * 32


def test_curves_stand_at_their_epochs(root):
    reported.write_history(
        root / "reports/vae/history.csv",
        {
            "early": ["1", "2", "", "nan"],
            "late": ["", "", "5", "6"],
            "val_late": ["", "", "7", "8"],
        },
    )
    history = system(root, "vae").history
    assert history == {
        "early": [(1, 1.0), (2, 2.0)],
        "late": [(3, 5.0), (4, 6.0)],
        "val_late": [(3, 7.0), (4, 8.0)],
    }
    early, late = curves.plots(history)
    assert [line.kind for line in late.lines] == ["training", "validation"]
    assert late.description == (
        "Curve of late: training from 5 at epoch 3 to 6 at epoch 4; "
        "validation from 7 at epoch 3 to 8 at epoch 4"
    )
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in early.lines[0].points.split())
    # A third of the way from epoch 1 to epoch 4; upwards is a smaller y.
    assert (x1, x2) == pytest.approx(
        (curves.LEFT, curves.LEFT + (curves.RIGHT - curves.LEFT) / 3), abs=0.1
    )
    assert y2 < y1
    assert [tick.text for tick in early.across] == ["1", "2", "3", "4"]
    # A value on a tick lies on its line.
    assert y1 == pytest.approx(
        next(tick.at for tick in early.up if float(tick.text) == 1.0), abs=0.1
    )


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("fid", 3.17, None, "3.170"),
        ("fid", 213.17, 12.34, "213 ± 12"),
        ("fid", 12345.6, 123.0, "12,346 ± 123"),
        ("negative_elbo_nats", 21.3726, 0.2376, "21.37 ± 0.24"),
        ("elbo_nats", -21.3726, 0.2376, "−21.37 ± 0.24"),
        ("kid", -0.0000001, 0.00012, "0.00000 ± 0.00012"),
        ("fid", 5.62106, 0.700491, "5.6 ± 0.7"),
        ("fid", 2.2291, 0.99741, "2.2 ± 1.0"),
        ("precision", 0.976, 0.00546707, "0.976 ± 0.005"),
        ("precision", 0.793, 0.0128, "0.793 ± 0.013"),
        ("precision", 0.5, None, "0.500"),
        ("precision", 0.5, 0.0, "0.500 ± 0"),
        ("modes", 8.0, None, "8"),
        ("unheard_of", 0.0, None, "0.000"),
        ("ssim", 0.9999999, 1e-8, "1.000 ± 0"),
        ("raw_frechet_distance", 2.79e-8, 2.1e-9, "2.79e−08 ± 2.1e−09"),
    ],
)
def test_scores_are_written_to_the_digits_of_their_error(name, value, error, text):
    assert scores.written(name, value, error) == text


def test_what_is_no_finite_number_is_no_score():
    metrics = {"fid": float("nan"), "kid": None, "is": True, "recall": "high", "precision": 1}
    assert [score.name for score in scores.present(metrics)] == ["precision"]


def test_ranks_know_which_way_is_better():
    values = [(1.0, 0.1), (2.0, 0.1), (None, None), (1.2, 0.1)]
    assert scores.ranks("fid", values) == ["best", "", "", "tied"]
    assert scores.ranks("is", values) == ["", "best", "", ""]
    assert scores.ranks("perplexity", values) == ["", "", "", ""]
    assert scores.ranks("fid", [(1.0, 0.1), (None, None)]) == ["", ""]


def test_the_command_takes_one_argument_at_most_and_loads_no_keras():
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.report", "vae", "dcgan"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "usage: python -m pipelines.report [KEY]\n"
    code = (
        "import sys; from pipelines.report import index, page; "
        "sys.exit(any(name in sys.modules for name in ('keras', 'mlflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_pages_load_nothing_from_elsewhere(root):
    for text in all_written(root).values():
        assert re.search(r"""content="default-src 'none'; img-src data:;""", text)
        assert not re.search(r"@import|url\(|https?://", text)


def test_the_loss_of_one_phase_is_drawn_once():
    points = [(1, 2.0), (2, 1.0)]
    one = {"loss": points, "val_loss": points, "elbo_loss": points, "val_elbo_loss": points}
    assert [plot.name for plot in curves.plots(one)] == ["elbo_loss"]
    game = {"loss": [(1, 5.0)], "critic_loss": [(1, 2.0)], "generator_loss": [(1, 3.0)]}
    assert [plot.name for plot in curves.plots(game)] == list(game)
