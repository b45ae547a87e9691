"""`gm-keras compare`: what stands beside what, what is best, and what does not compare."""

import json
from pathlib import Path

import pytest

from pipelines.command import trainings
from pipelines.command.comparing import comparison
from pipelines.shared.errors import UserError

SYSTEM = """
    class: dcgan
    data: {data}
    uses: none
    model: {{}}
    optimizers: {{generator: {{class: adam}}, discriminator: {{class: adam}}}}
    fit: {{epochs: 1, batch_size: 8}}
    sample: {{}}
    evaluate: {{}}
"""
METRICS = {
    "data": "digits",
    "data_checksum": "d" * 64,
    "split": "test",
    "real": 360,
    "generated": 1000,
    "seed": 0,
    "extractor": {"kind": "classifier", "sha256": "e" * 64, "accuracy": 0.98},
}


@pytest.fixture
def params(tmp_path):
    systems = "".join(f"  {key}:{SYSTEM.format(data='digits')}" for key in ("a", "b", "c"))
    path = tmp_path / "params.yaml"
    path.write_text(f"data: {{digits: {{source: tfds}}}}\nsystems:\n{systems}")
    return path


def write(params: Path, key: str, **metrics) -> None:
    folder = params.parent / "reports" / key
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps({**METRICS, **metrics}))


def row(table: str, start: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(start)]
    return [cell for cell in line.split("  ") if cell.strip()]


def test_the_best_is_marked_and_what_cannot_be_told_apart_from_it(params):
    write(params, "a", classifier_fid=2.0, classifier_fid_stderr=0.1, precision=0.9)
    write(params, "b", classifier_fid=2.2, classifier_fid_stderr=0.1, precision=0.7)
    write(params, "c", classifier_fid=5.0, classifier_fid_stderr=0.1)
    table = comparison(params, ["a", "b", "c"])
    assert [cell.strip() for cell in row(table, "Classifier FID")[1:]] == [
        "2.00 ± 0.10 *",
        "2.20 ± 0.10 =",
        "5.00 ± 0.10",
    ]
    assert [cell.strip() for cell in row(table, "Precision")[1:]] == ["0.900 *", "0.700", "–"]
    assert "1,000, 0" in table
    assert "classifier eeeeeeeeeeee" in table


def test_a_system_beside_itself_is_one_column(params):
    write(params, "a", classifier_fid=2.0)
    assert comparison(params, ["a", "a"]).splitlines()[0].split() == ["a"]


@pytest.mark.parametrize(
    "other",
    [
        {"data": "mnist", "data_checksum": "f" * 64},
        {"data_checksum": "f" * 64},
        {"extractor": {"kind": "raw", "sha256": None}},
        {"generated": 500},
    ],
)
def test_nothing_is_best_where_the_scores_do_not_compare(params, other):
    write(params, "a", classifier_fid=2.0, classifier_fid_stderr=0.1)
    write(params, "b", classifier_fid=3.0, classifier_fid_stderr=0.1, **other)
    table = comparison(params, ["a", "b"])
    assert "No best value is marked for Classifier FID:" in table
    assert not any("*" in cell for cell in row(table, "Classifier FID "))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        # Of an example given its label, and of an example.
        ("bits_per_dim", {"likelihood": {"kind": "exact", "of": "discrete", "given": "label"}}),
        ("l1", {"generated": 100}),
    ],
)
def test_what_is_of_something_else_is_not_ranked(params, name, other):
    plain = {"kind": "exact", "of": "discrete", "given": None}
    write(params, "a", **{name: 0.2, "likelihood": plain})
    write(params, "b", **{name: 0.1, "likelihood": plain, **other})
    assert "No best value is marked for" in comparison(params, ["a", "b"])
    write(params, "c", **{name: 0.3, "likelihood": plain})
    assert "No best" not in comparison(params, ["a", "c"])


