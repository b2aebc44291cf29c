"""Judges by script: which requests ask for a verdict, and answers of judges that are right, blind, or broken."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Literal

from curate.llm.scripted.faults import spoilt
from curate.llm.scripted.reading import last_message, marked_passages, wanted_schema
from curate.llm.scripted.replies import Reply

JudgeKind = Literal["yes", "yes_wrong_quote", "yes_no_quote", "no", "random", "garbage", "truncated", "contradictory"]
JUDGES: tuple[JudgeKind, ...] = (
    "yes",
    "yes_wrong_quote",
    "yes_no_quote",
    "no",
    "random",
    "garbage",
    "truncated",
    "contradictory",
)
POINTS = ("answerable", "self_contained", "specific", "natural")

_QUESTION_MARK = re.compile(r"^=== question [^\n]*$", re.M)
_ELSEWHERE = "The tide tables of an unknown harbour were printed by nobody in particular."
_DENIED_OF = 8
"""One of so many made-up verdicts is a no."""

Answers = Callable[[dict[str, Any]], Reply]


def scripted_judge(kind: JudgeKind, seed: int = 13) -> Answers:
    """A judge for a server's answers. Equal requests get equal replies.

    yes: all four points, with a sentence of the passage; yes_wrong_quote: with a sentence that stands nowhere; yes_no_quote: with "".
    no: denies all four. random: half of the time all yes, else each point by lot, and the kind of quote by lot, from `seed`. garbage: no JSON. truncated: cut off inside the quote.
    contradictory: a yes and a no, as two objects or, by lot, as names that stand twice in one.
    """
    if kind not in JUDGES:
        raise ValueError(f"no judge named {kind!r}; known: {JUDGES}")

    return lambda body: _KINDS[kind](right_quote(body), _lot(body, seed))


def _at_random(right: str, lot: random.Random) -> Reply:
    denied = [point for point in POINTS if lot.random() < 0.5] if lot.random() < 0.5 else []
    return verdict_reply(lot.choice((right, _ELSEWHERE, "")), *denied)


def _contradiction(right: str, lot: random.Random) -> Reply:
    yes, no = verdict_reply(right).text, verdict_reply("", *POINTS).text
    return Reply(f"{yes}\n{no}" if lot.random() < 0.5 else f"{yes[:-1]}, {no[1:]}")


def by_role(generator: Answers, judge: Answers) -> Answers:
    """Answers of a server that plays both: requests for a verdict go to the judge."""
    return lambda body: (judge if is_judge_request(body) else generator)(body)


def is_judge_request(body: Mapping[str, Any]) -> bool:
    """Whether a verdict is asked for: by the schema of the answer; where the server takes none, by the mark around the question."""
    if body.get("response_format"):
        return set(POINTS) <= set(wanted_schema(body).get("properties", {}))
    return bool(_QUESTION_MARK.search(last_message(body)))


def verdict_reply(quote: str, *denied: str) -> Reply:
    """A well-formed verdict that denies these points."""
    return Reply(json.dumps({"quote": quote, **{point: point not in denied for point in POINTS}}, ensure_ascii=False))


def right_quote(body: Mapping[str, Any]) -> str:
    """A sentence of the passage that the request is about, of several the first."""
    return marked_passages(last_message(body))[0][0]


def made_up_verdict(body: Mapping[str, Any]) -> str:
    """For dry runs: mostly yes, with a right quote; by lot one point is denied."""
    lot = _lot(body, 0)
    denied = (lot.choice(POINTS),) if lot.randrange(_DENIED_OF) == 0 else ()
    return verdict_reply("" if "answerable" in denied else right_quote(body), *denied).text


_KINDS: dict[JudgeKind, Callable[[str, random.Random], Reply]] = {
    "yes": lambda right, _: verdict_reply(right),
    "yes_wrong_quote": lambda *_: verdict_reply(_ELSEWHERE),
    "yes_no_quote": lambda *_: verdict_reply(""),
    "no": lambda *_: verdict_reply("", *POINTS),
    "random": _at_random,
    "garbage": lambda right, _: spoilt("garbage", verdict_reply(right)),
    "truncated": lambda right, _: spoilt("truncated", verdict_reply(right)),
    "contradictory": _contradiction,
}


def _lot(body: Mapping[str, Any], seed: int) -> random.Random:
    content = json.dumps([body.get("messages"), body.get("seed")], sort_keys=True)
    return random.Random(int(sha256(f"{seed} {content}".encode()).hexdigest()[:16], 16))  # noqa: S311 (no secret)
