"""What each part of the suite cost: `python -m tests.figures FOLDER` prints the table of all processes of one `make test`."""

import json
import sys
from collections import defaultdict
from pathlib import Path


def write(folder: Path, process: str, parts: dict[str, tuple[float, float]], memory: float) -> None:
    """Keeps the figures of one process of tests.

    Args:
        folder: Of the one `make test`.
        process: Its name.
        parts: CPU seconds and seconds of each part; that of a system begins with "system ".
        memory: The most that the process has held, in GiB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {"parts": parts, "memory": memory}
    (folder / f"{process}.json").write_text(json.dumps(content), encoding="utf-8")


def table(folder: Path) -> str:
    """The figures of all processes: first what does not grow with the systems, then each system, largest first."""
    processes = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for process in processes.values():
        for part, values in process["parts"].items():
            sums[part] = [one + other for one, other in zip(sums[part], values, strict=True)]
    systems = {part: values for part, values in sums.items() if part.startswith("system ")}
    fixed = {part: values for part, values in sums.items() if part not in systems}
    lines = ["CPU seconds  seconds"]
    for title, parts in (("all of the fixed part", fixed), ("all systems", systems)):
        rows = sorted(parts.items(), key=lambda row: -row[1][0])
        small = [values for _, values in rows if values[0] < 1.0]
        shown = [(part, *values) for part, values in rows if values[0] >= 1.0]
        if small:
            shown.append(
                (f"{len(small)} parts below a second", *map(sum, zip(*small, strict=True)))
            )
        shown.append(
            (title, *(sum(values[index] for values in parts.values()) for index in (0, 1)))
        )
        lines += [f"{cpu:11.1f} {wall:8.1f}  {part}" for part, cpu, wall in shown]
    if systems:
        mean = sum(values[0] for values in systems.values()) / len(systems)
        lines.append(f"{mean:11.1f} {'':8s}  a system, on average of {len(systems)}")
    total = [sum(values[index] for values in sums.values()) for index in (0, 1)]
    lines.append(f"{total[0]:11.1f} {total[1]:8.1f}  all; the processes run side by side")
    memory = ", ".join(f"{name} {each['memory']:.1f}" for name, each in processes.items())
    lines.append(f"most memory, GiB: {memory}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