def test_nats_of_binary_images_are_not_those_of_grey_ones(params):
    grey = {"kind": "exact", "of": "discrete", "binarization": None}
    binary = {**grey, "binarization": "drawn anew"}
    write(params, "a", nll_nats=20.0, precision=0.5, likelihood=binary)
    write(params, "b", nll_nats=90.0, precision=0.6, likelihood=grey)
    table = comparison(params, ["a", "b"])
    assert "No best value is marked for NLL:" in table
    assert [cell.strip() for cell in row(table, "Precision")[1:]] == ["0.500", "0.600 *"]


def test_a_system_that_was_not_evaluated(params):
    with pytest.raises(UserError, match="dvc repro evaluate@a"):
        comparison(params, ["a"])
    with pytest.raises(UserError, match='no system "d"'):
        comparison(params, ["d"])


def test_what_a_flow_has_by_construction_is_no_victory(params):
    flow = SYSTEM.format(data="digits").replace("dcgan", "realnvp")
    flow = flow.replace("generator: {class: adam}, discriminator", "main")
    params.write_text(params.read_text() + f"  flow:{flow}")
    for key, psnr in (("a", 20.0), ("b", 18.0), ("flow", 140.0)):
        write(params, key, reconstruction_psnr=psnr)
    table = comparison(params, ["a", "b", "flow"])
    assert [cell.strip() for cell in row(table, "PSNR of reconstructions")[1:]] == [
        "20.00 *",
        "18.00",
        "140.0 i",
    ]
    assert "i exact by construction, and so no rival" in table


# ---- over seeds -----------------------------------------------------------------------------------


@pytest.fixture
def trained_thrice(tmp_path):
    """Two variants that differ in one argument, each with three seeds."""
    systems = ""
    for loss in ("minimax", "non_saturating"):
        for seed in range(3):
            block = SYSTEM.format(data="digits")
            block = block.replace("model: {}", f"model: {{loss: {loss}, filters: 8}}")
            block = block.replace("batch_size: 8", f"batch_size: 8, seed: {seed}")
            systems += f"  {loss}_{seed}:{block}"
    path = tmp_path / "params.yaml"
    path.write_text(f"data: {{digits: {{source: tfds}}}}\nsystems:\n{systems}")
    return path, [f"{loss}_{seed}" for loss in ("minimax", "non_saturating") for seed in range(3)]


def test_trainings_that_differ_in_their_seed_are_one_row(trained_thrice):
    params, keys = trained_thrice
    for key, value in zip(keys, (1.0, 2.0, 3.0, 8.0, 8.5), strict=False):
        write(params, key, classifier_fid=value, classifier_fid_stderr=0.01, precision=value / 10)
    head, _, first, second, _, legend = trainings.table(params, keys).splitlines()
    assert head.startswith("| `loss` | trainings | Classifier FID ↓ | Precision ↑ |")
    # The standard error of 1, 2, 3 is 1 / sqrt(3).
    assert first == "| minimax | 3 | **2.0 ± 0.6** | 0.20 ± 0.06 |"
    assert second.startswith(
        "| non_saturating | 2 of 3 finished | 8.25 ± 0.25 | **0.825 ± 0.025** |"
    )
    assert legend.startswith("Data: digits.")


def test_a_page_is_written_whole_or_not_at_all(trained_thrice, tmp_path):
    params, keys = trained_thrice
    output = tmp_path / "page.md"
    with pytest.raises(UserError, match="none of minimax_0, minimax_1"):
        trainings.write(params, keys, output, "Objectives")
    assert not output.exists()
    write(params, keys[0], classifier_fid=1.0)
    with pytest.raises(UserError, match="add that option"):
        trainings.write(params, keys, output, "Objectives", over_seeds=False)
    with pytest.raises(UserError, match="name of a Markdown file"):
        trainings.write(params, keys, tmp_path / "page.txt", "Objectives")
    trainings.write(params, keys, output, "Objectives")
    text = output.read_text()
    assert text.startswith(
        "# Objectives\n\n<!-- Written by `gm-keras compare --over-seeds minimax_0 "
    )
    assert "| non_saturating | 0 of 3 finished | – |" in text
