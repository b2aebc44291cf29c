"""Runs an audit, writes its folder, and holds it to --fail-on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.audit import Audited, Wanted, audit
from curate.audit.scores import Embed, Vectors
from pipelines.engine import ProcessEngine
from pipelines.reporting.audit_page import audit_page
from schemas.audit import DATASET_KINDS, GROUPS, KINDS, AuditReport, members
from schemas.errors import AuditError, SettingsError, StoreError

REPORT = "audit.json"
CLEAN = "clean.parquet"
FLAGGED = "flagged.parquet"
PAGE = "audit.html"
_LIMIT = re.compile(r"\s*([a-z_]+)\s*(?:>\s*([\d.]+)\s*(%)?)?\s*$")


@dataclass(frozen=True)
class Limit:
    """So many rows of these kinds are too many."""

    name: str
    most: float = 0.0
    percent: bool = False


def parse_limits(text: str) -> list[Limit]:
    """Limits of --fail-on ("leakage,false_negatives>1%"); SettingsError for what is none."""
    found = []
    for part in text.split(","):
        match = _LIMIT.match(part)
        if match is None or not members(match[1]) or (match[2] or "0").count(".") > 1 or match[2] == ".":
            raise SettingsError(
                f"--fail-on: {part.strip()!r} is no kind, group, or one of them with > and a number of rows or %",
                next_step=f"groups: {', '.join(GROUPS)}; kinds: {', '.join((*KINDS, *DATASET_KINDS))}",
            )
        found.append(Limit(match[1], float(match[2] or 0), match[3] is not None))
    return found


def run_audit(wanted: Wanted, out: Path, *, workers: int = 1, step: Callable[[str], None] = lambda _: None) -> Audited:
    """Audit and write `out`; raises as `curate.audit.audit` does, and StoreError when the folder cannot be written."""
    embed = _embedder(wanted.model) if wanted.model else None
    with ProcessEngine(workers) as engine:
        found = audit(wanted, engine, embed=embed, step=step)
    step("writing")
    write_audit(out, found)
    return found


def write_audit(out: Path, found: Audited) -> None:
    """Write the folder's four files, each through a temporary name, audit.json last."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, rows in ((CLEAN, found.clean), (FLAGGED, found.flagged)):
            temporary = out / f"{name}.tmp"
            rows.write_parquet(temporary, compression="zstd", statistics=False)
            temporary.replace(out / name)
        for name, text in ((PAGE, audit_page(found.report, found.examples)), (REPORT, as_json(found.report))):
            temporary = out / f"{name}.tmp"
            temporary.write_text(text, encoding="utf-8", errors="replace")
            temporary.replace(out / name)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"cannot write the audit: {error}", where=str(out), next_step="check the folder's rights and free space"
        ) from error


def as_json(report: AuditReport) -> str:
    """The text of audit.json."""
    return json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"


def check_limits(found: Audited, limits: Sequence[Limit]) -> None:
    """Raise AuditError naming every limit that is exceeded, with the rows."""
    about = {item.kind for item in found.report.dataset_findings}
    broken = []
    for limit in limits:
        kinds = members(limit.name)
        some = found.found.filter(pl.col("kind").is_in(kinds))
        # Of a group errors count; who names a kind of notes means it.
        count = (some if limit.name in KINDS else some.filter("error"))["row"].n_unique()
        most = limit.most / 100 * found.report.rows if limit.percent else limit.most
        if count > most:
            broken.append(f"{limit.name}: {count:,} of {found.report.rows:,} rows{_said(limit)}")
        elif named := sorted(about & set(kinds)):
            broken.append(f"{limit.name}: {', '.join(named)}")
    if broken:
        raise AuditError("; ".join(broken), where="--fail-on", next_step=f"look at {FLAGGED}, or train on {CLEAN}")


def _said(limit: Limit) -> str:
    return f" > {limit.most:g}{'%' if limit.percent else ''}" if limit.most else ""


def _embedder(name: str) -> Embed:
    from train.models import embed, load_model

    model = load_model(name)

    def vectors(texts: Sequence[str], kind: str) -> Vectors:
        return embed(model, texts, "query" if kind == "query" else "document")

    return vectors
