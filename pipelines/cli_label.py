"""The command `label`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli_look import FILE, look_options


@click.command()
@look_options
@click.option("--n", type=click.IntRange(1), default=50, show_default=True, help="Questions in the sample.")
@click.option(
    "--from",
    "chosen_from",
    type=click.Choice(["all", "kept", "rejected"]),
    default="all",
    show_default=True,
    help="Of those the gates keep or reject; all: half and half.",
)
@click.option(
    "--origin",
    type=click.Choice(["all", "llm", "extractive", "imported"]),
    help="Of this origin (else llm if there are any, or all).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed draws another sample.")
@click.option("--show-gates", is_flag=True, help="Show what the gates say before you decide, not after.")
@click.option("--export", "export_file", type=FILE, metavar="FILE", help="Write the sample to a new CSV file instead.")
@click.option("--import", "import_file", type=FILE, metavar="FILE", help="Take the labels of such a FILE.")
@click.option("--report", is_flag=True, help="Print what the labels say, without asking for more.")
def label(folder: Path, as_json: bool, export_file: Path | None, import_file: Path | None, report: bool, **options: Any) -> None:
    """Accept or reject questions of a build one by one (run it again to go on); the next build obeys the labels."""
    from pipelines.labelling import Wanted, export_sample, import_line, import_sheet, label_report, label_sample, report_lines
    from pipelines.look import as_json as to_json

    show_gates = options.pop("show_gates")
    wanted = Wanted(**options)
    found: dict[str, Any] = {}
    if import_file:
        found["imported"] = import_sheet(folder, import_file)
        click.echo(import_line(found["imported"]), err=as_json)
    if export_file:
        found["exported"] = export_sample(folder, wanted, export_file)
        click.echo(f"{found['exported']:,} questions in {export_file}", err=as_json)
    asking = not (import_file or export_file or report)
    if asking:
        label_sample(folder, wanted, lambda text: click.echo(text, err=as_json), show_gates=show_gates)
    if asking or report:
        found |= label_report(folder)
        click.echo("\n".join(report_lines(found)), err=as_json)
    if as_json:
        click.echo(to_json(found))
