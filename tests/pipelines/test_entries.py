"""The line that is offered for a data set that `params.yaml` does not have."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.command.adding import add
from pipelines.settings import DataSettings
from pipelines.shared.entries import unknown
from pipelines.shared.errors import UserError

LEAD = "paste this line under data: in params.yaml: "


def offered(name: str, folder: Path) -> dict[str, dict]:
    """The entry that the line is, as `params.yaml` would read it."""
    _, lead, line = unknown(name, ["digits"], folder).partition(LEAD)
    assert lead
    return YAML(typ="safe").load(line)


def test_what_lies_in_the_project_is_offered(tmp_path: Path):
    for name in ("wine.csv", "my wine.parquet", "faces.npz", "novel.txt"):
        (tmp_path / name).touch()
    (tmp_path / "cats").mkdir()
    for name, key, source, path in (
        ("wine", "wine", "table", "wine.csv"),
        ("wine.csv", "wine", "table", "wine.csv"),
        ("my wine", "my_wine", "table", "my wine.parquet"),
        ("faces", "faces", "folder", "faces.npz"),
        ("novel", "novel", "folder", "novel.txt"),
        ("cats", "cats", "folder", "cats"),
        ("../2024.csv", "own_2024", "table", "../2024.csv"),
        ("pictures/dogs", "dogs", "folder", "pictures/dogs"),
    ):
        entry = offered(name, tmp_path)
        assert entry == {key: {"source": source, "path": path}}
        DataSettings.model_validate(entry[key])


def test_other_names_are_offered_as_whatever_they_may_be(tmp_path: Path):
    said = unknown("mnist", ["digits"], tmp_path)
    assert "mnist: { source: tfds }, or with files of yours { source: folder, path: ... }" in said
    assert "{ source: table, path: ... } (CSV, Parquet)" in said
    # A slip of the hand is no new data set.
    assert unknown("digitz", ["digits"], tmp_path) == 'did you mean "digits"? Known: digits'


def test_a_system_that_is_added_for_it_is_answered_so(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("data: {digits: {}}\nsystems: {}\n")
    (tmp_path / "sales.csv").touch()
    with pytest.raises(UserError, match=r"sales: \{ source: table, path: sales.csv \}"):
        add(tmp_path / "params.yaml", "vae", "sales")
