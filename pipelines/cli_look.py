"""Commands that look into a build without changing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def look_options(command: F) -> F:
    """The arguments of commands that look into a build."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)
    return click.argument("folder", type=FOLDER, metavar="DIR")(command)


@click.command()
@look_options
@click.option("--watch", is_flag=True, help="Follow a build at work until it ends; its tables are not touched.")
def status(folder: Path, as_json: bool, watch: bool) -> None:
    """What each stage of a build read, kept and rejected; with --watch how far a build at work is."""
    from pipelines.look import status as rows

    if watch:
        from pipelines.watching_text import watch as follow

        if follow(folder, as_json=as_json) != "idle":
            return
        if as_json or not (folder / "curate.duckdb").is_file():
            return

    _print(rows(folder), as_json)


def row_options(command: F) -> F:
    """Which of many rows are shown."""
    command = click.option("--offset", type=click.IntRange(0), default=0, help="Rows to pass over first.")(command)
    return click.option("--where", metavar="EXPRESSION", help="Only rows for which this SQL expression holds.")(command)


@click.command()
@look_options
@click.argument("table")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Rows at most.")
@row_options
def show(folder: Path, table: str, limit: int, as_json: bool, **part: Any) -> None:
    """Rows of one TABLE of a build."""
    from pipelines.look import Part
    from pipelines.look import show as rows

    _print(rows(folder, table, limit, Part(**part)), as_json)


@click.command()
@look_options
@click.option("--stage", help="Only of this stage.")
@click.option("--reason", help="Only with this reason.")
@click.option("--limit", type=click.IntRange(1), help="Rows at most (all, if not given).")
@row_options
def rejects(folder: Path, as_json: bool, where: str | None, offset: int, **options: Any) -> None:
    """Everything that was not kept, with its reason."""
    from pipelines.look import Part
    from pipelines.look import rejects as rows

    _print(rows(folder, **options, part=Part(where, offset)), as_json)


@click.command()
@look_options
@click.argument("key", metavar="ID")
@click.option("--full", is_flag=True, help="Every field of every row, uncut.")
def why(folder: Path, key: str, as_json: bool, full: bool) -> None:
    """The story of one document, chunk, question, pair (ID or its beginning) or source file, as a tree."""
    from pipelines.console import print_story, print_trees
    from pipelines.look import as_json as to_json
    from pipelines.look import why as rows_of
    from pipelines.story import story

    rows = rows_of(folder, key)
    if as_json:
        click.echo(to_json(rows))
    elif full:
        print_story(rows)
    else:
        print_trees(story(rows))


@click.command()
@look_options
@click.argument("query", metavar='"SELECT …"')
def sql(folder: Path, query: str, as_json: bool) -> None:
    """The result of a read-only SELECT over the build's tables."""
    from pipelines.look import sql as rows

    _print(rows(folder, query), as_json)


@click.command()
@click.argument("folder", type=FOLDER, metavar="DIR", required=False)
@click.option("--against", type=FOLDER, metavar="DIR", help="An earlier build: what changed, and which settings made it.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json on stdout.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of report.json, and nothing else.")
def report(folder: Path | None, against: Path | None, as_json: bool, schema: bool) -> None:
    """Write report.html and report.json of a build again: how good the data is, where it is bad, which rows to look at."""
    import json

    from pipelines.report import HTML, rewrite_report
    from pipelines.report_text import report_lines
    from schemas.report import Report

    if schema:
        click.echo(json.dumps(Report.model_json_schema(), indent=2, sort_keys=True))
        return
    if folder is None:
        raise click.UsageError("Missing argument 'DIR'.")
    from pipelines.look import as_json as to_json

    found = rewrite_report(folder, against)
    click.echo(to_json(found) if as_json else "\n".join([*report_lines(found), "", f"report: {folder / HTML}"]))


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    from pipelines.console import print_rows
    from pipelines.look import as_json as to_json

    click.echo(to_json(rows)) if as_json else print_rows(rows)
