"""The form of every result: JSON for machines, a table for readers."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.race import Result

FOLDER = Path(__file__).parent / "results"


@dataclass
class Row:
    """One comparison.

    Attributes:
        group: For example "train".
        name: What was done.
        peer: By whom else.
        ours: Median of what ours took or reached, in `unit`; None where it could not be measured.
        theirs: The same of the peer; None for a figure without a peer.
        ratio: How many times better ours is: the median over the rounds of the ratio in one round.
        low: The lower quartile of these ratios.
        high: The upper one.
        unit: For example "ms".
        more: Further figures: parameters, memory, the `share` of the machine's rate of products that both reached.
    """

    group: str
    name: str
    peer: str | None
    ours: float | None
    theirs: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ms"
    more: dict[str, Any] = field(default_factory=dict)


def compared(group: str, name: str, peer: str, ours: Result, theirs: Result, **more: Any) -> Row:
    """A row of two contenders that raced."""
    ratios = [b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Row(
        group,
        name,
        peer,
        1e3 * statistics.median(ours.seconds),
        1e3 * statistics.median(theirs.seconds),
        statistics.median(ratios),
        quarters[0],
        quarters[2],
        more={
            "parameters": ours.facts.get("parameters"),
            "start_seconds": [round(ours.start, 2), round(theirs.start, 2)],
            "peak_memory": [ours.facts["peak_memory"], theirs.facts["peak_memory"]],
            **{key: theirs.facts[key] for key in ("torch",) if key in theirs.facts},
            **more,
        },
    )


def write(group: str, rows: list[Row]) -> None:
    """Writes the rows of a group, and keeps those of other names and of other processors."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{group}.json"
    described = machine.describe()
    machines, kept = {}, []
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        machines = before["machines"]
        new = {(row.name, row.peer) for row in rows}
        kept = [
            row
            for row in before["rows"]
            if (row["name"], row["peer"]) not in new
            or machine.place(machines[row["machine"]]) != machine.place(described)
        ]
    machines[described["id"]] = described
    stamp = {"machine": described["id"], "commit": machine.commit(), "date": f"{date.today()}"}
    records = kept + [{**_rounded(asdict(row)), **stamp} for row in rows]
    used = {record["machine"] for record in records}
    machines = {key: value for key, value in machines.items() if key in used}
    temporary = path.with_suffix(".new")
    temporary.write_text(
        json.dumps({"machines": machines, "rows": records}, indent=1) + "\n", encoding="utf-8"
    )
    temporary.replace(path)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return value
