"""The language model judge by itself: its word on `answerable`, asked with the product's own prompt, answers kept in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.verify.judge_answer import read_answer
from curate.verify.judge_prompt import Case, Shown, judge_brief, judge_request
from schemas.settings import Settings
from train.labelled import Labelled

Ask = Callable[[Sequence[Mapping[str, str]]], str]
"""Messages in, the answer's text out."""

_SCORES = {frozenset({True}): 1.0, frozenset({False}): 0.0}
_UNKNOWN = 0.5
_MAX_TOKENS = 300


def judge_scores(rows: Sequence[Labelled], ask: Ask, model: str, kept: Path) -> npt.NDArray[np.float64]:
    """1 where the judge says answerable, 0 where it denies it, 0.5 where it says neither or both; known answers are not asked for again."""
    known = _known(kept)
    brief = judge_brief(Settings())
    found = []
    with kept.open("a", encoding="utf-8") as store:
        for row in rows:
            request = judge_request(Case("row", row.question, (Shown("passage", row.passage),), language="en"), brief)
            key = sha256(json.dumps([model, request.messages]).encode()).hexdigest()
            if key not in known:
                known[key] = ask(request.messages)
                store.write(json.dumps({"key": key, "answer": known[key]}) + "\n")
                store.flush()
            found.append(_SCORES.get(read_answer(known[key]).points["answerable"], _UNKNOWN))
    return np.asarray(found)


def endpoint(url: str, model: str) -> Ask:
    """A chat endpoint of the OpenAI kind; its key, if any, from OPENAI_API_KEY."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"))

    def ask(messages: Sequence[Mapping[str, str]]) -> str:
        sent: Any = list(messages)
        answer = client.chat.completions.create(model=model, messages=sent, temperature=0, max_tokens=_MAX_TOKENS)
        return answer.choices[0].message.content or ""

    return ask


def _known(kept: Path) -> dict[str, str]:
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        return {}
    found = {}
    for line in kept.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        found[entry["key"]] = entry["answer"]
    return found
