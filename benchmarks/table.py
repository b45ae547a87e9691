"""`RESULTS.md` from the rows of all groups."""

import json
import math
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.rows import FOLDER

PAGE = Path(__file__).parent / "RESULTS.md"
SHARE = " of the machine's rate |"
HEAD = """# Results

Made by `make bench`; how it measures, and what bounds each figure: [NOTES.md](NOTES.md). A ratio says how many times
better ours is than the peer's: the median over rounds in which both took turns, and the quartiles. Above 1 is better for us.
Of the machine's rate: what ours and theirs reached of the operations a second of a product of two 1,024 x 1,024 matrices in the same rounds (on a GPU:
of 8,192 x 8,192 in bfloat16, by the faster of both frameworks).
"""


def write() -> None:
    """Writes the page anew."""
    groups = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    machines: dict[str, Any] = {}
    for group in groups.values():
        machines |= group["machines"]
    parts = [HEAD]
    for name, facts in machines.items():
        versions = ", ".join(f"{key} {value}" for key, value in facts["versions"].items())
        parts.append(
            f"Machine {name}: {facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB; "
            f"Python {facts['python']}, {versions}.\n"
        )
    for name, group in groups.items():
        parts.append(f"## {name}\n")
        for place, rows in _by_place(group).items():
            parts.append(_table(place, rows))
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _by_place(group: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    places: dict[str, list] = {}
    for row in group["rows"]:
        places.setdefault(machine.place(group["machines"][row["machine"]]), []).append(row)
    return places


def _table(place: str, rows: list[dict[str, Any]]) -> str:
    shares = any(_shares(row) for row in rows)
    cards = sorted({row["more"]["card"] for row in rows if row["more"].get("card")})
    lines = [
        f"On {', '.join([place, *(f'one {card}' for card in cards)])}.\n",
        "| what | peer | ours | theirs | unit | ratio | quartiles |" + (SHARE if shares else ""),
        "|---|---|---:|---:|---|---:|---|" + ("---|" if shares else ""),
    ]
    for row in rows:
        spread = "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines.append(
            f"| {row['name']} | {row['peer'] or ''} | {_number(row['ours'])} | {_number(row['theirs'])} "
            f"| {row['unit']} | {ratio} | {spread} |" + (f" {_share(row)} |" if shares else "")
        )
    lines += ["", *_means(rows), ""]
    return "\n".join(lines)


def _means(rows: list[dict[str, Any]]) -> list[str]:
    """The geometric mean of the ratios, for each of our backends and each peer."""
    kinds: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if (
            row["group"] == "train"
            and row["peer"]
            and row["name"].rsplit(" ", 1)[-1] in ("jax", "tensorflow")
        ):
            key = (row["name"].rsplit(" ", 1)[-1], row["peer"])
            kinds.setdefault(key, []).append(row["ratio"])
    return [
        f"{ours} against {peer}: geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}, "
        f"lowest {min(ratios):.2f}, of {len(ratios)}.\n"
        for (ours, peer), ratios in kinds.items()
    ]


def _share(row: dict[str, Any]) -> str:
    return ", ".join(f"{100 * each:.0f} %" for each in _shares(row))


def _shares(row: dict[str, Any]) -> list[float]:
    return row["more"].get("share") or row["more"].get("share_of_rate") or []


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
