"""The command `mine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli_look import FILE, look_options
from pipelines.exits import stopped_at_once


@click.command()
@look_options
@click.option("--teacher", metavar="MODEL", help="Take margins on this embedding model's cosines (mine.teacher).")
@click.option(
    "--engine",
    type=click.Choice(["bm25s", "rank-bm25", "dense", "hybrid"]),
    help="What candidates are searched with (mine.engine); dense and hybrid need a model.",
)
@click.option("--model", metavar="MODEL", help="Embedding model of the engines dense and hybrid (mine.model).")
@click.option("--negatives", type=click.IntRange(1), metavar="K", help="Negatives a pair (mine.negatives).")
@click.option("--config", type=FILE, help="Settings file laid over those of the last build.")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. mine.auto_margin=true; KEY= unsets it."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes for row-parallel work.")
def mine(folder: Path, as_json: bool, config: Path | None, sets: tuple[str, ...], workers: int, **options: Any) -> None:
    """Mine the negatives of a build anew, with another model or other settings, without its sources: only mine, validate and export run.

    A model tuned on a build may thus choose the negatives of its next round. Settings are those of the last build, then --config, then
    --set; those of earlier stages cannot change.
    """
    from pipelines.console import BuildConsole, print_summary, printable
    from pipelines.look import as_json as to_json
    from pipelines.remine import Changes, as_set, remine, remine_lines

    named = [as_set(f"mine.{name}", value) for name, value in options.items() if value is not None]
    with stopped_at_once(), BuildConsole() as console:
        report = remine(folder, Changes(config, (*sets, *named)), workers, console)
    if as_json:
        click.echo(to_json(report))
        return
    print_summary(report, str(folder))
    click.echo("\n" + "\n".join(printable(line) for line in remine_lines(report)))
