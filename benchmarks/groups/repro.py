"""What DVC's pipeline costs a user: a `dvc repro` with nothing to do, and one that makes one system.

The projects are temporary copies of the working tree. For the many-system ones, which would take hours to make, outputs
are files of a few bytes that DVC was told to take as they are: it looks at them as at real ones.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import rows
from benchmarks.options import Options
from benchmarks.processes import Command, alternate
from benchmarks.processes import run as run_command
from benchmarks.race import ROOT, Result
from tests.projects import PARAMS, make_project

#: Most milliseconds that a `dvc repro` with nothing to do may take in the project as it comes.
LIMIT = 3000.0
#: Times that a whole pipeline runs.
ROUNDS = 3


def run(options: Options) -> None:
    """Rows for `no-op`, by the number of systems, and for `one system`."""
    parts = {"no-op": _nothing_to_do, "one system": _one_system}
    with tempfile.TemporaryDirectory() as folder:
        for part in options.chosen(parts):
            if options.toy and part == "one system":
                continue  # a training, an evaluation and an export take a minute or two
            with options.attempt(part):
                parts[part](options, Path(folder))


def _nothing_to_do(options: Options, folder: Path) -> None:
    bare = folder / "bare"
    _bare_project(bare)
    texts = {"1 system": several(1)}
    if not options.toy:
        texts |= {
            "params.yaml as it comes": (ROOT / "params.yaml").read_text(encoding="utf-8"),
            "13 systems": several(13),
        }
    for name, text in texts.items():
        project = make_project(folder / name.replace(" ", "_"), text)
        stages = _pretend(project)
        results = alternate(
            {
                "no-op": Command(("dvc", "repro"), folder=project),
                "no-op of a one-stage project": Command(("dvc", "repro"), folder=bare),
                "dvc --version": Command(("dvc", "--version"), folder=bare),
            },
            options.rounds,
        )
        ours = results.pop("no-op")
        more = {"stages": stages} | ({} if name == "13 systems" else {"limit": LIMIT})
        for peer, result in results.items():
            options.tell(rows.compared("repro", f"no-op, {name}", peer, ours, result, **more))


def several(count: int) -> str:
    """A `params.yaml` with so many small systems."""
    head, block = PARAMS.split("  flow:")[0].split("  vae:\n")
    return head + "".join(f"  vae_{index}:\n{block}" for index in range(count))


def _bare_project(folder: Path) -> None:
    folder.mkdir()
    (folder / "input").write_text("1", encoding="utf-8")
    (folder / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp input output\n    deps: [input]\n    outs: [output]\n",
        encoding="utf-8",
    )
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for arguments in (("dvc", "init", "-q"), ("dvc", "repro")):
        run_command(Command(arguments, folder=folder))


def _pretend(project: Path) -> int:
    """Puts a small file in the place of every output and has DVC take it as made; returns the number of stages."""
    from dvc.repo import Repo

    stages = list(Repo(str(project)).index.stages)
    for path in (Path(output.fs_path) for stage in stages for output in stage.outs):
        if path.suffix or path.name == "checked":
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            path.mkdir(parents=True, exist_ok=True)
            path = path / "part.json"
        path.write_text(path.name, encoding="utf-8")
    run_command(Command(("dvc", "commit", "--force"), folder=project))
    return len(stages)


def _one_system(options: Options, folder: Path) -> None:
    project = make_project(folder / "with_dvc", several(1))
    backend = {"KERAS_BACKEND": "jax"}
    whole = Command(("dvc", "repro", "--force"), backend, project)
    first, _ = run_command(whole)
    alone = folder / "without_dvc"
    shutil.copytree(project, alone, symlinks=True)
    commands = " && ".join(_commands(project))
    without = Command(("sh", "-c", commands), backend, alone)
    times: dict[str, list[float]] = {"dvc": [], "alone": []}
    for _ in range(ROUNDS):
        times["dvc"].append(run_command(whole)[0])
        times["alone"].append(run_command(without)[0])
    ours, bound = (
        Result(each, first, {"peak_memory": None}) for each in (times["dvc"], times["alone"])
    )
    name, peer = "one system from nothing", "its commands without DVC"
    options.tell(rows.compared("repro", name, peer, ours, bound))


def _commands(project: Path) -> list[str]:
    """The commands of all stages, in the order of `dvc.yaml`."""
    load = YAML(typ="safe").load
    order = list(load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    stages = load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    names = sorted(stages, key=lambda name: order.index(name.split("@")[0]))
    return [stages[name]["cmd"] for name in names]
