"""What the language-model judge says of a few planted and unplanted rows that pass all other gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from curate.calibrate.rates import Resampling
from curate.calibrate.sample import Sample
from curate.filter.gates import verdicts
from curate.stage import Context
from curate.verify.judge_prompt import Case, Shown
from curate.verify.judging import judge_rows
from schemas.errors import SettingsError
from schemas.reasons import Reason

MOST = 260
"""Rows that the judge is asked about: as many of each kind as of the unplanted ones."""


def judge_sample(context: Context, sample: Sample, failed: Sequence[frozenset[Reason]], resampling: Resampling) -> dict[str, Any]:
    """Ask the judge about up to 260 rows, and say what it catches and kills of those. Answers are kept: asking again costs nothing.

    Raises SettingsError when no judge is set, ProviderError when nothing can be asked.
    """
    if context.settings.llm.judge.model is None:
        raise SettingsError("no judge is set", where="calibrate --judge", next_step="--set llm.judge.model=NAME")
    chosen = _chosen(sample, failed)
    cases = [_case(sample.rows[i]) for i in chosen]
    judgements = judge_rows(context, cases, len(cases))
    on = context.settings.filter.model_copy(update={"judge": True})
    asked = np.zeros(len(sample.rows), dtype=np.bool_)
    stops = np.zeros(len(sample.rows), dtype=np.bool_)
    answers: Counter[str] = Counter()
    for i in chosen:
        columns = judgements.columns(sample.rows[i]["question_id"])
        answers[str(columns["judge"])] += 1
        # What was not answered says nothing of the judge.
        asked[i] = columns["judge"] not in ("missing", "not_asked")
        stops[i] = any(not verdict.passed for verdict in verdicts({**sample.rows[i], **columns}, on))
    return {
        "asked": int(asked.sum()),
        "answers": dict(sorted(answers.items())),
        "caught_of_what_passes": {kind: resampling.rate(stops, flags & asked).values() for kind, flags in sample.kinds.items()},
        "kills_of_sound": resampling.rate(stops, sample.sound & asked).values(),
        "false_kills_of_labelled_good": resampling.rate(stops, sample.good & asked).values(),
    }


def _chosen(sample: Sample, failed: Sequence[frozenset[Reason]]) -> list[int]:
    """Rows of each group that pass the other gates, by the order of their ids, which is as good as by lot."""
    groups = [sample.sound, *sample.kinds.values()]
    share = MOST // len(groups)
    chosen: list[int] = []
    for flags in groups:
        passing = [i for i in np.flatnonzero(flags).tolist() if not failed[i]]
        chosen += sorted(passing, key=lambda i: str(sample.rows[i]["question_id"]))[:share]
    return chosen


def _case(row: dict[str, Any]) -> Case:
    headings = tuple(row["headings"].split("\n")) if row["headings"] else ()
    shown = Shown(row["question_id"] if row["altered"] else row["chunk_id"], row["text"], headings)
    return Case(row["question_id"], row["question"], (shown,), row["document_id"], row["language"])
