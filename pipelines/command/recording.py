"""Writes what a finished run reached into its recipe: what `gm-keras record` does.

The run is taken at the word of `dvc.lock`: the settings with which the stages ran, and the hash of the
scores that they left. `reached:` holds one entry for each data set; the rest of the file stays as it is.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipelines.report import inputs
from pipelines.settings import NOTHING, Settings, load_settings, params_file
from pipelines.shared import catalog, scores, written, yaml_file
from pipelines.shared.errors import UserError
from pipelines.shared.written import Calibration, Metrics, Training
from pipelines.tracking import revision

SECTION = "reached"
#: Besides the score by which trainings are compared: what a table of systems can show of it.
SHOWN = (
    "bits_per_dim",
    "nats_per_token",
    "perplexity",
    "accuracy",
    "l1",
    "fid",
    "classifier_fid",
    "raw_frechet_distance",
    "sliced_wasserstein",
    "precision",
    "recall",
)
TRAINED = ("class", "model", "optimizers", "fit", "sample")
EVALUATED = ("evaluate",)
#: Changes of these say nothing about the code that ran: a run is recorded whose block is the recipe's.
NO_CODE = ("params.yaml", "gm_keras/recipes/", "docs/", "README.md")


def record(params: Path, key: str, recipe_file: Path | None = None) -> tuple[Path, dict[str, Any]]:
    """Writes the scores of a finished run under `reached:` in the recipe of its system.

    Args:
        params: Where `params.yaml` is; `dvc.lock`, `models/` and `reports/` are beside it.
        key: A system of `params.yaml`, trained and evaluated.
        recipe_file: The recipe to write; by default that of the checkout that gm_keras is imported from.

    Returns:
        The file, and the entry that was written.

    Raises:
        UserError: The run is not finished, its block is not the recipe's, or there is no checkout; the
            recipe is as it was.
    """
    settings, root = load_settings(params), params.resolve().parent
    name = settings.system(key).class_name
    target = recipe_file or checkout() / "gm_keras" / "recipes" / f"{name}.yaml"
    text = params_file.read(target)
    content = yaml_file.parse(text, target.name)
    if not isinstance(content, dict) or (content.get("system") or {}).get("class") != name:
        raise UserError(f'{target} is no recipe of {name}, the class of "{key}"')
    stages = _stages(root)
    _check_block(key, settings, stages, content, evaluated=True)
    entry = _entry(key, root, stages)
    try:
        new = _with_entry(text, entry)
        right = yaml_file.parse(new, target.name) == content | {SECTION: _merged(content, entry)}
    except (UserError, YAMLError, ValueError, TypeError, LookupError, AttributeError):
        right = False
    if not right:
        # Editing by lines does not know every layout that YAML allows.
        raise UserError(
            f"{target} is laid out in a way that this command cannot edit: it is unchanged"
        )
    params_file.write(target, new)
    return target, entry


def checkout() -> Path:
    """Returns the checkout that gm_keras is imported from.

    Raises:
        UserError: It is installed without one.
    """
    root = catalog.folder().parents[1]
    if not (root / "pyproject.toml").is_file():
        raise UserError(
            f"gm_keras is installed in {root}, which is no checkout: name the file to write with --recipe"
        )
    return root


def _stages(root: Path) -> dict[str, Any]:
    if not (root / "dvc.lock").is_file():
        raise UserError("there is no dvc.lock, and so no finished run: make one with: dvc repro")
    lock = yaml_file.load(root / "dvc.lock")
    stages = lock.get("stages") if isinstance(lock, dict) else None
    if not isinstance(stages, dict):
        raise UserError("dvc.lock is not as DVC writes it: make it again with: dvc repro")
    return stages


def _check_block(
    key: str,
    settings: Settings,
    stages: dict[str, Any],
    content: dict[str, Any],
    *,
    evaluated: bool,
) -> None:
    """Raises a `UserError` where the settings of a run are not the recipe's for its data set."""
    system = settings.system(key)
    data = system.data
    if data not in content["datasets"]:
        known = ", ".join(content["datasets"])
        raise UserError(f"{key} was trained on {data}, which its recipe does not name: {known}")
    tuned = (content.get("datasets_overrides") or {}).get(data) or {}
    block = params_file.merged(content["system"], tuned)
    names = [("train", each) for each in TRAINED]
    names += [("evaluate", each) for each in EVALUATED] if evaluated else []
    for stage, part in names:
        ran = _locked(stages, stage, key).get(f"systems.{key}.{part}")
        wanted = block.get(part)
        if (ran or {}) != (wanted or {}):
            where, came, expected = _difference(f"systems.{key}.{part}", ran, wanted)
            raise UserError(
                f"{where} was {came} when {key} was last run, its recipe has {expected} for {data}: "
                "only runs of the recipe are recorded"
            )
    if system.uses != NOTHING:
        used = catalog.recipe(settings.system(system.uses).class_name)
        _check_block(
            system.uses, settings, stages, yaml_file.parse(used.text, used.name), evaluated=False
        )


def _locked(stages: dict[str, Any], stage: str, key: str) -> dict[str, Any]:
    found = stages.get(f"{stage}@{key}")
    if not isinstance(found, dict):
        raise UserError(
            f"dvc.lock has no run of {stage}@{key}: make one with: dvc repro {stage}@{key}"
        )
    return (found.get("params") or {}).get("params.yaml") or {}


