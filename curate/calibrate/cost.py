"""What the checks behind the gates cost: seconds for a row, measured on rows of the sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from curate.text import count_words
from curate.verify.form import question_form
from curate.verify.quotes import evidence_span, stands_in, word_overlap
from curate.verify.ranks import Own, own_places
from curate.verify.scoring import Scorer, language_match
from curate.verify.specific import specific_words
from curate.verify.support import answer_overlap, negation_differs, unsupported_names, unsupported_numbers
from curate.verify.wording import context_bound

Row = dict[str, Any]

ROWS = 200

_CHECKS: dict[str, Callable[[Row], object]] = {
    "question_form": lambda row: question_form(row["question"]),
    "context_bound": lambda row: context_bound(row["question"]),
    "verbatim": lambda row: stands_in(row["question"], row["passage"]),
    "evidence_found": lambda row: evidence_span(row["evidence"], row["text"]),
    "evidence_words": lambda row: count_words(row["evidence"] or ""),
    "language_match": lambda row: language_match(row["question"], row["text"], row["style"]),
    "word_overlap": lambda row: word_overlap(row["question"], row["passage"]),
    "unsupported_numbers": lambda row: unsupported_numbers(_said(row), _source(row)),
    "unsupported_names": lambda row: unsupported_names(_said(row), _source(row)),
    "negation_differs": lambda row: negation_differs(row["question"], row["answer"], row["evidence"]),
    "answer_overlap": lambda row: answer_overlap(row["answer"], _source(row)),
}


def seconds_per_row(scorer: Scorer, rows: Sequence[Row]) -> dict[str, float]:
    """Check → seconds for one row, the mean over up to 200 rows in the order given; models are left out, as their scores are kept."""
    few = list(islice(rows, ROWS))
    for check in _CHECKS.values():  # tables and stemmers are loaded once, not for each row
        check(few[0])
    found = {name: _timed(check, few) for name, check in _CHECKS.items()}
    found["bm25_rank"] = _timed(
        lambda row: own_places(scorer.corpus, [row["question"]], [Own(row["chunk_id"])], scorer.settings.rank_window), few
    )
    found["specific_words"] = _timed(lambda row: specific_words(row["question"], scorer.corpus.common), few)
    return found


def _timed(check: Callable[[Row], object], rows: Sequence[Row]) -> float:
    started = time.perf_counter()
    for row in rows:
        check(row)
    return round((time.perf_counter() - started) / len(rows), 7)


def _said(row: Row) -> str:
    return f"{row['question']}\n{row['answer']}" if row["answer"] else str(row["question"])


def _source(row: Row) -> str:
    return "\n".join(part for part in (row["headings"], row["text"], *(row["others"] or ())) if part)
