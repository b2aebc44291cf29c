"""`report.json` and `report.html` of a build folder: written last, each through a temporary name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.store import DATABASE_NAME, QueryError, open_store
from pipelines.bill import section
from pipelines.earlier_build import reported, settings_of_build
from pipelines.ledger import read_ledger
from pipelines.reporting.gather import gather
from pipelines.reporting.page import page
from schemas.errors import InputError, StoreError
from schemas.report import Report
from schemas.settings import Settings

JSON, HTML = "report.json", "report.html"


def write_report(
    folder: Path, settings: Settings, answers_before: int = 0, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write both reports, `report.json` with `more` keys, into the build folder; what stands in `report.json`.

    `answers_before` is the `bookmark` taken before the build: what language models answered after it is this build's.
    """
    return _write(folder, settings, section(folder, settings.llm, answers_before), more or {})


def rewrite_report(folder: Path, against: Path | None = None) -> dict[str, Any]:
    """Write the reports of a finished build again, from its tables; `against` an earlier build. What stands in `report.json`.

    What the build alone knew (the cost of its own run, what `curate mine` changed) stays as it is. Raises StoreError where there is no build, or one
    that this version cannot read; InputError where `against` is none.
    """
    if not (folder / DATABASE_NAME).is_file():
        raise StoreError("no build here", where=str(folder), next_step="run `curate build` first")
    if against is not None and against.resolve() == folder.resolve():
        raise InputError("this is the same build", where=str(against), next_step="name an earlier build's folder")
    with open_store(folder, read_only=True) as store:
        settings = settings_of_build(folder, read_ledger(store))
    _, old = reported(folder)
    kept = {name: value for name, value in old.items() if name not in Report.model_fields}
    return _write(folder, settings, old.get("llm"), kept, against)


def _write(
    folder: Path, settings: Settings, llm: dict[str, Any] | None, more: Mapping[str, Any], against: Path | None = None
) -> dict[str, Any]:
    try:
        report, rows = gather(folder, settings, llm, against)
    except QueryError as error:
        raise StoreError(
            f"the tables are not those of this version of curate: {error}",
            where=str(folder),
            next_step="run `curate build` again, then this",
        ) from error
    values = report.model_dump(mode="json") | dict(more)
    _replace(folder / HTML, page(report, folder.resolve().name, rows))
    _replace(folder / JSON, json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
    return values


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", errors="replace")
    temporary.replace(path)
