"""The judge of stage `verify`: every question asked about once, and what its answers amount to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.llm import (
    ATTEMPTS,
    Answer,
    AnswerStore,
    Asker,
    Request,
    Role,
    Run,
    answer_key,
    channel_of,
    endpoint_key,
    open_asker,
    shown_model,
    stop_note,
)
from curate.stage import Context
from curate.text import counted
from curate.verify.judge_answer import Judgement, is_usable, judgement
from curate.verify.judge_prompt import Case, JudgeBrief, judge_brief, judge_request
from schemas.settings import JudgeSettings, LlmSettings

ROLE: Role = "judge"
STAGE_NAME = "verify"


@dataclass
class Judgements:
    """What became of each question that was handed over."""

    keys: dict[str, str] = field(default_factory=dict)
    """Question id → key of its request; rows of one question that needs several chunks share it."""
    found: dict[str, Judgement] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    unasked: int = 0
    failed: int = 0
    """Requests that were left without an answer."""

    def of(self, question_id: str) -> Judgement:
        """The judgement of a question; an empty one when it was not handed over."""
        key = self.keys.get(question_id)
        return Judgement() if key is None else self.found[key]

    def columns(self, question_id: str) -> dict[str, Any]:
        """judge, judge_failed and judge_note of a row of `checks`."""
        return self.of(question_id).columns()


def judge_rows(context: Context, cases: Iterable[Case], total: int | None = None) -> Judgements:
    """Ask the judge about all cases, in the order given (`cases_of` and `in_turn` spread it over documents), and say by notes what that cost and what is missing.

    Questions that are left without an answer for a passing reason are appended to `context.owed`. `cases` is taken lazily; `total` is for
    progress alone. Raises SettingsError for a prompt or provider that cannot be used, ProviderError when nothing can be asked.
    """
    llm, brief, judged = context.settings.llm, judge_brief(context.settings), Judgements()
    with AnswerStore(Path(context.folder)) as store:
        asker = open_asker(ROLE, llm, store, stage=STAGE_NAME)
        started = time.monotonic()
        try:
            _settle(context, asker, judged, _Waiting(brief, llm.judge, judged, iter(cases)), total)
        finally:
            seconds = round(time.monotonic() - started, 3)
            who = (shown_model(llm.judge), channel_of(llm.judge))
            store.record_run(Run(STAGE_NAME, ROLE, *who, asker.calls, asker.hits, judged.failed, seconds))
        context.note(f"Judge: {counted(asker.calls, 'call')} made, {counted(asker.hits, 'answer')} from the store.")
        if judged.keys and is_generator(llm):
            context.note(
                f"The judge is the generator itself ({shown_model(llm.judge)}) and lenient with its own questions; "
                "set llm.judge.model to another model."
            )
        if judged.unasked:
            context.note(f"Judge: {stop_note(llm, store, judged.unasked)}")
    missing = len(judged.owed) - judged.unasked
    if missing:
        context.note(
            f"The judge left {counted(missing, 'request')} unanswered; run the same command again to ask for just what is missing."
        )
    context.owed.extend(sorted(judged.owed))
    return judged


def in_turn(cases: Iterable[Case]) -> list[Case]:
    """One question of each document first, then a second of each …, so that what a budget pays for is spread over all of them."""
    last: dict[str, tuple[int, str]] = {}
    turns: list[tuple[int, str, str, Case]] = []
    for case in sorted(cases, key=lambda case: (case.content_id, case.question_id)):
        turn, before = last.get(case.document_id, (0, ""))
        # Rows of one question are one request.
        last[case.document_id] = turn, _ = (turn + (before != case.content_id), case.content_id)
        turns.append((turn, case.content_id, case.question_id, case))
    return [case for *_, case in sorted(turns, key=lambda one: one[:3])]


def is_generator(llm: LlmSettings) -> bool:
    """Whether the judge would judge its own questions: the same model behind the same endpoint."""
    writer, judge = llm.generator, llm.judge
    if writer.model is None or judge.model is None:
        return False
    if "transformers" in (writer.provider, judge.provider):
        return writer.provider == judge.provider and endpoint_key(writer) == endpoint_key(judge)
    same_place = writer.base_url.rstrip("/") == judge.base_url.rstrip("/") or endpoint_key(writer) == endpoint_key(judge)
    return same_place and writer.model == judge.model


def attempts_of(role: JudgeSettings) -> int:
    """How often a request is made whose answer is of no use: a model in this process that draws nothing would only say it again."""
    return 1 if role.provider == "transformers" and role.temperature == 0 else ATTEMPTS


class _Waiting:
    """Makes requests of cases as they are asked for, and knows the passages of those that have no answer yet."""

    def __init__(self, brief: JudgeBrief, role: JudgeSettings, judged: Judgements, cases: Iterator[Case]) -> None:
        self._brief, self._role, self._judged, self._cases = brief, role, judged, cases
        self._texts: dict[str, tuple[str, ...]] = {}

    def requests(self) -> Iterator[Request]:
        """One request for each that differs: the same one twice at a time would be paid twice."""
        known: set[str] = set()
        for case in self._cases:
            request = judge_request(case, self._brief)
            key = answer_key(self._role, request, 0)
            self._judged.keys[case.question_id] = key
            if key not in known:
                known.add(key)
                self._texts[key] = tuple(passage.text for passage in case.passages)
                yield request

    def texts(self, key: str) -> tuple[str, ...]:
        """The passages of a request that is answered now."""
        return self._texts.pop(key)


def _settle(context: Context, asker: Asker, judged: Judgements, waiting: _Waiting, total: int | None) -> None:
    with closing(asker.settle(waiting.requests(), is_usable, attempts_of(context.settings.llm.judge))) as answers:
        for done, answer in enumerate(answers, 1):
            context.progress(done, total)
            judged.found[answer.key] = _judgement(answer, waiting.texts(answer.key))
            judged.failed += bool(answer.failure)
            if answer.owed:
                judged.owed.add(answer.key)
                judged.unasked += answer.unasked


def _judgement(answer: Answer, texts: tuple[str, ...]) -> Judgement:
    if answer.unasked:
        return Judgement("not_asked", (), answer.failure)
    if answer.owed:
        return Judgement("missing", (), answer.failure)
    if answer.failure:
        return Judgement("unknown", (), f"refused: {answer.failure}")
    return judgement(answer.text, texts)
