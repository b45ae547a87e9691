"""Classes as a user names them on the command line: a name wins over a number, for a class may be called 10."""

from collections.abc import Sequence

from pipelines.shared.errors import UserError, nearest, printable

HELP = "by its name, or by its number from 0 where no class has that name"


def find(word: str, names: Sequence[str]) -> int | None:
    """The number of the class of this name; case matters only where names differ in nothing else."""
    if word in names:
        return list(names).index(word)
    alike = [number for number, name in enumerate(names) if name.lower() == word.lower()]
    return alike[0] if len(alike) == 1 else None


def number(word: str | int | None, names: Sequence[str], data: str) -> int | None:
    """The number of the class that a user asks for.

    Args:
        word: A name or a number; None for no class. A number is not held against the names: the model says
            which it knows.
        names: Of the classes in their order; empty where they are not known.
        data: The data set's name, for the error.

    Raises:
        UserError: No class has that name, and it is no number.
    """
    if word is None or isinstance(word, int):
        return word
    found = find(word, names)
    if found is not None:
        return found
    try:
        return int(word)
    except ValueError:
        known = nearest(word, list(names)) if names else "its classes have numbers, from 0"
        raise UserError(f'--label: "{data}" has no class "{printable(word)}": {known}') from None


def told(label: int, names: Sequence[str]) -> str:
    """A class as it is said to a user: `label 2 ("cat")`."""
    name = f' ("{printable(names[label])}")' if 0 <= label < len(names) else ""
    return f"label {label}{name}"
