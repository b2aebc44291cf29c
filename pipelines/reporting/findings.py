"""What to act on: every finding has its figures, a next step, and a severity; the gravest is the report's first line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.reporting.contents import named
from pipelines.reporting.counting import median
from schemas.report import (
    Audit,
    Corpus,
    Finding,
    Gate,
    Negatives,
    Questions,
    Split,
    Step,
)
from schemas.settings import Settings

FEW_PAIRS = 500
"""Training pairs below which the published recipes gained nothing that lasts (docs/training.md, warnings)."""

FEW_QUERIES = 50
"""Test queries below which an interval is too wide to prove anything."""

LARGE_SHARE = 0.25
"""Of candidate questions: one reason that takes more is worth reading samples of."""

FEW_REAL = 20
"""Real queries below which nothing is said of how the kept questions differ from them."""

LENGTH_RATIO = 2.0
"""Between the median lengths of kept questions and real queries, either way, from which they are unlike."""

UNTITLED = 0.25
"""Share of the chunks from which parts of documents without a title are told of."""

OVERLAP_GAP = 0.25
"""Between the medians of the shares of words that stand in the passage."""

_EVERYBODYS = 20
_ORDER = ("stop", "fix", "note")


@dataclass(frozen=True)
class Facts:
    """What the findings are drawn from."""

    folder: str
    settings: Settings
    stages: tuple[dict[str, Any], ...]
    funnel: tuple[Step, ...]
    corpus: Corpus | None
    questions: Questions | None
    gates: tuple[Gate, ...]
    negatives: Negatives | None
    splits: tuple[Split, ...]
    audits: tuple[Audit, ...]
    dataset: dict[str, dict[str, int]]
    evaluations: tuple[dict[str, Any], ...]


def findings(facts: Facts) -> tuple[Finding, ...]:
    """All findings, the gravest first."""
    found = [finding for look in _LOOKS for finding in look(facts)]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def _broken_audits(facts: Facts) -> Iterator[Finding]:
    for audit in facts.audits:
        if audit.broken:
            yield Finding(
                kind="audit_failed",
                severity="stop",
                text=f"{audit.description} does not hold: {audit.broken:,} {'row breaks' if audit.broken == 1 else 'rows break'} it.",
                next_step=f"curate why {facts.folder} {audit.examples[0]}" if audit.examples else "",
                section="audits",
            )


def _nothing_kept(facts: Facts) -> Iterator[Finding]:
    if facts.questions is None:
        last = facts.stages[-1]["stage"] if facts.stages else "none"
        yield Finding(
            kind="unfinished",
            severity="stop",
            text=f"the build ended after stage {last}: there are no pairs yet.",
            next_step="Run the same `curate build` again: it goes on from here.",
            section="stages",
        )
    elif not facts.questions.kept:
        step = max(facts.funnel, key=lambda step: sum(loss.count for loss in step.lost))
        reason = f" The commonest reason: {step.lost[0].text}." if step.lost else ""
        yield Finding(
            kind="no_pairs",
            severity="stop",
            text=f"no pair was kept.{reason}",
            next_step=f"curate rejects {facts.folder} --limit 20",
            section="funnel",
        )


def _owed(facts: Facts) -> Iterator[Finding]:
    owed = sum(stage["owed"] for stage in facts.stages)
    if owed:
        yield Finding(
            kind="answers_owed",
            severity="fix",
            text=f"{owed:,} answers of language models are still owed (faults of the endpoint, or the budget was spent).",
            next_step="Run the same `curate build` again: answers that are here cost nothing.",
            section="llm",
        )


def _few_pairs(facts: Facts) -> Iterator[Finding]:
    pairs = facts.dataset.get("pairs", {}).get("train")
    if pairs is not None and 0 < pairs < FEW_PAIRS:
        yield Finding(
            kind="few_pairs",
            severity="fix",
            text=f"{pairs:,} training pairs are few: below {FEW_PAIRS} a gain seldom lasts.",
            next_step="Add documents, or let a language model write more questions (docs/llm.md).",
            section="questions",
        )


def _taken_questions(facts: Facts) -> Iterator[Finding]:
    known = facts.questions
    if known is None or not known.kept:
        return
    taken = named(known.origins, "extractive") / known.kept
    if taken < 0.5:
        return
    llm = facts.settings.llm.generator.model is not None
    yield Finding(
        kind="questions_are_extracts",
        severity="note",
        text=f"{taken:.0%} of the kept questions are sentences, headings and words of their passages: people ask otherwise.",
        next_step="Raise `generate.questions_per_chunk`, or look at what was rejected of the model's questions."
        if llm
        else "For questions in people's words set `llm.generator.model` (docs/llm.md).",
        section="questions",
    )


def _unlike_real_queries(facts: Facts) -> Iterator[Finding]:
    known = facts.questions
    if known is None or known.real is None or known.real.queries < FEW_REAL:
        return
    differ = []
    ours, theirs = median(known.words), median(known.real.words)
    if ours and theirs and max(ours, theirs) > LENGTH_RATIO * min(ours, theirs):
        differ.append(f"half of the kept questions have {ours:.0f} words or more, half of the real queries {theirs:.0f}")
    ours, theirs = median(known.overlap), median(known.real.overlap)
    if known.real.compared >= FEW_REAL and ours is not None and theirs is not None and abs(ours - theirs) > OVERLAP_GAP:
        differ.append(f"{ours:.0%} of a kept question's words stand in its passage, {theirs:.0%} of a real query's (medians)")
    if differ:
        llm = facts.settings.llm.generator.model is not None
        yield Finding(
            kind="unlike_real_queries",
            severity="fix",
            text=f"the kept questions are unlike those of {_name(facts.settings.generate.examples)}: {'; '.join(differ)}.",
            next_step="Turn `generate.extractive` off, or raise `generate.questions_per_chunk`: the model's questions follow the real ones."
            if llm
            else "A language model can write questions like them: set `llm.generator.model` (docs/llm.md).",
            section="questions",
        )


def _name(path: str | None) -> str:
    return Path(path).name if path else "generate.examples"


def _large_losses(facts: Facts) -> Iterator[Finding]:
    for step in facts.funnel:
        lost = sum(loss.count for loss in step.lost)
        whole = step.kept + lost if step.stage in ("ingest", "chunk", "filter") else 0
        for loss in step.lost:
            if whole and loss.count / whole >= LARGE_SHARE:
                yield Finding(
                    kind="one_reason_takes_many",
                    severity="fix",
                    text=f"{loss.count / whole:.0%} of what stage {step.stage} saw was {loss.state}: {loss.text}.",
                    next_step=f"curate rejects {facts.folder} --stage {step.stage} --reason {loss.reason} --limit 20",
                    section="funnel",
                )


def _unmeasured_gates(facts: Facts) -> Iterator[Finding]:
    known = facts.questions
    if known is None or not named(known.origins, "llm"):
        return
    if not any(gate.caught for gate in facts.gates):
        yield Finding(
            kind="gates_unmeasured",
            severity="fix",
            text="nobody knows yet how many bad questions of the language model the gates let through.",
            next_step=f"curate calibrate {facts.folder}",
            section="gates",
        )
    for gate in facts.gates:
        if gate.false_kills and (gate.false_kills.low or 0) > 0.05:
            yield Finding(
                kind="gate_kills_good_questions",
                severity="fix",
                text=f"the gate {gate.reason} rejects {gate.false_kills.share:.0%} of sound questions.",
                next_step=f"Read `curate rejects {facts.folder} --reason {gate.reason} --limit 20`, and take the thresholds of `curate calibrate`.",
                section="gates",
            )


def _negatives(facts: Facts) -> Iterator[Finding]:
    known = facts.negatives
    if known is None or not known.pairs:
        return
    if known.short / known.pairs > 0.02:
        yield Finding(
            kind="short_of_negatives",
            severity="fix",
            text=f"{known.short:,} of {known.pairs:,} pairs have {'no negative' if known.wanted == 1 else f'fewer than {known.wanted} negatives'}.",
            next_step='Raise `mine.last_rank`, or set `mine.shortage="random"`.',
            section="negatives",
        )
    top = known.most_used[0].pairs if known.most_used else 0
    if top > max(_EVERYBODYS, 0.02 * known.pairs):
        yield Finding(
            kind="one_passage_is_everybodys_negative",
            severity="fix",
            text=f"one passage is the negative of {top:,} pairs: the model would learn to avoid it.",
            next_step=f"`curate why {facts.folder} {known.most_used[0].chunk_id}` shows it; `curate mine {facts.folder} --set mine.max_uses={_EVERYBODYS}` caps it.",
            section="negatives",
        )
    lot = named(known.origins, "random")
    if lot > 0.05 * known.pairs * known.wanted:
        yield Finding(
            kind="random_negatives",
            severity="note",
            text=f"{lot:,} negatives were drawn by lot, because the search left too few.",
            next_step="",
            section="negatives",
        )


def _tests(facts: Facts) -> Iterator[Finding]:
    test = next((split for split in facts.splits if split.name == "test"), None)
    if test is not None and facts.questions is not None and test.queries < FEW_QUERIES:
        yield Finding(
            kind="few_test_queries",
            severity="note",
            text=f"{test.queries:,} test {'query proves nothing by itself' if test.queries == 1 else 'queries prove nothing by themselves'}.",
            next_step="Bring questions that people asked: `curate evaluate … --queries FILE --qrels FILE`.",
            section="splits",
        )


def _languages(facts: Facts) -> Iterator[Finding]:
    known = facts.corpus
    if known is None or len(known.languages) < 2:
        return
    sure = [count for count in known.languages if count.name != "und"]
    rest = sum(count.count for count in sure[1:])
    if sure and rest and rest / known.documents >= 0.02:
        names = ", ".join(f"{count.name} {count.count:,}" for count in sure[:5])
        yield Finding(
            kind="several_languages",
            severity="note",
            text=f"the documents are in several languages ({names}).",
            next_step="Take a multilingual base model, or build a folder for each language.",
            section="corpus",
        )


def _copies(facts: Facts) -> Iterator[Finding]:
    known = facts.corpus
    copies = sum(named(known.duplicates, kind) for kind in ("exact", "near")) if known else 0
    if known is not None and copies / max(known.documents, 1) >= 0.2:
        yield Finding(
            kind="many_copies",
            severity="note",
            text=f"{copies:,} of {known.documents:,} documents repeat another; one of each cluster is asked about.",
            next_step="",
            section="corpus",
        )


def _untitled(facts: Facts) -> Iterator[Finding]:
    known = facts.corpus
    if known is None or not facts.settings.chunk.heading_prefix or known.untitled < max(UNTITLED * known.chunks, 1):
        return
    yield Finding(
        kind="documents_without_title",
        severity="note",
        text=f"{known.untitled / known.chunks:.0%} of the passages are parts of documents without a title: where they do not say what they are about, nothing does.",
        next_step="Give the documents their titles: a column `title`, a first heading, or a first line of its own.",
        section="corpus",
    )


def _worse_models(facts: Facts) -> Iterator[Finding]:
    for one in facts.evaluations:
        outcome = one["verdict"]["outcome"]
        if outcome == "DO NOT SHIP":
            yield Finding(
                kind="model_is_worse",
                severity="fix",
                text=f"the model {one['model']}: {one['verdict']['headline']}",
                next_step="Read the regressions below.",
                section="evaluations",
            )


_LOOKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _broken_audits,
    _nothing_kept,
    _owed,
    # Before what follows from it.
    _large_losses,
    _few_pairs,
    _unmeasured_gates,
    _negatives,
    _unlike_real_queries,
    _taken_questions,
    _tests,
    _languages,
    _copies,
    _untitled,
    _worse_models,
)
