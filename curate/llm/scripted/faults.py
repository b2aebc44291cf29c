"""Faults by plan: which requests go wrong, and how, follows from a seed and the content of the request alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from curate.llm.scripted.replies import Reply, error_reply

SENT = ("429", "500", "reset", "timeout")
"""Faults on the way: another try may get through."""
SAID = ("empty", "truncated", "garbage", "wrong_schema", "wrong_count")
"""Faults of the answer itself: the same request always gets it, so that two runs agree wherever they are stopped."""
KINDS = SENT + SAID
_GARBAGE = "▒▒ lorem }{ ipsum <|im_end|> \x0b 1. 1. 1."


@dataclass
class FaultPlan:
    """Makes `share` of the replies of `answers` go wrong, each of `kinds` equally often. Use it as a server's `default`.

    Faults on the way are drawn anew for each arrival of the same request; faults of the answer once for each content.
    """

    answers: Callable[[dict[str, Any]], Reply]
    share: float = 0.2
    seed: int = 13
    kinds: tuple[str, ...] = KINDS
    timeout_s: float = 600.0
    made: dict[str, int] = field(default_factory=dict)
    """How often each kind was sent."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"no faults named {unknown}; known: {KINDS}")
        self._arrivals: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        """The reply to a request, right or wrong."""
        content = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self._lock:
            arrival = self._arrivals[content] = self._arrivals.get(content, 0) + 1
        kind = self._drawn(SENT, content, arrival) or self._drawn(SAID, content, 0)
        if kind is None:
            return self.answers(body)
        with self._lock:
            self.made[kind] = self.made.get(kind, 0) + 1
        return self._on_the_way(kind) or spoilt(kind, self.answers(body))

    def _drawn(self, group: tuple[str, ...], content: str, arrival: int) -> str | None:
        kinds = [kind for kind in group if kind in self.kinds]
        lot = int(sha256(f"{self.seed} {arrival} {content}".encode()).hexdigest()[:12], 16) / 16**12
        each = self.share / len(self.kinds) if kinds else 0.0
        return kinds[int(lot / each)] if lot < each * len(kinds) else None

    def _on_the_way(self, kind: str) -> Reply | None:
        made: Mapping[str, Reply] = {
            "429": error_reply(429, "too many requests", retry_after="0"),
            "500": error_reply(500),
            "reset": Reply(drop=True),
            "timeout": Reply(drop=True, delay_s=self.timeout_s),
        }
        return made.get(kind)


def spoilt(kind: str, reply: Reply) -> Reply:
    """An answer gone wrong in one of the ways of `SAID`."""
    if kind == "empty":
        return replace(reply, text="")
    if kind == "truncated":
        return replace(reply, text=reply.text[: len(reply.text) // 3], finish_reason="length")
    if kind == "garbage":
        return replace(reply, text=_GARBAGE)
    if kind == "wrong_schema":
        return replace(reply, text=json.dumps({"result": {"status": "ok", "score": 0.5}}))
    return replace(reply, text=_recounted(reply.text))


def _recounted(text: str) -> str:
    """Every list of the answer with its first item once more, four times."""
    try:
        value = json.loads(text)
    except ValueError:
        return text + text
    if isinstance(value, dict):
        value = {name: [*part, *part[:1] * 4] if isinstance(part, list) else part for name, part in value.items()}
    return json.dumps(value, ensure_ascii=False)
