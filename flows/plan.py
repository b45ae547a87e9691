"""Which stages bring systems up to date, in which order, and what one failure holds up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.settings import NOTHING, Settings
from pipelines.shared.errors import UserError

FIRST = ("check", "sources")
DATA_STAGES = ("prepare", "extractor")
# An export waits for its system's page, which also brings the index up to date.
SYSTEM_STAGES = ("train", "evaluate", "page", "export")
REPORT = "report"

# Runs one stage, forced or not; returns what failed in a line, or None.
Run = Callable[[str, bool], str | None]
Log = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """The stages to run.

    Attributes:
        first: Stages that every other one waits for.
        data: For each data set, its stages in order.
        systems: For each system, its own stages in order.
        data_of: For each system, its data set.
        uses: For each system that builds on another one in the plan, that one.
        forced: Stages to run even if nothing changed that DVC knows of.
    """

    first: list[str]
    data: dict[str, list[str]]
    systems: dict[str, list[str]]
    data_of: dict[str, str]
    uses: dict[str, str] = field(default_factory=dict)
    forced: frozenset[str] = field(default=frozenset())


def make(
    settings: Settings,
    keys: list[str] | None,
    names: list[str],
    fresh_data: bool = False,
    force: bool = False,
) -> Plan:
    """Lists the stages of systems; one that builds on another comes after it.

    Args:
        settings: `params.yaml`.
        keys: Keys of its systems; None or an empty list means all.
        names: The stages that `dvc.yaml` has; one of a data set that it lacks is left out.
        fresh_data: Read folders of the user's anew: DVC does not watch those.
        force: Train the systems even if nothing changed.

    Raises:
        UserError: There is no such system, or no stage of it.
    """
    keys = _ordered(settings, list(dict.fromkeys(keys or settings.systems)))
    data_of = {key: settings.system(key).data for key in keys}
    data = {
        name: [target for stage in DATA_STAGES if (target := f"{stage}@{name}") in names]
        for name in dict.fromkeys(data_of.values())
    }
    systems = {key: [f"{stage}@{key}" for stage in SYSTEM_STAGES] for key in keys}
    uses = {key: used[0] for key in keys if (used := _used(settings, key))}
    for key in keys:
        # What was not asked for is trained where it is needed, and no more.
        needed = [used for used in reversed(_used(settings, key)) if used not in keys]
        systems[key] = [f"train@{used}" for used in needed] + systems[key]
    for targets in systems.values():
        for target in targets:
            if target not in names:
                raise UserError(f"dvc.yaml has no stage {target}; it has {', '.join(names)}")
    folders = {f"prepare@{name}" for name in data if settings.data[name].source == "folder"}
    first = [stage for stage in FIRST if stage in names]
    forced = (folders if fresh_data else set()) | (
        {f"train@{key}" for key in keys} if force else set()
    )
    return Plan(first, data, systems, data_of, uses, frozenset(forced))


def _used(settings: Settings, key: str) -> list[str]:
    """The systems that a system builds on, the nearest first."""
    chain: list[str] = []
    while (key := settings.system(key).uses) != NOTHING:
        chain.append(key)
    return chain


def _ordered(settings: Settings, keys: list[str]) -> list[str]:
    ordered: list[str] = []
    for key in keys:
        before = [used for used in reversed(_used(settings, key)) if used in keys]
        ordered += [each for each in [*before, key] if each not in ordered]
    return ordered


def execute(plan: Plan, run: Run, log: Log) -> dict[str, str]:
    """Runs the stages one after another; what fails holds up only what needs it.

    Args:
        plan: The stages.
        run: Runs one.
        log: Takes lines that say what is left out.

    Returns:
        For each system that is not up to date, why.
    """
    if failure := _chain(plan, plan.first, run):
        return dict.fromkeys(plan.systems, failure)
    broken = {name: _chain(plan, targets, run) for name, targets in plan.data.items()}
    failures = {}
    for key, targets in plan.systems.items():
        failure = broken[plan.data_of[key]]
        if failure:
            log(f"{key} is left out, because its data set is not there")
        elif failure := failures.get(plan.uses.get(key, "")):
            log(f"{key} is left out, because {plan.uses[key]}, which it uses, is not up to date")
        else:
            failure = _chain(plan, targets, run)
        if failure:
            failures[key] = failure
    return failures


def run_report(settings: Settings, names: list[str], root: Path, run: Run, log: Log) -> str | None:
    """Runs the stage of the index once each system has a page; until then pages themselves bring it up to date.

    Args:
        settings: `params.yaml`.
        names: The stages that `dvc.yaml` has.
        root: The folder of the project.
        run: Runs one stage.
        log: Takes the line that says whom the index is without.

    Returns:
        What failed, or None.
    """
    missing = [key for key in settings.systems if not (root / "reports" / f"{key}.html").is_file()]
    if missing:
        log(f"not on the index, as they have no page: {', '.join(missing)}")
        return None
    return run(REPORT, False) if REPORT in names else None


def _chain(plan: Plan, targets: list[str], run: Run) -> str | None:
    for target in targets:
        if failure := run(target, target in plan.forced):
            return failure
    return None
