"""The command `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli_look import FILE, look_options


@click.command()
@look_options
@click.option(
    "--rows", type=click.IntRange(1), default=1000, show_default=True, help="Questions of the build to measure on, at most."
)
@click.option(
    "--target",
    type=click.FloatRange(0, 0.5),
    default=0.05,
    show_default=True,
    help="Share of false kills that the recommended thresholds may have together.",
)
@click.option("--kinds", metavar="KIND,KIND", help="Kinds of faults to plant (all, if not given).")
@click.option("--fit", is_flag=True, help="Also fit a decision that weighs all scores together (needs the calibrate extra).")
@click.option("--judge", is_flag=True, help="Also ask the language-model judge about up to 260 rows.")
@click.option("--seed", type=click.IntRange(0), help="Another seed plants other faults (else that of the build).")
@click.option("--config", type=FILE, help="Settings file laid over those of the last build.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. verify.dense_model=PATH.")
def calibrate(folder: Path, as_json: bool, kinds: str | None, **options: Any) -> None:
    """Measure every gate on this build's corpus: plants faults into its rows, says what is caught of them and killed beside them, and
    recommends thresholds (DIR/calibration/settings.toml).
    """
    from curate.calibrate import KINDS
    from pipelines.calibration import Options, calibrate_build
    from pipelines.calibration_text import calibration_lines
    from pipelines.console import StepConsole
    from pipelines.exits import stopped_at_once
    from pipelines.look import as_json as to_json

    overrides = (options.pop("config"), options.pop("sets"))
    named = tuple(kind.strip() for kind in kinds.split(",") if kind.strip()) if kinds is not None else KINDS
    with stopped_at_once(), StepConsole() as console:
        found = calibrate_build(folder, Options(kinds=named, **options), overrides, console.step)
    click.echo(to_json(found) if as_json else "\n".join(calibration_lines(found, str(folder))))
