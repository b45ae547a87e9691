"""Writes `docs/systems.md`, and the tables between markers in the README: what `gm-keras docs` does.

All of it comes from the recipes: figures stand there because `gm-keras record` put them there.
"""

import re
from pathlib import Path
from typing import Any

from pipelines.command.recording import checkout
from pipelines.shared import catalog, facts, scores, yaml_file
from pipelines.shared.catalog import Recipe
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing

PAGE = Path("docs/systems.md")
README = Path("README.md")
COMMAND = "gm-keras docs"
MARKED = re.compile(r"(<!-- (\w+): begin[^>]*-->\n).*?(<!-- \2: end -->)", re.DOTALL)
NONE = "–"
#: What is shown of a run in one row.
HEADS = ["on the test set", "Fréchet distance", "precision", "recall"]
DISTANCES = ("fid", "classifier_fid", "raw_frechet_distance")
SHARES = (("precision",), ("recall",))
RATES = ("bits_per_dim", "nats_per_token")
#: Real data, or noise, that differ by so much in two runs are the same but for their rounding.
AGREED = 0.01

#: What a capability means for who uses a system.
CAPABILITIES = {
    "sampler": "draws samples",
    "density": "gives the exact log-likelihood of an example",
    "bound": "gives a lower bound on the log-likelihood",
    "energy": "gives the likelihood up to a constant, which annealed importance sampling estimates",
    "autoencoder": "encodes examples and decodes them again",
    "invertible": "encodes without loss: its reconstructions are exact by construction",
    "codes": "encodes examples as discrete codes",
    "classifier": "tells the class of an example, where it was built with classes",
    "latents": "decodes latents, so that one can interpolate, truncate and calculate with them",
    "trajectory": "shows the way from noise to a sample",
    "conditional": "takes a label",
    "translator": "makes images from images",
}

OF = {
    "discrete": "that of discrete values",
    "density": "a density",
    "relaxed": "that of a Bernoulli distribution relaxed to grey levels, which is none of images",
}


def write(*, check: bool = False) -> str:
    """Writes the pages, or looks whether they are as they would be written.

    Args:
        check: Change nothing.

    Returns:
        What was done, in a line.

    Raises:
        UserError: There is no checkout; or with `check`, which page is out of date.
    """
    root = checkout()
    texts = pages(root)
    old = [name for name, text in texts.items() if _text(root / name) != text]
    if check and old:
        raise UserError(f"{', '.join(map(str, old))} is out of date: write it with: {COMMAND}")
    for name in old:
        with replacing(root / name) as path:
            path.write_text(texts[name], encoding="utf-8")
    return f"wrote {', '.join(map(str, old))}" if old else "every page is up to date"


def pages(root: Path) -> dict[Path, str]:
    """The text of each page, by its path in the checkout."""
    recipes = catalog.recipes()
    defaults = yaml_file.load(root / "params.yaml")["systems"].values()
    tables = {
        "systems": short_table(recipes),
        "defaults": defaults_table([catalog.recipe(each["class"]) for each in defaults]),
    }
    return {PAGE: systems_page(recipes), README: with_tables(_text(root / README), tables)}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def with_tables(text: str, tables: dict[str, str]) -> str:
    """Fills in what stands between the markers of a page, such as `<!-- systems: begin -->`."""

    def filled(match: re.Match[str]) -> str:
        if match[2] not in tables:
            raise UserError(f"{README}: there is no table {match[2]}: known: {', '.join(tables)}")
        return f"{match[1]}{tables[match[2]]}\n{match[3]}"

    return MARKED.sub(filled, text)


def families(recipes: list[Recipe]) -> dict[str, list[Recipe]]:
    """The recipes of each family, both in the order of their names."""
    return {
        family: [each for each in recipes if each.family == family]
        for family in sorted({each.family for each in recipes})
    }


