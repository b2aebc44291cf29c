"""`report.html`: one page that needs nothing else, made of a report and of rows to read. Text of documents goes in as text alone."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.bill import section_line
from pipelines.reporting import charts
from schemas.report import Copies, Count, RealQueries, Report, Sample

METRICS = ("ndcg@10", "mrr@10", "map@100", "hit@1", "hit@5", "hit@10", "recall@100")

_SECTIONS = (
    ("findings", "What to do"),
    ("evaluations", "Models"),
    ("funnel", "Funnel"),
    ("corpus", "Documents"),
    ("questions", "Questions"),
    ("gates", "Gates"),
    ("negatives", "Negatives"),
    ("splits", "Splits and leaks"),
    ("against", "Against an earlier build"),
    ("cost", "Time and cost"),
    ("samples", "Rows to read"),
)
_MOST_REASONS = 12
_MOST_PLACES = 10

Figures = list[tuple[Markup, str]]


@dataclass(frozen=True)
class Drawn:
    """The charts of a report, by section."""

    funnel: Markup | None
    losses: Markup | None
    corpus: Figures
    questions: Figures
    scores: Figures
    negatives: Figures
    differences: list[Markup | None]
    maps: list[Markup | None]


def page(report: Report, name: str, rows: Sequence[Sample]) -> str:
    """The page as HTML. The same report and rows give the same bytes."""
    present = [(key, label) for key, label in _SECTIONS if _present(report, key)]
    return render(
        "page.html.j2",
        rows,
        report=report,
        name=name,
        drawn=draw(report),
        tiles=_tiles(report),
        sections=present,
        places={key for key, _ in present} | {"audits"},
        metrics=METRICS,
        measured=any(gate.caught for gate in report.gates),
        broken=sum(audit.broken > 0 for audit in report.audits),
        bill=[section_line(report.llm)] if report.llm else [],
    )


def render(template: str, rows: Sequence[Sample], **values: Any) -> str:
    """A page of this package: a template with its style, its script and the rows that the script shows."""
    environment = Environment(
        loader=PackageLoader("pipelines.reporting", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["ticked"] = ticked
    script = _asset("page.js")
    return environment.get_template(template).render(
        **values,
        sample_count=f"{len(rows):,}",
        style=Markup(_asset("page.css")),  # noqa: S704 (a file of this package)
        script=Markup(script),  # noqa: S704 (a file of this package)
        script_sha256=b64encode(sha256(script.encode()).digest()).decode(),
        data=_in_script([row.model_dump(mode="json") for row in rows]),
    )


def ticked(text: str) -> Markup:
    """Escaped text with `…` as code; a text that is a command as a whole is code, too."""
    if text.startswith("curate ") and "`" not in text:
        return Markup("<code>{}</code>").format(text)
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def draw(report: Report) -> Drawn:
    """All charts."""
    lost = sorted((loss for step in report.funnel for loss in step.lost), key=lambda loss: (-loss.count, loss.stage, loss.reason))
    reasons = [Count(name=f"{loss.stage}: {loss.reason}", count=loss.count) for loss in lost[:_MOST_REASONS]]
    return Drawn(
        funnel=_funnel(report),
        losses=charts.bars(reasons, "rows left out, by reason", charts.REJECTED) if reasons else None,
        corpus=_corpus(report),
        questions=_questions(report),
        scores=[
            (charts.histogram(chart.bins, chart.check, threshold=chart.threshold), _caption(chart.text, chart.missing))
            for chart in report.scores
        ],
        negatives=_negatives(report),
        differences=[_differences(one) for one in report.evaluations],
        maps=[_map(one) for one in report.evaluations],
    )


def _funnel(report: Report) -> Markup | None:
    rows = []
    for step in report.funnel:
        states = {"kept": step.kept, "rejected": 0, "quarantined": 0}
        for loss in step.lost:
            # Chunks that give no question are no lost questions.
            states[loss.state] += 0 if step.stage == "generate" else loss.count
        rows.append((step.name, states))
    return charts.parts(rows, "share kept at each step") if rows else None


def _corpus(report: Report) -> Figures:
    known = report.corpus
    if known is None:
        return []
    found = [
        (charts.bars(known.sources, "documents by folder or file"), "Documents by folder or file"),
        (charts.histogram(known.document_words, "words"), "Length of documents (words)"),
        (charts.histogram(known.chunk_tokens, "tokens"), "Length of chunks (tokens)"),
        (charts.bars(known.languages[:12], "documents by language"), "Languages"),
    ]
    if any(one.name != "none" for one in known.duplicates):
        found.append((charts.bars(known.duplicates, "documents that repeat another"), "Repeated documents"))
        found.append((charts.bars(known.largest_clusters, "copies"), "Documents with most copies"))
    cells = _largest(known.copies)
    if len({name for row, column, _ in cells for name in (row, column)}) > 1:
        caption = "Where repeated documents are (rows), and what they repeat (columns)"
        found.append((charts.matrix(cells, "documents that repeat another, by place"), caption))
    return [(chart, caption) for chart, caption in found if chart]


def _questions(report: Report) -> Figures:
    known = report.questions
    if known is None or not known.kept:
        return []
    real = known.real
    found = [
        (charts.bars(known.styles, "questions by style"), "Kept questions by style"),
        (charts.bars(known.origins, "questions by origin"), "Who made them"),
        (charts.histogram(known.words, "words", beside=real.words if real else ()), "Length of questions (words)"),
        (charts.histogram(known.overlap, "share of content words", beside=real.overlap if real else ()), _overlap_caption(real)),
        (charts.bars(known.first_words, "first words"), "How questions begin"),
    ]
    if known.repeats:
        found.append((charts.bars(known.repeats, "repeated questions", charts.REJECTED), "Left out: another asks the same"))
    if known.most_repeated:
        found.append((charts.bars(known.most_repeated, "times asked again"), "Kept questions that were asked most often"))
    if real is not None:
        found.append((charts.bars(real.first_words, "first words of real queries"), f"How {real.queries:,} real queries begin"))
    return found


def _overlap_caption(real: RealQueries | None) -> str:
    said = "How many of a question's words stand in its passage"
    return f"{said}; of {real.compared:,} real queries in the passage found first" if real is not None and real.compared else said


def _largest(copies: Sequence[Copies]) -> list[tuple[str, str, int]]:
    """The fields between the places with most copies, `_MOST_PLACES` of them."""
    totals = Counter[str]()
    for one in copies:
        totals.update({one.source: one.count})
        totals.update({one.of: one.count})
    places = {name for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PLACES]}
    return [(one.source, one.of, one.count) for one in copies if one.source in places and one.of in places]


def _negatives(report: Report) -> Figures:
    known = report.negatives
    if known is None or not known.states:
        return []
    reasons = [Count(name=loss.reason, count=loss.count) for loss in known.reasons[:_MOST_REASONS]]
    found = [
        (charts.bars(known.states, "candidates by state"), "What became of candidates"),
        (charts.bars(reasons, "candidates set aside, by reason", charts.QUARANTINED), "Set aside, by reason")
        if reasons
        else None,
        (charts.histogram(known.ranks, "rank"), "Ranks of the chosen") if known.ranks else None,
        (charts.histogram(known.margins, "cosine"), "Teacher's score of the chosen minus the positive's")
        if known.margins
        else None,
        (charts.bars(known.origins, "chosen negatives by origin"), "Where the chosen come from"),
    ]
    return [one for one in found if one is not None]


def _differences(one: dict[str, Any]) -> Markup | None:
    rows = [
        (f"{row['system']} − {row['against']}", row["difference"]["mean"], row["difference"]["low"], row["difference"]["high"])
        for row in one["evaluation"]["comparisons"]
        if row["metric"] == "ndcg@10" and row["queries"] == "all"
    ]
    return charts.intervals(rows, "difference of nDCG@10") if rows else None


def _map(one: dict[str, Any]) -> Markup | None:
    groups = (one.get("map") or {}).get("groups")
    return charts.scatter(groups, "texts as the base model sees them") if groups else None


def _caption(text: str, missing: int) -> str:
    return f"{text[0].upper()}{text[1:]}" + (f" ({missing:,} without)" if missing else "")


def _tiles(report: Report) -> list[tuple[str, str]]:
    found = [
        ("documents", report.corpus.documents if report.corpus else 0),
        ("chunks", report.corpus.chunks if report.corpus else 0),
    ]
    found += [(f"pairs, {split.name}", split.pairs) for split in report.splits if split.name != "gap"]
    left = sum(loss.count for step in report.funnel for loss in step.lost)
    broken = sum(audit.broken > 0 for audit in report.audits)
    tiles = [(label, f"{count:,}") for label, count in [*found, ("rows left out", left)]]
    return [*tiles, ("claims broken", f"{broken} of {len(report.audits)}")] if report.audits else tiles


def _present(report: Report, key: str) -> bool:
    if key in ("funnel", "splits", "cost", "samples"):
        return True
    if key == "gates":
        return bool(report.gates or report.scores)
    return bool(getattr(report, key))


def _in_script(value: Any) -> Markup:
    """JSON that no HTML parser can take for the end of its element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 (see above)


def _asset(name: str) -> str:
    return files("pipelines.reporting").joinpath(name).read_text(encoding="utf-8").strip()
