"""A user's own table: columns, types, missing values, what is known of each, and the way back."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from scipy import stats

from gm_keras.data import PreparedData
from gm_keras.data.tables import outline
from gm_keras.data.tables.files import read, write
from gm_keras.fields.table import Table
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

ROWS = 40
HEADER = "weight,legs,kind,code"


def lines(n: int = ROWS, start: int = 0) -> list[str]:
    """Rows of a real number, a whole number, a text and a code."""
    return [
        f"{row / 7 + 1:.3f},{row % 5 + 2},{'abc'[row % 3]}x,{row % 2 + 4}"
        for row in range(start, start + n)
    ]


def csv(path: Path, rows: list[str], header: str = HEADER, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return path


def prepared(path: Path, **options: object) -> PreparedData:
    root = path.parent
    prepare(
        "own", DataSettings(source="table", path=path.name, **options), root / "out" / "own", root
    )
    return PreparedData(root / "out" / "own")


def error(path: Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        prepared(path, **options)
    assert "\n" not in str(caught.value)
    assert not (path.parent / "out" / "own").exists()
    return str(caught.value)


def rows(data: PreparedData, split: str) -> dict[str, np.ndarray]:
    labels = data.arrays(split).get("label")
    return data.columns.restored(data.scaled(split), labels)


def test_a_table_comes_back_as_it_was(tmp_path: Path):
    path = csv(tmp_path / "own.csv", lines())
    data = prepared(path, categories=["code"])
    assert (data.primary, data.example_shape, data.num_classes) == (
        "features",
        (1 + 1 + 3 + 2,),
        None,
    )
    found = [rows(data, split) for split in data.info["splits"]]
    texts = {
        f"{weight:.3f},{legs},{kind},{code}"
        for part in found
        for weight, legs, kind, code in zip(*part.values(), strict=True)
    }
    assert texts == set(lines())
    assert list(found[0]) == HEADER.split(",")
    assert [values.dtype.kind for values in found[0].values()] == ["f", "i", "U", "i"]


def test_a_label_is_told_and_not_modelled(tmp_path: Path):
    data = prepared(csv(tmp_path / "own.csv", lines()), label="code")
    assert (data.example_shape, data.info["class_names"]) == ((5,), ["4", "5"])
    found = rows(data, "train")
    assert list(found) == HEADER.split(",")
    assert found["code"].dtype == np.int64
    assert set(found["code"]) == {4, 5}
    assert "code" not in data.columns.restored(data.scaled("train"))


def test_columns_are_chosen_in_the_order_of_the_file(tmp_path: Path):
    path = csv(tmp_path / "own.csv", lines())
    assert list(rows(prepared(path, columns=["kind", "weight"]), "train")) == ["weight", "kind"]
    assert list(rows(prepared(path, drop=["weight", "code"]), "train")) == ["legs", "kind"]


def test_what_is_known_is_of_the_rows_to_train_on_alone(tmp_path: Path):
    known = []
    for name, last in (("a", "30.000"), ("b", "9000.000")):
        folder = tmp_path / name
        csv(folder / "t" / "train.csv", lines())
        csv(folder / "t" / "test.csv", [*lines(9), f"{last},3,ax,4"])
        data = prepared(folder / "t", validation=0.25)
        known.append(data.columns.columns[0])
        assert data.info["splits"] == {"train": 30, "validation": 10, "test": 10}
        assert rows(data, "train")["weight"].max() == known[-1].high
    assert known[0] == known[1]
    train = data.scaled("train")[:, 0].astype("float64")
    assert (train.mean(), train.std()) == pytest.approx((0.0, 1.0), abs=1e-6)
    # Beyond the range of training, a test row is kept as it is; a sample would be brought back into it.
    assert data.scaled("test")[-1, 0] * known[0].deviation + known[0].mean == pytest.approx(
        9000.0, rel=1e-5
    )


def test_rows_are_cut_as_those_of_other_sources(tmp_path: Path):
    values = np.arange(ROWS, dtype="float64")
    np.savez(tmp_path / "own.npz", x=np.stack([values, values], 1))
    prepare(
        "arrays",
        DataSettings(source="folder", path="own.npz", seed=5),
        tmp_path / "arrays",
        tmp_path,
    )
    data = prepared(
        csv(tmp_path / "own.csv", [f"{v:.0f},{v % 7:.0f}" for v in values], "n,m"), seed=5
    )
    for split in data.info["splits"]:
        expected = PreparedData(tmp_path / "arrays").arrays(split)["features"][:, 0]
        np.testing.assert_array_equal(rows(data, split)["n"], expected)


def test_samples_become_rows(tmp_path: Path):
    table = prepared(csv(tmp_path / "own.csv", lines())).columns
    features = np.zeros((3, table.size), "float32")
    features[:, 0] = (-50.0, 0.01, 50.0)
    features[:, 1] = (-50.0, 0.3, 50.0)
    features[:, 2:5] = ((0.2, 0.1, -9.0), (-3.0, -1.0, -2.0), (5.0, 5.0, 5.1))
    found = table.restored(features)
    weight = table.columns[0]
    assert (found["weight"][0], found["weight"][2]) == (weight.low, weight.high)
    assert found["weight"][1] == round(found["weight"][1], 3)
    assert (found["legs"][0], found["legs"][2]) == (2, 6)
    assert found["kind"].tolist() == ["ax", "bx", "cx"]
    with pytest.raises(ValueError, match="NaN or infinite"):
        table.restored(np.full((1, table.size), np.nan))


def test_binary_codes_are_short_and_the_nearest_value_is_taken(tmp_path: Path):
    cells = [f"{row},k{row % 11}" for row in range(220)]
    data = prepared(csv(tmp_path / "own.csv", cells, "n,k"), codes="binary")
    assert data.example_shape == (1 + 4,)
    column = data.columns.columns[1]
    assert column.values == [f"k{number}" for number in range(11)]
    # No code is all ones: eleven are below 1111.
    assert column.decode(np.ones((1, 4), "float32"))[0] < 11
    np.testing.assert_array_equal(column.decode(column.vectors * 0.3), np.arange(11))


def test_quantiles_have_no_heap_and_no_tail(tmp_path: Path):
    """Nine rows of ten are 0, and the others go up to a million: a normal distribution all the same."""
    rng = np.random.default_rng(0)
    gains = np.where(rng.random(3_000) < 0.9, 0, 10 ** rng.integers(3, 7, 3_000))
    path = csv(
        tmp_path / "own.csv",
        [f"{gain},{row:.4f}" for gain, row in zip(gains, rng.normal(size=3_000), strict=True)],
        "gain,real",
    )
    data = prepared(path, numbers="quantile")
    features = data.scaled("train")
    for column in features.T:
        assert stats.kstest(column, "norm").statistic < 0.03
    found = rows(data, "test")
    assert set(found["gain"].tolist()) <= {0, 1_000, 10_000, 100_000, 1_000_000}
    assert np.mean(found["gain"] == 0) == pytest.approx(0.9, abs=0.05)
    written = {line.split(",")[1] for line in path.read_text().splitlines()[1:]}
    known = np.sort(np.array(sorted(written), "float64"))
    # What is not among the knots comes back to about a thousandth of the ranks.
    assert np.abs(known[np.searchsorted(known, found["real"] - 1e-3)] - found["real"]).max() < 0.05
    gain, real = data.columns.columns
    assert (len(gain.knots), len(real.knots), real.shares) == (5, 1_000, [])
    # The middle of a heap, and beyond the largest value.
    assert gain.encode(np.array([0.0]))[0, 0] == pytest.approx(stats.norm.ppf(gain.shares[0] / 2))
    assert gain.decode(np.array([[9.0], [-9.0]])).tolist() == [1_000_000, 0]
    again = prepared(path, numbers="quantile")
    assert again.info["checksums"] == data.info["checksums"]


def test_missing_values_are_refused_with_their_counts_or_imputed(tmp_path: Path, capsys):
    rows_of = lines()
    rows_of[0], rows_of[1], rows_of[2] = ",3,ax,4", "NA,3,,4", "2.000,?,ax,4"
    path = csv(tmp_path / "own.csv", rows_of)
    told = error(path)
    assert "missing values in weight 2, legs 1, kind 1 of 40 rows" in told
    assert "missing: impute" in told
    data = prepared(path, missing="impute")
    assert "weight 2, legs 1, kind 1" in capsys.readouterr().err
    weight, legs, kind, _ = data.columns.columns
    found = [rows(data, split) for split in data.info["splits"]]
    every = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    plain = [line.split(",") for line in lines()[3:]]
    assert legs.dtype == "int64"
    assert weight.low >= 1.0
    counts = dict(zip(kind.values, kind.shares, strict=True))
    extra = every["kind"].tolist()
    for _, _, value, _ in plain:
        extra.remove(value)
    assert sorted(extra) == sorted(["ax", "ax", max(counts, key=counts.get)])


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (lines(), {"columns": ["wieght"]}, "has no column 'wieght'; it has weight, legs, kind, code"),
        (lines(), {"label": "species"}, "label: .* has no column 'species'"),
        (lines(), {"drop": ["kind"], "label": "kind"}, "label: 'kind' is not among the columns"),
        ([*lines()[:-1], "1.0,2"], {}, r"line 41 has 2 cells, the header 4 \(\"1.0,2\"\)"),
        ([*lines(), "1.0,2,a,b,c"], {}, "line 42 has 5 cells, the header 4 .* between quotes"),
        ([f"{row},1,a{row % 2}x,4" for row in range(40)], {}, "column legs has one value only, \"1\","),
        ([f"{row},{row % 3},n{row},4" for row in range(40)], {"drop": ["code"]}, "column kind has 32 different values"),
        ([*[f"{row}.5,{row % 3},ax,{row % 4}" for row in range(39)], "1o,2,bx,1"], {}, 'of numbers because of "1o"'),
        ([f"inf,{row % 3},ax,4" for row in range(40)], {}, "column weight has 40 infinite values"),
        ([], {}, "has a header and no rows"),
        (lines(5), {}, "5 examples to train on are too few"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used(
    tmp_path: Path, content: list[str], options: dict, expected: str
):
    assert re.search(expected, error(csv(tmp_path / "own.csv", content), **options))


def test_files_that_are_no_tables(tmp_path: Path):
    path = tmp_path / "own.csv"
    path.write_bytes(b"")
    assert "own.csv is empty: expected a header and rows" in error(path)
    assert "weight stands twice in the header" in error(
        csv(path, lines(), "weight,weight,kind,code")
    )
    assert "column 1 has no name" in error(csv(path, lines(), ",weight,kind,code"))
    assert "has no header: its first line is '1,2,3,4'" in error(csv(path, lines(), "1,2,3,4"))
    said = error(csv(path, ["1.0,2,café,4", *lines()], encoding="latin1"))
    assert "is not UTF-8 (byte 0xe9 in line 2): save it as UTF-8" in said
    (tmp_path / "own.parquet").write_bytes(b"PAR1 and nothing more")
    assert "own.parquet is broken or no Parquet file" in error(tmp_path / "own.parquet")
    assert "source: folder" not in error(tmp_path / "absent.csv")
    with pytest.raises(UserError, match="a table has source: table"):
        prepare("own", DataSettings(source="folder", path="own.csv"), tmp_path / "o", tmp_path)
    with pytest.raises(
        UserError, match=r"data.own.label is for tables \(source: table\); remove it"
    ):
        prepare("own", DataSettings(source="tfds", label="kind"), tmp_path / "o", tmp_path)


def test_a_category_that_only_the_test_set_has(tmp_path: Path, capsys):
    csv(tmp_path / "t" / "train.csv", lines())
    csv(tmp_path / "t" / "test.csv", [*lines(11), "1.0,3,new,4"])
    told = error(tmp_path / "t")
    assert 'column kind: "new" (1 in all) is in test and not among the rows to train on' in told
    data = prepared(tmp_path / "t", missing="impute")
    assert rows(data, "test")["kind"][-1] in ("ax", "bx", "cx")
    assert "kind 1" in capsys.readouterr().err


def test_other_ways_to_write_a_table(tmp_path: Path):
    semicolons = tmp_path / "s.csv"
    semicolons.write_bytes(b'\xef\xbb\xbf"fixed acidity"; b \r\n 1.5 ;"x; y"\r\n-2;z\r\n')
    assert read(semicolons).to_pydict() == {"fixed acidity": ["1.5", "-2"], "b": ["x; y", "z"]}
    table = pa.table(
        {
            "small": pa.array(np.arange(ROWS) % 9, pa.int16()),
            "real": pa.array(np.sqrt(np.arange(ROWS)), pa.float32()),
            "yes": pa.array(np.arange(ROWS) % 3 == 0),
            "text": pa.array([f"t{row % 2}" for row in range(ROWS)]).dictionary_encode(),
        }
    )
    pa.parquet.write_table(table, tmp_path / "own.parquet")
    data = prepared(tmp_path / "own.parquet")
    found = rows(data, "train")
    assert [values.dtype.name for values in found.values()][:3] == ["int16", "float32", "bool"]
    write(tmp_path / "again.parquet", found, parquet=True)
    again = pa.parquet.read_table(tmp_path / "again.parquet")
    assert again.schema.types == [pa.int16(), pa.float32(), pa.bool_(), pa.string()]
    reals = np.sort(table["real"].to_numpy())
    place = np.searchsorted(reals, again["real"].to_numpy() - 1e-4)
    np.testing.assert_allclose(again["real"].to_numpy(), reals[place], atol=1e-5)
    kept = table.take(place).drop_columns("real")
    assert again.drop_columns("real").to_pylist() == kept.to_pylist()
    dates = table.append_column("when", pa.array([0] * ROWS, pa.timestamp("s")))
    pa.parquet.write_table(dates, tmp_path / "own.parquet")
    with pytest.raises(
        UserError, match=r"column when is of type timestamp\[ms\]: .* drop: \[when\]"
    ):
        prepared(tmp_path / "own.parquet")


def test_the_outline_needs_the_beginning_alone(tmp_path: Path):
    path = csv(tmp_path / "own.csv", [*lines(200), "broken"])
    found = outline(path, rows=50)
    assert found.kinds == {
        "weight": "number",
        "legs": "number",
        "kind": "category",
        "code": "number",
    }
    assert found.rows is None
    pa.parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "own.parquet")
    found = outline(tmp_path / "own.parquet")
    assert (found.kinds, found.rows) == ({"a": "number", "b": "category"}, 2)


def test_a_description_that_was_damaged(tmp_path: Path):
    data = prepared(csv(tmp_path / "own.csv", lines()))
    file = data.path / "dataset.json"
    whole = json.loads(file.read_text())
    assert Table.read(whole["table"]) == data.columns
    for column, change in (
        (0, {"deviation": 0.0}),
        (0, {"name": "kind"}),
        (2, {"values": ["ax"]}),
        (2, {"dtype": "int64"}),
        (0, {"kind": "date"}),
    ):
        damaged = json.loads(json.dumps(whole))
        damaged["table"]["columns"][column] |= change
        file.write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match="does not describe its fields"):
            PreparedData(data.path)
