"""What the judge will be asked, at most: a call for every candidate question, those written already and those still to come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from curate.generate.passage import Passage
from curate.generate.turns import chunks_that_ask, passages
from curate.llm import AnswerStore, Request
from curate.llm.asking import estimated_prompt_tokens
from curate.llm.spending import expected_completion
from curate.stage import Context
from curate.verify.judge_answer import is_usable
from curate.verify.judge_cases import cases_of
from curate.verify.judge_prompt import Case, JudgeBrief, Shown, judge_brief, judge_request
from curate.verify.judging import attempts_of
from pipelines.estimate.counted import Estimate, Looking, corrected, counted
from pipelines.runner import Listener

_SAMPLE = 1000
"""Passages from which the length of requests and the number of questions a passage can bear are told."""
_QUESTION = "What does the manual say of the thing that a person wants to know about here?"
"""As long as questions are in the mean."""


@dataclass(frozen=True)
class Outlook:
    """What is known of the questions: `generator`, what stage generate will ask; `written`, there are questions of the last build;
    `renewed`, stage generate runs again, so that there may be others."""

    generator: Estimate
    written: bool
    renewed: bool

    def stands(self, origin: str) -> bool:
        """Whether the questions of an origin that are written already will be there again."""
        kept = not self.renewed or origin != "llm" or self.generator.stored + self.generator.under_way > 0
        return self.written and kept


@dataclass(frozen=True)
class _Typical:
    """One question to come, in tokens of its request and of the answer; and how many questions a passage bears at most."""

    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    questions: float = 0.0


def judge_estimate(context: Context, answers: AnswerStore | None, outlook: Outlook, hears: Listener) -> Estimate:
    """An upper bound: which questions another gate rejects, so that the judge is not asked about them, is known when all are scored."""
    settings, role = context.settings, context.settings.llm.judge
    hears.stage_started("counting questions", ())
    brief = judge_brief(settings)
    there: dict[str, int] = {origin: 0 for origin in settings.verify.judged if outlook.stands(origin)}
    looking = Looking("judge", "verify", role, answers, is_usable, attempts_of(role))
    known = counted(looking, _requests(context, brief, there), hears)
    if outlook.renewed:
        typical = _typical(context, brief)
        more = sum(_coming(context, outlook, origin, there, typical) for origin in settings.verify.judged)
        known = replace(
            known,
            calls=known.calls + more,
            prompt_tokens=known.prompt_tokens + round(more * typical.prompt_tokens),
            completion_tokens=known.completion_tokens + round(more * typical.completion_tokens),
        )
    return corrected(settings, answers, replace(known, bound=True), outlook.generator)


def _requests(context: Context, brief: JudgeBrief, there: dict[str, int]) -> Iterator[Request]:
    """Each request once, for the written questions of the origins in `there`, which are counted in it."""
    seen: set[str] = set()
    for origin in there:
        for case in cases_of(context.reader, origins=(origin,)):
            if case.content_id not in seen:
                seen.add(case.content_id)
                there[origin] += 1
                yield judge_request(case, brief)


def _coming(context: Context, outlook: Outlook, origin: str, there: Mapping[str, int], typical: _Typical) -> int:
    """How many questions of an origin may come besides those in `there`."""
    if origin == "imported":
        return max(0, context.reader.count("imported_pairs") - there.get(origin, 0))
    if origin == "extractive":
        most = chunks_that_ask(context).height * typical.questions if context.settings.generate.extractive else 0
        return max(0, math.ceil(most) - there.get(origin, 0))
    generator = outlook.generator
    new = generator.calls + generator.under_way + (generator.stored if origin not in there else 0)
    return math.ceil(new * (_mean_questions(context) if outlook.written else 0) or new * typical.questions)


def _mean_questions(context: Context) -> float:
    """Questions of a language model a chunk, or group of chunks, that has any; 0 when there are none."""
    rows = context.reader.query("judge_counts").rows(named=True)
    return next((row["asked"] / row["sources"] for row in rows if row["origin"] == "llm"), 0.0)


def _typical(context: Context, brief: JudgeBrief) -> _Typical:
    """From the first passages, in an order without meaning."""
    role, settings = context.settings.llm.judge, context.settings.generate
    sample = list(passages(context, chunks_that_ask(context).sort("chunk_id").head(_SAMPLE)))
    if not sample:
        return _Typical()
    requests = [judge_request(_case(passage), brief) for passage in sample]
    return _Typical(
        sum(estimated_prompt_tokens(request) for request in requests) / len(sample),
        sum(expected_completion(role, request) for request in requests) / len(sample),
        sum(passage.bears(settings.questions_per_chunk) for passage in sample) / len(sample),
    )


def _case(passage: Passage) -> Case:
    return Case("", _QUESTION, (Shown(passage.chunk_id, passage.text, passage.heading_path),), "", passage.language)
