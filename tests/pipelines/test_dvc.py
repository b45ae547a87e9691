"""What the commands of DVC show of a project, on a screen of 120 columns."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from dvc.cli import main

from pipelines.shared import catalog, scores
from tests.projects import reported
from tests.projects.parts import commit_all, start_repository

ROOT = Path(__file__).parents[2]
PIPELINE = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
WIDTH = 120
#: The default systems of a checkout, with every score that each has.
SCORES = {
    "vae": (
        "negative_elbo_nats bits_per_dim nll_estimate_nats reconstruction_psnr classifier_fid precision recall coverage"
    ),
    "dcgan": "classifier_fid precision recall coverage",
    "realnvp": "nll_nats bits_per_dim reconstruction_psnr classifier_fid precision recall coverage",
    "ddpm": "negative_elbo_nats bits_per_dim classifier_fid precision recall coverage",
}


def measured(key: str, value: float = 98.7654321) -> dict:
    names = SCORES[key].split()
    rows = dict.fromkeys(names, value) | {f"{name}_stderr": 0.1 for name in names}
    return rows | {"primary": {"name": names[0], "value": value, "better": "lower"}, "data": "a"}


def write_metrics(root: Path, key: str, value: float = 98.7654321) -> None:
    """As the stage `evaluate` does."""
    offered = catalog.recipe(key).capabilities
    content = scores.steering(measured(key, value), offered)
    (root / "metrics").mkdir(exist_ok=True)
    (root / "metrics" / f"{key}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Four systems that were measured and committed, and one that was then trained again with another setting."""
    root = tmp_path_factory.mktemp("project")
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore", ".dvc/config"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for key in SCORES:
        write_metrics(root, key)
        reported.write_picture(root / "reports" / key / "samples.png", 0)
    curve = root / "reports/vae/curves/loss.csv"
    curve.parent.mkdir()
    curve.write_text("epoch,loss\n1,2.0\n2,1.5\n")
    start_repository(root)
    commit_all(root)
    write_metrics(root, "vae", 87.6543219)
    params = root / "params.yaml"
    text = params.read_text()
    assert "latent_dim: 10 " in text
    params.write_text(text.replace("latent_dim: 10 ", "latent_dim: 8 "))
    return root


@pytest.fixture
def dvc(project, monkeypatch, capsys):
    """Runs DVC in the project; returns the lines that it printed."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("COLUMNS", str(WIDTH))

    def run(*arguments: str) -> list[str]:
        code = main(list(arguments))
        out, err = capsys.readouterr()
        assert code == 0, err
        lines = out.splitlines()
        assert lines
        assert max(map(len, lines)) <= WIDTH, out
        return lines

    return run


def test_the_metrics_are_a_row_for_each_system(dvc):
    head, *rows = [line.split() for line in dvc("metrics", "show")]
    assert head[0] == "Path"
    assert {row[0] for row in rows} == {f"metrics/{key}.json" for key in SCORES}
    cells = dict(zip(head, next(row for row in rows if "vae" in row[0]), strict=True))
    assert cells["neg_elbo"] == "87.654"
    assert cells["nll"] == "-"


def test_a_change_is_a_line_for_each_metric(dvc):
    lines = dvc("metrics", "diff")
    assert {line.split()[0] for line in lines[1:]} == {"metrics/vae.json"}
    changed = next(line.split() for line in lines if " frechet " in line)
    assert changed[2:] == ["98.765", "87.654", "-11.111"]


def test_experiments_are_told_apart_by_what_changed(dvc):
    """By the command of the page, which names two metrics."""
    command = re.search(r"^dvc (exp show .*--drop.*)$", PIPELINE, flags=re.MULTILINE)
    lines = dvc(*shlex.split(command[1]), "--no-pager")
    text = "\n".join(lines)
    assert "…" not in text
    for part in ("metrics/vae.json:neg_elbo", "metrics/vae.json:frechet", "latent_dim"):
        assert part in text
    workspace = next(line.split() for line in lines if line.split()[:1] == ["workspace"])
    assert workspace == ["workspace", "87.654", "87.654", "8"]


def test_what_changed_is_there_without_naming_a_metric(dvc):
    lines = dvc("exp", "show", "--only-changed", "--no-pager")
    assert "metrics/vae.json:neg_elbo" in "\n".join(lines)
    assert "dcgan" not in "\n".join(lines)


def test_plots_go_where_git_does_not_look(dvc, project):
    lines = dvc("plots", "diff")
    page = Path(lines[-1].removeprefix("file://"))
    assert page.is_file()
    ignored = (project / ".gitignore").read_text().splitlines()
    assert f"/{page.parent.name}/" in ignored


def test_metrics_are_few_numbers_without_what_is_given():
    for name in catalog.names():
        recipe = catalog.recipe(name)
        everything = dict.fromkeys(scores.SCORES, 1.0)
        kept = scores.steering(everything, recipe.capabilities)
        assert all(isinstance(value, float) for value in kept.values())
        assert ("rec_psnr" in kept) == ("invertible" not in recipe.capabilities)
    content = scores.steering(measured("realnvp"), {"invertible"})
    assert next(iter(content)) == "nll"
    assert not any("stderr" in each for each in content)
    # A score without a short name can be the primary one: where there are few examples.
    few = {"classifier_kid": 0.5, "primary": {"name": "classifier_kid", "value": 0.5}}
    assert scores.steering(few, ()) == {"classifier_kid": 0.5}
    assert scores.steering({"precision": float("nan"), "primary": None}, ()) == {}
