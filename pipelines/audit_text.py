"""An audit as a screen of text: what to fix first, the kinds with counts and an example each, where the rows are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.audit import CLEAN, FLAGGED, PAGE
from pipelines.console import printable
from schemas.audit import AuditReport, Finding

_WIDTH = 120
_MOST = 18
"""Kinds that are shown: with the lines around them they fill a screen."""


def audit_lines(report: AuditReport, out: Path) -> list[str]:
    """The summary."""
    return [printable(line) for line in _lines(report, out)]


def _lines(report: AuditReport, out: Path) -> Iterator[str]:
    yield report.verdict
    used = ", ".join(f"{role} = {name}" for role, name in report.columns.items())
    unused = f" (not used: {_cut(', '.join(report.columns_unused), 50)})" if report.columns_unused else ""
    yield f"{report.rows:,} rows read as {report.kind}: {used}{unused}; --column ROLE=NAME says otherwise"
    if len(report.splits) > 1:
        yield "splits: " + ", ".join(f"{split} {rows:,}" for split, rows in report.splits.items())
    yield from report.notes
    for about in report.dataset_findings:
        yield f"! {about.kind}: {about.detail}"
    if report.findings:
        yield ""
        yield f"{'kind':<30}{'rows':>9} {'share':>7}  example"
    for finding in report.findings[:_MOST]:
        yield _cut(_finding(finding), _WIDTH)
    if len(report.findings) > _MOST:
        yield f"… and {len(report.findings) - _MOST} more kinds in audit.json"
    if any(finding.level == "note" for finding in report.findings):
        yield "(note): said, the rows stay clean"
    yield ""
    yield f"{out}/{CLEAN}: {report.clean:,} rows; {out}/{FLAGGED}: {report.flagged:,} rows with audit_kinds and audit_details"
    yield f"report: {out}/{PAGE}"


def _finding(finding: Finding) -> str:
    name = f"{finding.kind}{' (note)' if finding.level == 'note' else ''}"
    sample = finding.samples[0]
    share = f"{finding.share:.1%}" if finding.share >= 0.001 else "<0.1%"
    return f"{name:<30}{finding.rows:>9,} {share:>7}  {sample.place}: {sample.detail} | {sample.text}"


def _cut(text: str, width: int) -> str:
    text = " ".join(printable(text).split(" "))
    return text if len(text) <= width else text[: width - 1] + "…"
