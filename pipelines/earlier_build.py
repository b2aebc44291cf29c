"""What a build folder says of the build that made it: its settings, and whether its tables can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curate.store import Store
from pipelines.fingerprint import sections_of, used_settings
from pipelines.flow import STAGE_NAMES, load_flow
from pipelines.ledger import Entry
from pipelines.runner import inputs_of
from schemas.errors import SettingsError, StoreError
from schemas.settings import Settings, load_settings
from schemas.settings.loading import lay_over, put
from schemas.tables import TABLES, polars_schema


def settings_tree(ledger: Mapping[str, Entry]) -> dict[str, Any]:
    """The settings of the last build as nested tables, from what its stages were run with."""
    tree: dict[str, Any] = {}
    # Of stages that read one key the first is right: a build that stopped early left the later ones as they were.
    for name in reversed(STAGE_NAMES):
        for key, value in ledger[name].fingerprint.settings.items() if name in ledger else ():
            put(tree, key.split("."), value, key, [])
    return tree


def settings_of_build(folder: Path, ledger: Mapping[str, Entry]) -> Settings:
    """The settings of the last build; what its ledger does not hold (prices, devices, stages that never ran) is as `report.json` has it.

    Raises StoreError when another version of curate, with other settings, made the build.
    """
    tree = reported(folder)[0].model_dump(mode="json", by_alias=True)
    lay_over(tree, settings_tree(ledger))
    try:
        return load_settings(base=tree)
    except SettingsError as error:
        raise StoreError(
            f"made with settings that this version of curate does not know: {error.what}",
            where=str(folder),
            next_step="run `curate build` again, then this",
        ) from error


def reported(folder: Path) -> tuple[Settings, dict[str, Any]]:
    """The settings in `report.json` and the report itself; the defaults and nothing where it cannot be read."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return Settings.model_validate(report["settings"]), report
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return Settings(), {}


def check_built(ledger: Mapping[str, Entry], settings: Settings, folder: Path, last: str) -> None:
    """Raise StoreError unless every stage up to `last` was run, each on the rows and settings of those before it."""
    for stage in load_flow()[: STAGE_NAMES.index(last) + 1]:
        entry = ledger.get(stage.name)
        if entry is None:
            raise StoreError(
                f"stage {stage.name} was never run here", where=str(folder), next_step=f"`curate build` at least --until {last}"
            )
        now = used_settings(settings, sections_of(stage, settings))
        others = [key for key, value in entry.fingerprint.settings.items() if key in now and now[key] != value]
        inputs = inputs_of(stage, ledger, "") if stage.reads else entry.fingerprint.inputs
        if others or inputs != entry.fingerprint.inputs:
            raise StoreError(
                f"stage {stage.name} is older than what it reads: {', '.join(others) or 'its tables'} changed since",
                where=str(folder),
                next_step="run `curate build` again, then this",
            )


def check_columns(store: Store, folder: Path, tables: Sequence[str]) -> None:
    """Raise StoreError when a table is missing or lacks a column that this version of curate reads."""
    for table in tables:
        if not set(polars_schema(TABLES[table])) <= columns(store, table):
            raise StoreError(
                f"{table} was built by another version of curate",
                where=str(folder),
                next_step="run `curate build` again, then this",
            )


def columns(store: Store, table: str) -> set[str]:
    """Names of a table's columns; none where there is no such table."""
    sql = "SELECT column_name AS name FROM duckdb_columns() WHERE table_name = $table"
    return {row["name"] for row in store.rows(sql, {"table": table})}
