"""The command `gm-keras`.

Nothing heavy is imported up here: `gm-keras --help` answers in a fraction of a second, and only the
commands that draw from a trained system load Keras.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.places import PARAMS, PICTURES
from pipelines.shared import errors, labels

if TYPE_CHECKING:
    from gm_keras.exploration import Picture

app = typer.Typer(
    help="Generative models on Keras: the systems, their recipes, and samples from trained ones.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

VALUES = "VALUE is a number, a text, or the name of an image or .npy file"
Exported = Annotated[str, typer.Argument(help="A system of params.yaml that has been exported.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same picture.")]


@app.command("list")
def list_systems(
    family: Annotated[
        list[str] | None, typer.Option(help="Only this family; may be given again.")
    ] = None,
    offers: Annotated[
        list[str] | None, typer.Option(help="Only what offers this, such as density.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Only for this data set, or this kind: text, images.")
    ] = None,
) -> None:
    """The systems that there are recipes for, by family: capabilities, data sets, year."""
    from pipelines.command import listing

    typer.echo(listing.listing(family or (), offers or (), data or ()))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A system, as `gm-keras list` names it.")],
) -> None:
    """A system's paper and its recipe."""
    from pipelines.shared import catalog

    recipe = catalog.recipe(name)
    paper = recipe.paper
    authors = paper["authors"]
    authors = authors if isinstance(authors, str) else ", ".join(authors)
    typer.echo(f"{name}: {recipe.summary}")
    typer.echo(f"{authors} ({paper['year']}). {paper['title']}.")
    if paper.get("arxiv"):
        typer.echo(f"https://arxiv.org/abs/{paper['arxiv']}")
    typer.echo(f"\n# gm_keras/recipes/{name}.yaml\n{recipe.text.rstrip()}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A system, as `gm-keras list` names it.")],
    dataset: Annotated[
        str | None, typer.Option(help="The data set to train on, if not the recipe's own.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--as", metavar="KEY", help="What params.yaml shall call it.")
    ] = None,
) -> None:
    """Copies a system's recipe into params.yaml; all that stands there stays as it is."""
    from pipelines.command import adding

    *used, last = adding.add(PARAMS, name, dataset, key)
    for each in (*used, last):
        if each.chosen:
            typer.echo(each.chosen)
    for each in used:
        typer.echo(f'added "{each.key}" to {PARAMS} first: "{last.key}" builds on it')
    typer.echo(
        f'added "{last.key}" to {PARAMS}; train, evaluate, show and export it: '
        f"dvc repro export@{last.key}"
    )


@app.command()
def record(
    key: Annotated[
        str, typer.Argument(help="A system of params.yaml, trained and evaluated as its recipe is.")
    ],
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe to write; by default the checkout's own.")
    ] = None,
) -> None:
    """Writes what a finished run reached into the recipe of its system."""
    from pipelines.command import recording

    path, entry = recording.record(PARAMS, key, recipe)
    typer.echo(f"{len(entry['scores'])} scores of {key} on {entry['data']} in {path}")


@app.command()
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the pages are as they should be.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(help="A project with finished runs: make the pictures from them, too."),
    ] = None,
) -> None:
    """Writes docs/systems.md, and the tables of the README, from the recipes of this checkout."""
    from pipelines.command import documenting

    if check and pictures is not None:
        raise typer.BadParameter("does not go with --check", param_hint="--pictures")
    typer.echo(documenting.write(check=check))
    if pictures is not None:
        from pipelines.command import picturing

        typer.echo(picturing.write(pictures))


@app.command()
def sample(
    key: Annotated[str, typer.Argument(help="A system of params.yaml that has been exported.")],
    n: Annotated[int, typer.Option("-n", help="How many samples.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples.")] = 0,
    label: Annotated[str | None, typer.Option(help=f"The class to draw, {labels.HELP}.")] = None,
    caption: Annotated[str | None, typer.Option(help="What the samples shall show.")] = None,
    condition: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help=f"Another condition; {VALUES}.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The PNG file; by default plots/KEY.png."),
    ] = None,
) -> None:
    """Draws samples from a trained and exported system into a picture."""
    from pipelines.command import sampling, telling

    output = output or PICTURES / f"{key}.png"
    given = telling.gathered(label, caption, condition or ())
    drawn = sampling.sample_to_file(PARAMS, key, n=n, seed=seed, given=given, output=output)
    typer.echo(f"{n} samples of {key}{f', {drawn}' if drawn else ''} in {output}")


@app.command()
def compare(
    keys: Annotated[
        list[str], typer.Argument(help="Systems of params.yaml that have been evaluated.")
    ],
    over_seeds: Annotated[
        bool,
        typer.Option(
            "--over-seeds",
            help="Systems that differ in fit.seed alone are one row: the mean over their trainings.",
        ),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="With --over-seeds: write a page (.md).")
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Comparison",
) -> None:
    """The scores of several systems side by side, with their standard errors."""
    from pipelines.command import comparing, trainings

    if output is not None:
        trainings.write(PARAMS, keys, output, title, over_seeds=over_seeds)
        typer.echo(output)
    else:
        typer.echo((trainings.table if over_seeds else comparing.comparison)(PARAMS, keys))