def _difference(where: str, ran: Any, wanted: Any) -> tuple[str, str, str]:
    """The first value that differs: its name, and both as they are written."""
    if isinstance(ran, dict) and isinstance(wanted, dict):
        for name in [*wanted, *ran]:
            if ran.get(name) != wanted.get(name):
                return _difference(f"{where}.{name}", ran.get(name), wanted.get(name))
    return where, *("not set" if each is None else str(each) for each in (ran, wanted))


def _entry(key: str, root: Path, stages: dict[str, Any]) -> dict[str, Any]:
    path = root / "reports" / key / "scores.json"
    again = f"dvc repro evaluate@{key}"
    metrics = written.read(path, Metrics, again)
    training = written.read(root / "models" / key / "run.json", Training, f"dvc repro train@{key}")
    if revision.md5(path) != revision.dvc_hash(root, path):
        raise UserError(f"{path} is not what evaluate@{key} left: make it again with: {again}")
    locked = _locked(stages, "train", key)
    names = dict.fromkeys([metrics.primary.name] if metrics.primary else [])
    names |= dict.fromkeys(SHOWN)
    reached = [
        {"metric": name}
        | _numbers(name, value, scores.error_of(metrics.everything, name))
        | _read_by(name, root / "reports" / key / "calibration.json", again)
        for name in names
        if (value := scores.value_of(metrics.everything, name)) is not None
    ]
    if not reached:
        raise UserError(f"{path} has no score that is recorded")
    curves = inputs.history(root / "reports" / key / "history.csv", f"dvc repro train@{key}")
    facts = {
        "data": metrics.data,
        "scores": reached,
        "likelihood": _likelihood(metrics),
        "epochs": max((epoch for points in curves.values() for epoch, _ in points), default=None),
        "parameters": _parameters(key, root),
        "seconds": training.training_seconds,
        "seed": locked.get("seed"),
        "machine": training.machine,
        "commit": _commit(training),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _read_by(name: str, path: Path, again: str) -> dict[str, float]:
    """What a score is read by: that of real data, and that of noise or before the training."""
    if not path.is_file():
        return {}
    rows = written.read(path, Calibration, again)
    found = {
        kind: (scores.value_of(row, name), scores.error_of(row, name))
        for kind, row in (("floor", rows.floor), ("ceiling", rows.ceiling))
    }
    return {
        kind: _numbers(name, value, error)["value"]
        for kind, (value, error) in found.items()
        if value is not None
    }


def _likelihood(metrics: Metrics) -> dict[str, Any] | None:
    """What kind of number a likelihood is, as far as two must agree in it to be compared."""
    likelihood = metrics.likelihood
    if likelihood is None:
        return None
    facts = {"kind": likelihood.kind, "of": likelihood.of, "given": likelihood.given}
    facts = {name: value for name, value in facts.items() if value is not None}
    return facts | ({"binarized": True} if likelihood.binarization else {})


def _parameters(key: str, root: Path) -> int | None:
    weights = root / "models" / key / "model.weights.h5"
    return inputs.count_parameters(weights, f"dvc repro train@{key}") if weights.is_file() else None


def _commit(training: Training) -> str | None:
    if training.git_revision is None:
        return None
    changes = training.git_changes
    clean = not training.git_dirty
    if changes is not None:
        clean = all(each.startswith(NO_CODE) for each in changes)
    return training.git_revision[:12] + ("" if clean else " and changes")


def _numbers(name: str, value: float, error: float | None) -> dict[str, float]:
    """A score and its error, to the digits that a page shows."""
    texts = (text for text in scores.parts(name, value, error) if text is not None)
    numbers = (float(each.replace(",", "").replace("\N{MINUS SIGN}", "-")) for each in texts)
    return dict(zip(("value", "error"), numbers, strict=False))


def _merged(content: dict[str, Any], entry: dict[str, Any]) -> list[dict[str, Any]]:
    entries = list(content.get(SECTION) or [])
    places = [number for number, each in enumerate(entries) if each["data"] == entry["data"]]
    if places:
        entries[places[0]] = entry
        return entries
    return [*entries, entry]


def _with_entry(text: str, entry: dict[str, Any]) -> str:
    content, lines = params_file.parse(text), text.splitlines()
    rows = _rows(entry)
    if content.get(SECTION):
        first, after = params_file.span(lines, content, SECTION)
        entries = content[SECTION]
        starts = [entries.lc.item(number)[0] for number in range(len(entries))] + [after]
        for number, each in enumerate(entries):
            if each["data"] == entry["data"]:
                first, after = starts[number], starts[number + 1]
                return "\n".join([*lines[:first], *rows, *lines[after:]]) + "\n"
        return "\n".join([*lines[:after], *rows, *lines[after:]]) + "\n"
    if SECTION in content:
        raise ValueError("there is an empty section")
    at = len(lines)
    if "test" in content:
        at = content.lc.key("test")[0]
        while at > 0 and lines[at - 1].startswith("#"):
            at -= 1
    head = f"{SECTION}: # written by `gm-keras record` from finished runs"
    return "\n".join([*lines[:at], head, *rows, *lines[at:]]) + "\n"


def _rows(entry: dict[str, Any]) -> list[str]:
    rows = []
    for name, value in entry.items():
        if name == "scores":
            rows.append("scores:")
            rows += [f"  - {{ {params_file.inline(each)[1:-1]} }}" for each in value]
        else:
            rows.append(f"{name}: {params_file.inline(value)}")
    return [f"  - {rows[0]}", *(f"    {row}" for row in rows[1:])]
