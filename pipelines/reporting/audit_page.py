"""`audit.html`: what `curate audit` found, with rows to read; made as the report of a build is."""

from __future__ import annotations

from collections.abc import Sequence

from curate.audit.report import Example
from curate.audit.texts import ALL
from pipelines.reporting import charts
from pipelines.reporting.page import render
from pipelines.reporting.samples import cut
from schemas.audit import AuditReport
from schemas.report import Count, Sample

_MOST_KINDS = 20


def audit_page(report: AuditReport, examples: Sequence[Example]) -> str:
    """The page as HTML. The same findings give the same bytes."""
    errors = [finding for finding in report.findings if finding.level == "error"]
    notes = [finding for finding in report.findings if finding.level == "note"]
    drawn = [
        (charts.bars([Count(name=item.kind, count=item.rows) for item in some[:_MOST_KINDS]], caption, colour), caption)
        for some, caption, colour in (
            (errors, "Rows flagged, by kind", charts.REJECTED),
            (notes, "Notes, by kind", charts.QUARANTINED),
        )
        if some
    ]
    grave = bool(errors or report.dataset_findings)
    return render(
        "audit.html.j2",
        [_sample(example) for example in examples],
        report=report,
        state="fix" if grave else "ready",
        badge="Fix first" if grave else "Clean",
        charts=drawn,
        splits=list(report.splits) if len(report.splits) > 1 else [],
        tiles=[
            ("rows", f"{report.rows:,}"),
            ("clean", f"{report.clean:,}"),
            ("flagged", f"{report.flagged:,}"),
            ("clean, with a note", f"{report.noted:,}"),
        ],
    )


def _sample(example: Example) -> Sample:
    """The anchor stands as the question, the next text as its passage, the rest as the story."""
    number = f"row {example.row}"
    texts = list(example.texts)
    anchor = texts.pop(0)[1] if texts and texts[0][0] == "anchor" else ""
    passage = texts.pop(0)[1] if texts else ""
    return Sample(
        kind=example.level,
        id=number,
        stage="audit",
        reason=example.kind,
        text=cut(anchor),
        passage=cut(passage),
        source="" if example.place == number else example.place,
        split="" if example.split == ALL else example.split,
        detail=cut(example.detail),
        story=tuple((name, cut(text)) for name, text in texts),
    )
