"""The systems that there are recipes for, under their families: what `gm-keras list` prints."""

from collections.abc import Iterable

from pipelines.shared import catalog, kinds
from pipelines.shared.catalog import Head
from pipelines.shared.errors import UserError, nearest

COLUMNS = ("system", "year", "capabilities", "data sets")


def listing(
    families: Iterable[str] = (), capabilities: Iterable[str] = (), data: Iterable[str] = ()
) -> str:
    """Writes the systems as a table with a heading for each family.

    Args:
        families: Only systems of one of these.
        capabilities: Only systems that offer all of these, such as "density".
        data: Only systems whose recipe knows a data set of one of these names or kinds, such as "text".

    Raises:
        UserError: No recipe has such a family, capability or data set.
    """
    heads = catalog.heads()
    families = _known("--family", families, (each.family for each in heads))
    offers = _known(
        "--offers", capabilities, (word for each in heads for word in each.capabilities)
    )
    data = _known("--data", data, (word for each in heads for word in _data(each)))
    chosen = [
        each
        for each in heads
        if (not families or each.family in families)
        and set(offers) <= set(each.capabilities)
        and (not data or _data(each) & set(data))
    ]
    if not chosen:
        return "No system is all of that."
    rows = [(each.family, _row(each)) for each in chosen]
    widths = [
        max(len(row[column]) for row in (COLUMNS, *(row for _, row in rows)))
        for column in range(len(COLUMNS))
    ]
    lines = [_line(COLUMNS, widths)]
    for family in sorted({family for family, _ in rows}):
        lines += ["", family]
        lines += [_line(row, widths) for own, row in rows if own == family]
    if missing := catalog.without():
        lines += ["", f"without a recipe yet: {', '.join(missing)}"]
    return "\n".join(lines)


def _known(option: str, words: Iterable[str], known: Iterable[str]) -> list[str]:
    words, known = list(words), sorted(set(known))
    for word in words:
        if word not in known:
            raise UserError(f'{option}: no recipe has "{word}": {nearest(word, known)}')
    return words


def _data(head: Head) -> set[str]:
    kinds_of = {kinds.kind_of(name) for name in head.datasets}
    return {*head.datasets, *kinds_of} - {None}


def _row(head: Head) -> tuple[str, ...]:
    return (
        head.name,
        str(head.paper["year"]),
        ", ".join(head.capabilities),
        ", ".join(head.datasets),
    )


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"  {'  '.join(cells)}".rstrip()
