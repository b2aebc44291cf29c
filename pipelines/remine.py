"""`curate mine`: other negatives for a finished build, without its sources; only mine, validate and export run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from curate.filter.decontaminate.files import check_files
from curate.stage import Stage
from curate.store import Store, open_store
from pipelines.bill import bookmark
from pipelines.earlier_build import check_built, check_columns, columns, reported, settings_of_build
from pipelines.engine import ProcessEngine
from pipelines.fingerprint import used_settings
from pipelines.flow import STAGE_NAMES, load_flow
from pipelines.ledger import prepare, read_ledger
from pipelines.report import write_report
from pipelines.runner import Build, Listener, Session, Silent, StageResult, run_stages
from schemas.errors import SettingsError
from schemas.settings import Settings, load_settings, toml_value
from schemas.tables import KEYS

FIRST = STAGE_NAMES.index("mine")
LAST_BEFORE = STAGE_NAMES[FIRST - 1]


@dataclass(frozen=True)
class Changes:
    """What is laid over the settings of the last build: a TOML file, then `key=value` strings."""

    config: Path | None = None
    sets: tuple[str, ...] = ()


def remine(folder: Path, changes: Changes, workers: int = 1, listener: Listener | None = None) -> dict[str, Any]:
    """Run mine, validate and export of the build in `folder` where they changed, and write its report, which is returned.

    In it `mine` counts the pairs and those with other negatives than before, and `keep` lists the `key=value` strings with which
    `curate build` leaves these negatives as they are. Raises StoreError when there is no build up to filter here, SettingsError for
    what cannot be set, AuditError as `run_build` does. A run that fails while it mines leaves the old negatives and dataset whole.
    """
    settings, keep = _checked(folder, changes)
    before = bookmark(folder)
    build = Build((), folder, settings, workers=workers)
    results: list[StageResult] = []
    counts: dict[str, Any] = {}
    try:
        with open_store(folder) as store, ProcessEngine(workers) as engine:
            prepare(store)
            _remember(store)
            session = Session(build, store, engine, listener or Silent())
            for result in run_stages(session, load_flow()[FIRST:], read_ledger(store)):
                results.append(result)
                if result.name == "mine":
                    counts = _counts(store)
    finally:
        # As long as the old negatives stand, so does the old report.
        report = write_report(folder, settings, before, {"mine": counts, "keep": keep}) if results else {}
    return report


def _checked(folder: Path, changes: Changes) -> tuple[Settings, list[str]]:
    """The settings to mine with and those to keep; nothing is written. Raises as `remine` does."""
    stages = load_flow()[FIRST:]
    with open_store(folder, read_only=True) as store:
        ledger = read_ledger(store)
        known = settings_of_build(folder, ledger)
        check_built(ledger, known, folder, LAST_BEFORE)
        read = dict.fromkeys(table for stage in stages for table in stage.reads)
        written = {table for stage in stages for table in stage.writes}
        check_columns(store, folder, [table for table in read if table in KEYS and table not in written])
    settings = load_settings(changes.config, changes.sets, known.model_dump(mode="json", by_alias=True))
    _refuse_earlier(_changed(known, settings))
    check_files(settings.filter.decontaminate)
    return settings, _to_keep(folder, settings)


def _refuse_earlier(keys: Sequence[str]) -> None:
    named = [f"{key} (stage {stage})" for key in keys if (stage := _owner(key)) in STAGE_NAMES[:FIRST]]
    if named:
        raise SettingsError(
            f"{', '.join(named)}: `curate mine` does not run what comes before mining again",
            where="settings",
            next_step="use `curate build` with these settings, or leave them as the build has them",
        )


def _owner(key: str) -> str | None:
    """The stage that a setting belongs to: that of its section, or the first that reads it."""
    section = key.partition(".")[0]
    return section if section in STAGE_NAMES else next((stage.name for stage in load_flow() if _reads(stage, key)), None)


def _reads(stage: Stage, key: str) -> bool:
    sections = (*stage.settings, *chain.from_iterable(stage.settings_if.values()))
    return any(f"{key}.".startswith(f"{section}.") for section in sections)


def _changed(old: Settings, new: Settings) -> list[str]:
    before, after = _flat(old), _flat(new)
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _flat(settings: Settings) -> dict[str, Any]:
    return used_settings(settings, tuple(info.alias or name for name, info in Settings.model_fields.items()))


def _to_keep(folder: Path, settings: Settings) -> list[str]:
    """`key=value` of all that differs from the last `curate build`: of what the last report has, and of what was to be kept by it."""
    other, report = reported(folder)
    said = report.get("keep", [])
    earlier = {str(item).partition("=")[0] for item in said} if isinstance(said, list) else set()
    flat = _flat(settings)
    changed = [key for key in _changed(other, settings) if _owner(key) not in STAGE_NAMES[:FIRST]]
    return [as_set(key, flat[key]) for key in flat if key in changed or key in earlier]


def as_set(key: str, value: Any) -> str:
    """`key=value` as `--set` reads it."""
    if value is None:
        return f"{key}="
    if isinstance(value, str) and value == value.strip() and toml_value(value) == value:
        return f"{key}={value}"
    # TOML takes strings as JSON writes them, but for this one character.
    return f"{key}={json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def _remember(store: Store) -> None:
    """The negatives of each pair as they stand before mining, in a temporary table."""
    known = columns(store, "negatives") >= {"pair_id", "text", "chosen"}
    rows = "SELECT pair_id, list(md5(text) ORDER BY chosen) AS texts FROM negatives WHERE chosen IS NOT NULL GROUP BY pair_id"
    nothing = "SELECT '' AS pair_id, ['']::VARCHAR[] AS texts LIMIT 0"
    store.execute(f"CREATE TEMP TABLE old_negatives AS {rows if known else nothing}")


def _counts(store: Store) -> dict[str, int]:
    """Positive pairs, and those of them with other negatives than before."""
    return store.rows(
        "SELECT count(*) AS pairs, count(*) FILTER (o.texts IS DISTINCT FROM n.texts) AS changed FROM pairs "
        "LEFT JOIN old_negatives AS o USING (pair_id) LEFT JOIN ("
        "SELECT pair_id, list(md5(text) ORDER BY chosen) AS texts FROM negatives WHERE chosen IS NOT NULL GROUP BY pair_id"
        ") AS n USING (pair_id) WHERE is_positive"
    )[0]


def remine_lines(report: Mapping[str, Any]) -> list[str]:
    """What became of the negatives, in lines for people, and how to keep them."""
    counts = report["mine"]
    others = "; the others have the same as before" if 0 < counts["changed"] < counts["pairs"] else ""
    lines = [f"Negatives changed for {counts['changed']:,} of {counts['pairs']:,} pairs{others}."]
    if report["keep"]:
        flags = " ".join(f"--set {shlex.quote(item)}" for item in report["keep"])
        lines.append(f"`curate build` as it was called before would mine as before; to keep these negatives, add: {flags}")
    return lines