def short_table(recipes: list[Recipe]) -> str:
    """A row for each family: its systems, and what they offer."""
    rows = []
    for family, members in families(recipes).items():
        systems = ", ".join(f"[`{each.name}`](docs/systems.md#{each.name})" for each in members)
        offers = dict.fromkeys(word for each in members for word in each.capabilities)
        rows.append([family, systems, ", ".join(offers)])
    return table(["family", "systems", "what they offer"], rows)


def systems_page(recipes: list[Recipe]) -> str:
    """The text of `docs/systems.md`."""
    parts = [
        "# Systems",
        f"<!-- Written by `{COMMAND}` from the recipes. Do not edit: change a recipe, or record a run. -->",
        f"{len(recipes)} systems in {len(families(recipes))} families. Each has a recipe: its tuned block for "
        "`params.yaml`, with a comment on where each number comes from. `gm-keras add NAME` copies it; "
        "[the README](../README.md) tells how to go on from there.",
        "## What a system can offer",
        table(["", ""], [[f"`{name}`", meaning] for name, meaning in CAPABILITIES.items()]),
        "## What they reach",
        "Each row is a finished run of the recipe, put there by `gm-keras record`. A figure stands with one standard "
        "error, ≤ marks a bound. The training time is wall-clock time, with whatever else the machine had to do; "
        "at each system stand the machine and the commit. Figures of different data, or of different "
        "quantities (binary images, grey levels, real numbers), must not be compared. "
        "[How scores are measured](scores.md).",
        _reached_table(recipes),
    ]
    for family, members in families(recipes).items():
        parts += [f"## {family}", *(_system(each) for each in members)]
    return "\n\n".join(parts) + "\n"


def _reached_table(recipes: list[Recipe]) -> str:
    rows = [
        [
            f"[`{recipe.name}`](#{recipe.name})",
            run["data"],
            *_in_a_row(run),
            _parameters(run),
            _time(run),
        ]
        for recipe in recipes
        for run in recipe.reached
    ]
    return table(["system", "data", *HEADS, "parameters", "training"], rows)


def defaults_table(recipes: list[Recipe]) -> str:
    """What some systems reached on the first data set of each, and what to read it by."""
    runs = [(each.name, each.reached[0]) for each in recipes if each.reached]
    rows = [[f"`{name}`", *_in_a_row(run), _parameters(run), _time(run)] for name, run in runs]
    for title, kind in (("real data", "floor"), ("noise", "ceiling")):
        columns = [_by([run for _, run in runs], names, kind) for names in (DISTANCES, *SHARES)]
        values = [_agreed(each) for each in columns]
        if runs and None not in values:
            rows.append([title, "", *values, "", ""])
    return table(["", *HEADS, "parameters", "training"], rows)


def _in_a_row(run: dict[str, Any]) -> list[str]:
    """The cells under `HEADS`."""
    first = run["scores"][0]
    learned = [] if first["metric"] in DISTANCES else [named(first, run)]
    learned += [named(each, run) for each in run["scores"][1:] if each["metric"] in RATES]
    cells = [_of(run, names) for names in (DISTANCES, *SHARES)]
    return [", ".join(learned) or NONE, *(figure(each, run) for each in cells)]


def _of(run: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any] | None:
    return next((each for each in run["scores"] if each["metric"] in names), None)


def _by(runs: list[dict[str, Any]], names: tuple[str, ...], kind: str) -> list[str]:
    """What each run has in a column for real data or noise, to the decimals of the column."""
    entries = [_of(run, names) or {} for run in runs]
    shown = (figure(each, run) for each, run in zip(entries, runs, strict=True) if each)
    most = max((scores.decimals(text.partition(" ±")[0]) for text in shown), default=0)
    return [
        scores.written(each["metric"], each[kind], most=most) if kind in each else NONE
        for each in entries
    ]


