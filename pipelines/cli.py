"""The command line `curate`: parse, call the library, print. Every command is a thin edge over a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from curate import __version__
from pipelines.cli_audit import audit
from pipelines.cli_calibrate import calibrate
from pipelines.cli_evaluate import evaluate
from pipelines.cli_label import label
from pipelines.cli_look import FILE, FOLDER, look_options, rejects, report, show, sql, status, why
from pipelines.cli_mine import mine
from pipelines.cli_recipe import recipe
from pipelines.cli_train import train
from pipelines.exits import Commands, stopped_at_once

if TYPE_CHECKING:
    from pipelines.runner import Build
    from schemas.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="curate")
def main() -> None:
    """Turn raw domain documents into verified training data for an embedding model, train it, and say whether it is better."""


def build_options(command: F) -> F:
    """The options `build` and `plan` share."""
    for option in reversed(
        [
            click.argument("sources", nargs=-1, required=True, metavar="SOURCE..."),
            click.option("--out", type=FOLDER, default=Path("curated"), show_default=True, help="Build folder."),
            click.option("--config", type=FILE, help="Settings file (TOML)."),
            click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. chunk.max_tokens=512."),
            click.option(
                "--decontaminate",
                type=FILE,
                multiple=True,
                metavar="FILE",
                help="Keep training apart from these queries (and passages) of yours or of a benchmark (filter.decontaminate).",
            ),
            click.option("--until", metavar="STAGE", help="Stop after this stage."),
            click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if nothing changed."),
            click.option(
                "--budget",
                type=click.FloatRange(0),
                metavar="DOLLARS",
                help="Stop asking language models at this sum (llm.budget).",
            ),
            click.option(
                "--max-calls", type=click.IntRange(0), help="Stop asking language models after so many calls (llm.max_calls)."
            ),
            click.option(
                "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes for row-parallel work."
            ),
            click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."),
        ]
    ):
        command = option(command)
    return command


@main.command()
@build_options
@click.option("--dry-run-llm", is_flag=True, help="Build into OUT-dry-run with made-up answers: no key, no call, no cost.")
def build(as_json: bool, dry_run_llm: bool, **options: Any) -> None:
    """Build a dataset from documents (folders, files, hf://name); run it again to go on or to update."""
    if not dry_run_llm:
        _build_and_print(_build(**options), as_json)
        return
    from pipelines.dry_run import dry_run, dry_run_line

    with dry_run(_build(**options)) as rehearsal:
        _build_and_print(rehearsal, as_json)
        click.echo(dry_run_line(rehearsal.folder, rehearsal.settings), err=as_json)


def _build_and_print(wanted: Build, as_json: bool) -> None:
    from pipelines.bill import bookmark
    from pipelines.console import BuildConsole, print_summary
    from pipelines.look import as_json as to_json
    from pipelines.report import write_report
    from pipelines.runner import run_build
    from pipelines.watching import published

    before = bookmark(wanted.folder)
    with stopped_at_once(), BuildConsole() as console:
        try:
            with published(wanted.folder, console) as hears:
                run_build(wanted, hears)
        finally:
            report = write_report(wanted.folder, wanted.settings, before) if (wanted.folder / "curate.duckdb").is_file() else None
    if report is None:
        return
    click.echo(to_json(report)) if as_json else print_summary(report, str(wanted.folder))


@main.command()
@build_options
@click.option("--no-count", is_flag=True, help="Do not run the free stages (ingest to chunk) to count calls.")
def plan(as_json: bool, no_count: bool, **options: Any) -> None:
    """Say which stages would run and why, and what language models would cost, without asking any."""
    from pipelines.console import BuildConsole
    from pipelines.costs import plan_with_costs
    from pipelines.look import as_json as to_json
    from pipelines.plan_text import plan_lines, plan_values

    wanted = _build(**options)
    with stopped_at_once(), BuildConsole() as console:
        planned = plan_with_costs(wanted, count=not no_count, listener=console)
    click.echo(to_json(plan_values(planned)) if as_json else "\n".join(plan_lines(planned)))


for command in (status, show, rejects, why, sql, report):
    main.add_command(command)


@main.command()
@look_options
@click.option("--export", "export_file", type=FILE, metavar="FILE", help="Write all answers to FILE (JSON lines; .gz packs it).")
@click.option(
    "--import", "import_file", type=FILE, metavar="FILE", help="Take the answers of an exported FILE: they cost nothing here."
)
@click.option("--config", type=FILE, help="Settings file with prices (else those of the last build).")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One setting, such as a price.")
def llm(folder: Path, as_json: bool, export_file: Path | None, import_file: Path | None, **options: Any) -> None:
    """What language models have cost a build: calls, tokens, money, hits; share the answers with a team."""
    from pipelines.bill import bill, bill_lines, exchange, with_prices_of_build
    from pipelines.look import as_json as to_json
    from schemas.settings import load_settings

    settings = with_prices_of_build(folder, load_settings(options["config"], options["sets"]).llm)
    if export_file or import_file:
        done = exchange(folder, export_file, import_file)
        click.echo(to_json(done) if as_json else "\n".join(f"{count:,} answers {what}" for what, count in done.items()))
        return
    found = bill(folder, settings)
    click.echo(to_json(found) if as_json else "\n".join(bill_lines(found)))


for command in (audit, calibrate, label, mine):
    main.add_command(command)


for command in (train, evaluate, recipe):
    main.add_command(command)


@main.command()
@click.argument("folder", type=FOLDER, metavar="DIR")
def sample(folder: Path) -> None:
    """Write a real corpus to try things on: the Python language reference of this interpreter."""
    from pipelines.sample import write_sample

    count = write_sample(folder)
    click.echo(f"{count} documents in {folder}\nnext:\n  curate build {folder}")


@main.command()
def settings() -> None:
    """Every setting with its default and meaning, as TOML."""
    from pipelines.reference import settings_toml

    click.echo(settings_toml(), nl=False)


def _build(**options: Any) -> Build:
    from curate.llm.spending import check_budget
    from pipelines.runner import Build

    settings = _settings(**options)
    # Said now, not after an hour of other stages.
    check_budget(settings.llm)
    return Build(
        sources=tuple(options["sources"]),
        folder=options["out"],
        settings=settings,
        until=options["until"],
        force=tuple(options["force"]),
        workers=options["workers"],
    )


def _settings(**options: Any) -> Settings:
    from schemas.settings import load_settings

    sets = list(options["sets"])
    for name in ("budget", "max_calls"):
        if options[name] is not None:
            sets.append(f"llm.{name}={options[name]}")
    settings = load_settings(options["config"], sets)
    apart = (*settings.filter.decontaminate, *map(str, options["decontaminate"]))
    # Further files beside those of the settings file: none is forgotten because another is named.
    kept = settings.filter.model_copy(update={"decontaminate": tuple(dict.fromkeys(apart))})
    return settings.model_copy(update={"filter": kept})


if __name__ == "__main__":
    main()
