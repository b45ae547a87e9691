"""A table on its way through the pipeline: built, learned, measured, drawn, written."""

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from ruamel.yaml import YAML

import gm_keras.metrics.scores  # noqa: F401 (registers them)
from gm_keras.callbacks.grids import draw_or_explain
from gm_keras.data import Batches, PreparedData
from gm_keras.metrics import registry
from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.features import Extractor
from gm_keras.metrics.tables import association_distance, marginal_distance
from pipelines.command import sampling
from pipelines.command.fitting import look
from pipelines.exports.registration import Sampler as Registered
from pipelines.exports.registration import signature
from pipelines.exports.sampler_model import Sampler
from pipelines.prepare import prepare
from pipelines.running.build import build_model
from pipelines.settings import DataSettings, SystemSettings, settings_of
from pipelines.shared.errors import UserError
from tests.projects import parts

pytestmark = [pytest.mark.backend, pytest.mark.once("jax")]

NAMES = ["length", "legs", "kind", "tame"]
ROWS = 1_000


def system(**model: object) -> dict:
    model = {"latent_dim": 3, "network": "dense", "units": [32], "likelihood": "gaussian", **model}
    return parts.block(
        "vae",
        data="animals",
        model=model,
        fit={"epochs": 1, "batch_size": 64},
        sample={"noise": True},
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a table in which every column depends on the others."""
    root = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(0)
    size = rng.normal(size=ROWS)
    with (root / "animals.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        for each in size:
            legs = int(np.clip(np.round(4.0 + 2.0 * each), 0, 8))
            tame = rng.random() < 0.2
            writer.writerow(
                [
                    f"{30 + 9 * each + rng.normal():.2f}",
                    legs,
                    "cat" if each < 0.3 else "horse",
                    "yes" if tame else "no",
                ]
            )
    settings = DataSettings(source="table", path="animals.csv", label="tame")
    prepare("animals", settings, root / "data" / "animals", root)
    parts.write_params(
        root,
        {"told": system(num_classes=2), "untold": system()},
        data={"animals": {"source": "table", "path": "animals.csv", "label": "tame"}},
    )
    return root


@pytest.fixture(scope="module")
def data(project: Path) -> PreparedData:
    return PreparedData(project / "data" / "animals")


@pytest.fixture(scope="module")
def model(data: PreparedData) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = build_model("told", SystemSettings.model_validate(system(num_classes=2)), data)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(Batches(data, "train", 64), epochs=20, verbose=0)
    return model


def test_the_table_of_the_documentation_as_shown(tmp_path: Path):
    """Its block is read, prepares such a table, and builds its system."""
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    block = re.search(r"## Tables\s+```yaml\n(.*?)```", text, flags=re.DOTALL)[1]
    settings = settings_of(YAML(typ="safe").load(block))
    rng = np.random.default_rng(0)
    with (tmp_path / "adult.csv").open("w", encoding="utf-8") as file:
        file.write("age, fnlwgt, education, education_num, capital_gain, income\n")
        for row in range(200):
            gain = "" if row == 7 else int(10 ** rng.integers(0, 5)) - 1
            number = rng.integers(1, 17)
            income = rng.choice(["<=50K", ">50K"])
            file.write(f"{rng.integers(17, 90)}, {row}, e{number}, {number}, {gain}, {income}\n")
    root = tmp_path / "project"
    root.mkdir()
    prepare("adult", settings.data["adult"], root / "data" / "adult", root)
    data = PreparedData(root / "data" / "adult")
    names = [column.name for column in data.columns.columns]
    assert names == ["age", "education", "education_num", "capital_gain", "income"]
    assert data.example_shape == (1 + 4 + 4 + 1,)
    build_model("adult_vae", settings.system("adult_vae"), data)


def test_the_model_learns_the_table(data, model):
    """Marginals are as near as those of real rows allow, and columns depend on each other as they do."""
    table = data.columns
    assert list(model.cells) == pytest.approx(table.cells)
    real = table.decode(data.scaled("train"))
    labels = data.arrays("train")["label"]
    made = table.decode(model.sample(len(labels), label=labels, seed=0, noise=True))
    rng = np.random.default_rng(1)
    alone = {name: rng.permutation(values) for name, values in real.items()}
    learned, ignored = (association_distance(table, real, each)[0] for each in (made, alone))
    assert learned < 0.15 < 0.6 < ignored
    assert marginal_distance(table, real, made)[0] < 0.1


def test_scores_and_the_picture_are_of_the_columns(data, model):
    samples = model.sample(150, label=np.arange(150) % 2, seed=0)
    found = registry.evaluate(Evaluation(model, data, Extractor("raw"), samples, 0), ("samples",))
    for name in ("marginal_distance", "association_distance"):
        assert 0.0 < found[name] < found[f"{name}_largest"] < 1.0
        assert found[f"{name}_stderr"] > 0.0
    picture, why = draw_or_explain(model, data, 0, {"noise": True})
    assert why is None
    assert picture.ndim == 3


def written(
    project: Path, model: keras.Model, monkeypatch, output: str, key: str = "told", **given: str
):
    """What `gm-keras sample KEY -n 200 -o OUTPUT` writes of a model that stands in for an exported one."""
    folder = project / "exports" / key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.keras").touch()
    table = PreparedData(project / "data" / "animals").info["table"]
    (folder / "table.json").write_text(json.dumps(table))
    monkeypatch.setattr(sampling, "load_exported", lambda path, settings: model)
    target = project / output
    options = {"n": 200, "seed": 3, "given": given, "exports": project / "exports"}
    said = sampling.sample_to_file(project / "params.yaml", key, output=target, **options)
    return target, said


def test_samples_are_written_as_a_table(project, data, model, monkeypatch):
    path, said = written(project, model, monkeypatch, "new.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert said is None
    assert (list(rows[0]), len(rows)) == (NAMES, 200)
    length = data.columns.columns[0]
    assert all(length.low <= float(row["length"]) <= length.high for row in rows)
    assert {len(row["length"].partition(".")[2]) for row in rows} <= {1, 2}
    assert {row["legs"] for row in rows} <= set("012345678")
    assert {row["kind"] for row in rows} == {"cat", "horse"}
    # The label as often as in the data.
    assert 0.1 < np.mean([row["tame"] == "yes" for row in rows]) < 0.3
    path, said = written(project, model, monkeypatch, "new.parquet", label="yes")
    table = pyarrow.parquet.read_table(path)
    assert said == 'label 1 ("yes")'
    assert [str(kind) for kind in table.schema.types] == ["double", "int64", "string", "string"]
    assert set(table["tame"].to_pylist()) == {"yes"}
    path, _ = written(project, model, monkeypatch, "new.png")
    with Image.open(path) as picture:
        assert picture.size == (720, 150)  # a diagram for each column


def test_what_a_model_was_not_told_is_left_out_and_said(project, data, monkeypatch, capsys):
    untold = build_model("untold", SystemSettings.model_validate(system()), data)
    path, _ = written(project, untold, monkeypatch, "untold.csv", key="untold")
    assert path.read_text().splitlines()[0] == "length,legs,kind"
    assert (
        "without the column tame: it is the label, which untold was not told"
        in capsys.readouterr().err
    )


def test_rows_are_of_tables_alone(project, model, monkeypatch):
    written(project, model, monkeypatch, "new.csv")
    (project / "exports/told/table.json").write_text('{"columns": []}')
    options = {"n": 4, "seed": 0, "given": {}, "exports": project / "exports"}
    for name, expected in (
        ("x.csv", "table.json: no description of a table: columns"),
        ("x.jpg", "for a table a CSV or Parquet file"),
    ):
        with pytest.raises(UserError, match=expected):
            sampling.sample_to_file(
                project / "params.yaml", "told", output=project / name, **options
            )
    (project / "exports/told/table.json").unlink()
    with pytest.raises(UserError, match="told learned no table"):
        sampling.sample_to_file(
            project / "params.yaml", "told", output=project / "x.csv", **options
        )
    assert not (project / "x.csv").exists()


def test_a_served_model_answers_rows(data, model, tmp_path):
    table = tmp_path / "table.json"
    table.write_text(json.dumps(data.info["table"]))
    shape, conditions = model.data_shape, model.conditions
    registered = Registered("told", None, shape, "jax", {}, "", conditions=conditions, table=table)
    expected = signature(registered)
    assert expected.outputs.input_names() == NAMES
    assert [each.name for each in expected.outputs.input_types()] == [
        "double",
        "long",
        "string",
        "string",
    ]
    served, context = Sampler(), SimpleNamespace(model_config={"options": {"noise": True}})
    served.model, served.table = model, data.columns
    request = {each.name: each.default for each in expected.params}
    answer = served.predict(context, np.zeros((1, 1)), {**request, "n": 100, "seed": 3})
    assert list(answer.columns) == NAMES
    assert len(answer) == 100
    assert 0.05 < (answer["tame"] == "yes").mean() < 0.4
    told = served.predict(context, np.zeros((1, 1)), {"n": 9, "label": 1})
    assert set(told["tame"]) == {"yes"}
    features = served.predict(context, np.zeros((1, 1)), {"n": 9, "label": 1, "format": "array"})
    assert features.shape == (9, *shape)
    served.table = None
    with pytest.raises(Exception, match="format 'rows': this model makes no rows of a table"):
        served.predict(context, np.zeros((1, 1)), {"format": "rows"})


def test_the_columns_of_an_evaluation(data, model):
    """Each column with its distance, and with that of training rows."""
    from pipelines.running.measurement import Measurement

    measured = SimpleNamespace(
        data=data,
        model=model,
        samples=model.sample(300, label=0, seed=0),
        settings=SimpleNamespace(seed=0),
    )
    found = Measurement.columns(measured)
    assert [each["name"] for each in found] == NAMES[:3]
    assert all(
        0.0 <= each["floor"] <= 1.0 and len(each["bars"]) == len(each["made"]) for each in found
    )
    assert found[2]["wasserstein"] is None


def test_a_table_is_looked_at_before_it_is_prepared(project, data, tmp_path):
    entry = {"source": "table", "path": str(project / "animals.csv"), "label": "tame"}
    seen = look("animals", entry, tmp_path)
    assert (seen.kind, seen.shape, seen.num_classes) == ("vectors", data.example_shape, 2)
    assert (seen.train, seen.test) == (data.size("train"), data.size("test"))
