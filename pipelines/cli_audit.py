"""The command `audit`."""

from __future__ import annotations

from os import cpu_count
from pathlib import Path

import click

from pipelines.cli_look import FILE, FOLDER


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), metavar="DATASET")
@click.option(
    "--out", type=FOLDER, default=Path("audit"), show_default=True, help="Folder for clean and flagged rows and audit.json."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Which column is the anchor, positive, negative, positives, negatives, score, label, answer or split (else guessed).",
)
@click.option(
    "--benchmark",
    "benchmarks",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Queries (and passages) that must not stand in the dataset, as in build --decontaminate.",
)
@click.option(
    "--model", metavar="NAME_OR_PATH", help="Look at labels, scores and negatives with this embedding model too (extra: train)."
)
@click.option(
    "--fail-on",
    metavar="KINDS",
    help="Exit with code 7 when rows of these kinds or groups are found, e.g. leakage,false_negatives>1%.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes for row-parallel work (else one a core, at most 4).")
@click.option("--json", "as_json", is_flag=True, help="Print the content of audit.json on stdout.")
def audit(
    dataset: Path, out: Path, fail_on: str | None, workers: int | None, as_json: bool, **options: str | tuple[str, ...]
) -> None:
    """What is wrong with a DATASET you already have: a file of rows (JSONL, CSV, TSV, Parquet) or a folder of such files.

    Pairs, triplets, scored, labelled, NLI and multi-positive rows; nothing is changed in place.
    """
    from curate.audit import Wanted
    from pipelines.audit import as_json as to_json
    from pipelines.audit import check_limits, parse_limits, run_audit
    from pipelines.audit_text import audit_lines
    from pipelines.console import StepConsole
    from pipelines.exits import stopped_at_once

    limits = parse_limits(fail_on) if fail_on else []
    wanted = Wanted(
        dataset, tuple(options["columns"] or ()), tuple(map(str, options["benchmarks"] or ())), _name(options["model"])
    )
    with stopped_at_once(), StepConsole() as console:
        found = run_audit(wanted, out, workers=workers or min(4, cpu_count() or 1), step=lambda name: console.step(name, 0, None))
    click.echo(to_json(found.report), nl=False) if as_json else click.echo("\n".join(audit_lines(found.report, out)))
    check_limits(found, limits)


def _name(value: str | tuple[str, ...] | None) -> str | None:
    return value if isinstance(value, str) else None
