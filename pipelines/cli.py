"""The command line `curate`: parse, call the library, print. Every command is a thin edge over a function."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from curate import __version__
from schemas.errors import CurateError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.runner import Build

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


INTERRUPTED = "interrupted: everything finished so far is kept; run the same command again to go on"


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the process on the spot, with exit code 130.

    A build survives being killed at any instant, so nothing is gained by unwinding, and a query engine that
    turns the signal into an error of its own, or waits for its threads, cannot get in the way.
    """

    def stop(_signal: int, _frame: object) -> None:
        shown = "\x1b[?25h\n" if sys.stderr.isatty() else ""  # the progress bar hides the cursor
        os.write(2, f"{shown}{INTERRUPTED}\n".encode())
        os._exit(Interrupted.exit_code)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """Print an error of ours without a traceback and exit with its code; Ctrl-C exits with 130."""
    try:
        yield
    except CurateError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo(INTERRUPTED, err=True)
        sys.exit(Interrupted.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`curate show … | head`): not a fault.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


class Commands(click.Group):
    """A group whose commands turn our errors into exit codes and keep the order they are defined in."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command inside `errors_to_exit_codes`."""
        with errors_to_exit_codes():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """In the order of the work, not of the alphabet."""
        return list(self.commands)


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
            click.option("--until", metavar="STAGE", help="Stop after this stage."),
            click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if nothing changed."),
            click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."),
        ]
    ):
        command = option(command)
    return command


@main.command()
@build_options
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes for row-parallel work.")
def build(as_json: bool, workers: int, **options: Any) -> None:
    """Build a dataset from documents (folders, files, hf://name); run it again to go on or to update."""
    from pipelines.console import BuildConsole, print_summary
    from pipelines.look import as_json as to_json
    from pipelines.report import write_report
    from pipelines.runner import run_build

    wanted = _build(workers=workers, **options)
    with stopped_at_once(), BuildConsole() as console:
        try:
            run_build(wanted, console)
        finally:
            report = write_report(wanted.folder, wanted.settings) if (wanted.folder / "curate.duckdb").is_file() else None
    if report is None:
        return
    click.echo(to_json(report)) if as_json else print_summary(report, str(wanted.folder))


@main.command()
@build_options
def plan(as_json: bool, **options: Any) -> None:
    """Say which stages would run and why, without running any."""
    from pipelines.look import as_json as to_json
    from pipelines.runner import plan as plan_build

    planned = plan_build(_build(**options))
    if as_json:
        click.echo(to_json([{"stage": name, "reasons": list(reasons)} for name, reasons in planned]))
        return
    for name, reasons in planned:
        click.echo(f"{name:<13} {', '.join(reasons) if reasons else 'unchanged'}")


def look_options(command: F) -> F:
    """The arguments of commands that look into a build."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)
    return click.argument("folder", type=FOLDER, metavar="DIR")(command)


@main.command()
@look_options
def status(folder: Path, as_json: bool) -> None:
    """What each stage of a build read, kept and rejected."""
    from pipelines.look import status as rows

    _print(rows(folder), as_json)


@main.command()
@look_options
@click.argument("table")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Rows at most.")
def show(folder: Path, table: str, limit: int, as_json: bool) -> None:
    """Rows of one TABLE of a build."""
    from pipelines.look import show as rows

    _print(rows(folder, table, limit), as_json)


@main.command()
@look_options
@click.option("--stage", help="Only of this stage.")
@click.option("--reason", help="Only with this reason.")
@click.option("--limit", type=click.IntRange(1), help="Rows at most (all, if not given).")
def rejects(folder: Path, stage: str | None, reason: str | None, limit: int | None, as_json: bool) -> None:
    """Everything that was not kept, with its reason."""
    from pipelines.look import rejects as rows

    _print(rows(folder, stage, reason, limit), as_json)


@main.command()
@look_options
@click.argument("key", metavar="ID")
def why(folder: Path, key: str, as_json: bool) -> None:
    """The story of one document, chunk, question, pair (ID or its beginning) or source file."""
    from pipelines.console import print_story
    from pipelines.look import as_json as to_json
    from pipelines.look import why as story

    rows = story(folder, key)
    click.echo(to_json(rows)) if as_json else print_story(rows)


@main.command()
@look_options
@click.argument("query", metavar='"SELECT …"')
def sql(folder: Path, query: str, as_json: bool) -> None:
    """The result of a read-only SELECT over the build's tables."""
    from pipelines.look import sql as rows

    _print(rows(folder, query), as_json)


@main.command()
@click.argument("dataset", type=FOLDER, metavar="DATASET")
@click.option("--out", type=FOLDER, required=True, metavar="MODEL", help="Model folder to write.")
@click.option("--model", required=True, metavar="NAME_OR_PATH", help="Base model: hub id or local folder.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One training setting, e.g. epochs=3.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def train(dataset: Path, out: Path, model: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Train a model on a DATASET folder; the best checkpoint by dev nDCG@10 is kept. Run it again to go on."""
    from dataclasses import asdict

    from pipelines.console import StepConsole, train_lines
    from pipelines.look import as_json as to_json
    from schemas.training import TrainSettings, section_from_sets
    from train.trainer import train_model

    with StepConsole() as console:
        result = train_model(dataset, out, model, section_from_sets(TrainSettings, sets), console.step)
    click.echo(to_json(asdict(result)) if as_json else "\n".join(train_lines(result, str(dataset), str(out))))


@main.command()
@click.argument("model", metavar="MODEL")
@click.argument("dataset", type=FOLDER, metavar="DATASET")
@click.option("--base", metavar="NAME_OR_PATH", help="Base model to compare with (else the one MODEL was trained from).")
@click.option("--split", type=click.Choice(["test", "dev"]), default="test", show_default=True, help="Synthetic queries to use.")
@click.option("--queries", type=FILE, help="Your own queries: BEIR, or questions with document and answer (no --qrels then).")
@click.option("--qrels", type=FILE, help="Judgements of your own queries (BEIR; chunk or document ids).")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One evaluation setting, e.g. draws=5000.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def evaluate(model: str, dataset: Path, sets: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """BM25, base and tuned MODEL side by side on a DATASET folder's test queries or on your own, with a verdict."""
    from dataclasses import asdict

    from pipelines.console import StepConsole
    from pipelines.evaluation import Test, compare, evaluation_lines
    from pipelines.look import as_json as to_json
    from schemas.training import EvaluateSettings, section_from_sets

    settings = section_from_sets(EvaluateSettings, sets)
    eval_set = Test(options["split"], options["queries"], options["qrels"]).load(dataset)
    with StepConsole() as console:
        evaluation, verdict = compare(model, options["base"], eval_set, settings, console.step)
    if as_json:
        click.echo(to_json({"verdict": asdict(verdict), "evaluation": asdict(evaluation)}))
    else:
        click.echo("\n".join(evaluation_lines(evaluation, verdict)))


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
    from pipelines.runner import Build
    from schemas.settings import load_settings

    return Build(
        sources=tuple(options["sources"]),
        folder=options["out"],
        settings=load_settings(options["config"], options["sets"]),
        until=options["until"],
        force=tuple(options["force"]),
        workers=options.get("workers", 1),
    )


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    from pipelines.console import print_rows
    from pipelines.look import as_json as to_json

    click.echo(to_json(rows)) if as_json else print_rows(rows)


if __name__ == "__main__":
    main()