def _agreed(texts: list[str]) -> str | None:
    """What all runs have, in the fewest digits: each was recorded in as many as its error allowed. None if they differ."""
    if len(set(texts)) <= 1:
        return texts[0] if texts else None
    if NONE in texts:
        return None
    values = [float(text.replace(",", "")) for text in texts]
    if max(values) - min(values) > AGREED * max(map(abs, values)):
        return None
    return min(texts, key=lambda text: len(text.rstrip("0").rstrip(".")))


def _time(run: dict[str, Any]) -> str:
    return facts.duration(run["seconds"]) if "seconds" in run else NONE


def _parameters(run: dict[str, Any]) -> str:
    return facts.count(run["parameters"]) if "parameters" in run else NONE


def figure(entry: dict[str, Any] | None, run: dict[str, Any]) -> str:
    """A figure of a run as it is written, with "≤" before a bound."""
    if entry is None:
        return NONE
    text = scores.written(entry["metric"], entry["value"], entry.get("error"))
    bounded = (run.get("likelihood") or {}).get("kind") == "bound"
    return f"≤ {text}" if bounded and entry["metric"] in scores.BOUNDED else text


def named(entry: dict[str, Any], run: dict[str, Any]) -> str:
    """A figure of a run with its name and unit."""
    score = scores.SCORES[entry["metric"]]
    return f"{score.title} {figure(entry, run)} {score.unit}".strip()


def _system(recipe: Recipe) -> str:
    paper = recipe.paper
    authors = paper["authors"] if isinstance(paper["authors"], str) else ", ".join(paper["authors"])
    link = ""
    if paper.get("arxiv"):
        link = f", [arXiv {paper['arxiv']}](https://arxiv.org/abs/{paper['arxiv']})"
    elif paper.get("doi"):
        link = f", [doi {paper['doi']}](https://doi.org/{paper['doi']})"
    parts = [
        f"### {recipe.name}",
        recipe.summary,
        f"{authors}: *{paper['title']}*, {paper['year']}{link}.",
        f"Offers {_listed(recipe.capabilities)}. Tuned for {_listed(recipe.datasets)}.",
    ]
    if recipe.system.get("uses") not in (None, "none"):
        parts[-1] += f" Builds on a trained `{recipe.system['uses']}`."
    for run in recipe.reached:
        parts.append(_run(run))
    if recipe.published:
        heads = ["published", "data", "figure", "how"]
        parts += [table(heads, [_published(each) for each in recipe.published])]
    return "\n\n".join(parts)


def _run(run: dict[str, Any]) -> str:
    figures = "; ".join(named(each, run) for each in run["scores"])
    about = [f"{_parameters(run)} parameters"] if "parameters" in run else []
    about += [f"{run['epochs']:,} epochs"] if "epochs" in run else []
    about += [_time(run)] if "seconds" in run else []
    about += [f"seed {run['seed']}"] if "seed" in run else []
    about += [run["machine"]] if "machine" in run else []
    about += [f"commit {run['commit']}"] if "commit" in run else []
    likelihood = run.get("likelihood") or {}
    how = []
    if likelihood.get("of"):
        how.append(OF.get(likelihood["of"], likelihood["of"]))
    if likelihood.get("binarized"):
        how.append("each pixel drawn as 0 or 1")
    if likelihood.get("given"):
        how.append(f"given the {likelihood['given']}")
    said = f" The likelihood is {', '.join(how)}." if how else ""
    return f"Reached on {run['data']}: {figures}.{said} ({'; '.join(about)}.)"


def _published(entry: dict[str, Any]) -> list[str]:
    score = scores.SCORES.get(entry["metric"])
    value = f"{entry['value']:,}".replace("-", "\N{MINUS SIGN}")
    if entry.get("error") is not None:
        value += f" ± {entry['error']}"
    unit = entry.get("unit") or (score.unit if score else "")
    how = f"{entry['setting']}; {entry['source']}" if entry.get("setting") else entry["source"]
    return [
        score.title if score else entry["metric"],
        entry["data"],
        f"{value} {unit}".strip(),
        how,
    ]


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in words)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
