"""What `curate report` prints: a screenful, the verdict first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.console import printable

Values = Mapping[str, Any]

WIDTH = 100
_MARKS = {"stop": "STOP", "fix": "fix", "note": "know"}
_MOST_FINDINGS = 6
_MOST_REASONS = 3


def report_lines(found: Values) -> list[str]:
    """The report for people: verdict, findings, the way from documents to rows, splits. At most 24 lines, unless findings are long."""
    lines = verdict_lines(found)
    findings = list(_findings(found))
    return [*lines, *([""] if findings else []), *findings, "", *_funnel(found), "", *_splits(found)]


def verdict_lines(found: Values) -> list[str]:
    """The first line of the report, and what to do next."""
    verdict = found["verdict"]
    badge = {"ready": "READY", "fix": "FIX FIRST", "stop": "STOP", "note": "READY"}[verdict["state"]]
    lines = textwrap.wrap(f"{badge}: {printable(verdict['headline'])}", WIDTH)
    return [*lines, f"next: {printable(verdict['next_step'])}"] if verdict["next_step"] else lines


def _findings(found: Values) -> Iterator[str]:
    for finding in found["findings"][:_MOST_FINDINGS]:
        yield from textwrap.wrap(
            f"{_MARKS[finding['severity']]:<5}{printable(finding['text'])} {printable(finding['next_step'])}".rstrip(),
            WIDTH,
            subsequent_indent="     ",
        )
    more = len(found["findings"]) - _MOST_FINDINGS
    if more > 0:
        yield f"     … and {more} more in the report"


def _funnel(found: Values) -> Iterator[str]:
    for step in found["funnel"]:
        lost = sum(loss["count"] for loss in step["lost"])
        why = ", ".join(f"{loss['reason']} {loss['count']:,}" for loss in step["lost"][:_MOST_REASONS])
        more = ", …" if len(step["lost"]) > _MOST_REASONS else ""
        yield f"{step['name']:<22}{step['kept']:>10,}" + (f"   {lost:,} left out: {why}{more}" if lost else "")


def _splits(found: Values) -> Iterator[str]:
    for split in found["splits"]:
        yield f"{split['name']:<22}{split['pairs']:>10,} pairs of {split['documents']:,} documents"
    broken = sum(audit["broken"] > 0 for audit in found["audits"])
    if found["audits"]:
        yield f"{'claims':<22}{len(found['audits']):>10,}   {broken or 'none'} broken"