@app.command()
def interpolate(
    key: Exported,
    n: Annotated[int, typer.Option("-n", help="How many pairs.")] = 4,
    steps: Annotated[int, typer.Option(help="Points from one end to the other.")] = 8,
    spherical: Annotated[
        bool | None,
        typer.Option("--spherical/--linear", help="Along an arc, or straight; by default both."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help=f"The class of all examples, {labels.HELP}.")
    ] = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="By default plots/KEY-interpolation.png."),
    ] = None,
) -> None:
    """Examples on the way from one to another."""
    from pipelines.command import exploring

    output = output or PICTURES / f"{key}-interpolation.png"
    request = exploring.Request(PARAMS, key, output, seed, n)
    _tell(output, exploring.interpolate(request, steps=steps, spherical=spherical, label=label))


@app.command()
def arithmetic(
    key: Exported,
    expression: Annotated[
        str, typer.Argument(help='Names or numbers of classes, such as "3 - 5 + 8".')
    ],
    n: Annotated[int, typer.Option("-n", help="Rows of single members of the classes.")] = 3,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="By default plots/KEY-arithmetic.png.")
    ] = None,
) -> None:
    """Adds and subtracts mean latents of classes."""
    from pipelines.command import exploring

    output = output or PICTURES / f"{key}-arithmetic.png"
    request = exploring.Request(PARAMS, key, output, seed, n)
    _tell(output, exploring.arithmetic(request, expression=expression))


@app.command()
def traverse(
    key: Exported,
    n: Annotated[int, typer.Option("-n", help="How many dimensions, by their effect.")] = 8,
    steps: Annotated[int, typer.Option(help="Values of each, over the range of the prior.")] = 7,
    label: Annotated[
        str | None, typer.Option(help=f"The class of the example that is changed, {labels.HELP}.")
    ] = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="By default plots/KEY-traversal.png.")
    ] = None,
) -> None:
    """Changes one dimension of the latents at a time."""
    from pipelines.command import exploring

    output = output or PICTURES / f"{key}-traversal.png"
    request = exploring.Request(PARAMS, key, output, seed, n)
    _tell(output, exploring.traverse(request, steps=steps, label=label))


@app.command()
def neighbours(
    key: Exported,
    n: Annotated[int, typer.Option("-n", help="How many samples to show.")] = 8,
    features: Annotated[
        bool,
        typer.Option(
            "--features/--pixels", help="Compare features of the data set's network, or pixels."
        ),
    ] = False,
    label: Annotated[str | None, typer.Option(help=f"The class to draw, {labels.HELP}.")] = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="By default plots/KEY-neighbours.png.")
    ] = None,
) -> None:
    """Samples beside their nearest training examples."""
    from pipelines.command import exploring

    output = output or PICTURES / f"{key}-neighbours.png"
    request = exploring.Request(PARAMS, key, output, seed, n)
    _tell(output, exploring.neighbours(request, features=features, label=label))


@app.command()
def classify(
    key: Exported,
    files: Annotated[
        list[Path], typer.Argument(help="Images, or .npy files of examples as in training.")
    ],
) -> None:
    """Reads the class of each example, with a system that tells classes apart."""
    from pipelines.command import classifying

    for line in classifying.classify(PARAMS, key, files):
        typer.echo(line)


@app.command()
def game(
    game: Annotated[
        list[str] | None,
        typer.Option(help="xy, quadratic or dirac; may be given again. By default all."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Only this method, such as extragradient.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Of every step.")] = 0.1,
    steps: Annotated[int, typer.Option(help="How many of them.")] = 500,
    coupling: Annotated[
        list[float] | None,
        typer.Option(help="a of the game a xy + x^2 - y^2; by default 1 and 7."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="Of the Dirac-GAN; by default non_saturating."),
    ] = None,
    regularizer: Annotated[
        list[str] | None, typer.Option(help="Of the Dirac-GAN; by default none and r1.")
    ] = None,
    weight: Annotated[float, typer.Option(help="Of the Dirac-GAN's penalties.")] = 1.0,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file.")] = PICTURES
    / "game.html",
) -> None:
    """Why adversarial games diverge, and what cures it: games on the plane, with each method."""
    from pipelines.command import playing

    of_games = {
        "--coupling": (coupling, playing.QUADRATIC),
        "--objective": (objective, playing.DIRAC),
        "--regularizer": (regularizer, playing.DIRAC),
    }
    playing.check_used(game or playing.GAMES, of_games)
    request = playing.Request(
        games=game or playing.GAMES,
        methods=method or tuple(playing.METHODS),
        couplings=coupling or (1.0, 7.0),
        objectives=objective or ("non_saturating",),
        regularizers=regularizer or ("none", "r1"),
        weight=weight,
        rate=rate,
        steps=steps,
    )
    typer.echo(playing.write(request, output))


def _tell(output: Path, picture: "Picture") -> None:
    typer.echo(f"{picture.title} in {output}. {picture.caption}")


def main() -> None:
    """The entry point: a user's mistake is one line and exit code 1, wrong usage exit code 2."""
    errors.main(app)


if __name__ == "__main__":
    main()
