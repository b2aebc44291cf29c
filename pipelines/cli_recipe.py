"""The command `recipe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli_look import FILE
from pipelines.exits import stopped_at_once

RECIPES = ("nli", "dolly", "squad", "gooaq", "domain")
ANY = click.Path(path_type=Path)


def numbers(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """ "1,3,10" as numbers; a usage error for anything else."""
    parts = value.split(",") if value else []
    if not all(part.strip().isdigit() and int(part) for part in parts):
        raise click.BadParameter("give whole numbers such as 3, or 1,3,10 for a sweep")
    return tuple(int(part) for part in parts)


@click.command()
@click.argument("name", metavar="NAME", type=click.Choice(RECIPES))
@click.option(
    "--source", type=ANY, metavar="PATH", help="Local data: a file, or a folder with an entry for each data set (else the hub)."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of data, models and table.  [default: recipe-NAME]"
)
@click.option("--model", metavar="NAME_OR_PATH", help="Base model (else the source's).")
@click.option("--tuned", metavar="NAME_OR_PATH", help="nli: the already tuned model (else the source's).")
@click.option("--stsb", type=ANY, metavar="FILE", help="nli: rated pairs, over --source.")
@click.option("--banking77", type=ANY, metavar="FILE", help="nli: texts with classes, over --source.")
@click.option(
    "--general", type=FILE, metavar="FILE", help="Not nli: texts of elsewhere that people rated, as in `curate evaluate`."
)
@click.option(
    "--reranker", metavar="NAME_OR_PATH", help="squad, gooaq, domain: cross-encoder, each row a second time with it on top."
)
@click.option("--queries", type=FILE, help="domain: your own queries, as in `curate evaluate`.")
@click.option("--qrels", type=FILE, help="domain: judgements of your own queries.")
@click.option(
    "--max-rows",
    type=click.IntRange(2),
    help="At most so many rows of each data set (else the source's number); domain: of training rows.",
)
@click.option(
    "--epochs", callback=numbers, metavar="N[,N…]", help="Epochs (else the source's); squad and gooaq try each of them."
)
@click.option("--max-steps", type=click.IntRange(1), help="Stop each training after so many steps.")
@click.option("--seed", type=click.IntRange(0), default=13, show_default=True, help="Seed of every random choice.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to train and embed.",
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="One training setting (batch_size=16), or of the build (mine.negatives=5).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout: the table and everything behind it.")
def recipe(name: str, as_json: bool, **options: Any) -> None:
    """Run a published recipe and print what its source got beside what this run got: nli, dolly, squad, gooaq, or domain.

    Run it again to go on. docs/recipes.md says what each does.
    """
    from pipelines.look import as_json as to_json
    from pipelines.recipes.console import RecipeConsole
    from pipelines.recipes.run import run_recipe
    from pipelines.recipes.table import outcome_lines, outcome_values

    console = RecipeConsole()
    with stopped_at_once(), console:
        outcome = run_recipe(name, {**options, "progress": console.step, "listener": console})
    click.echo(to_json(outcome_values(outcome)) if as_json else "\n".join(outcome_lines(outcome)))
