"""What to do about a fault: ask again after a while, give the request up, or stop the build."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NoReturn

from curate.llm.faults import is_rate_limit, is_taken, meaning, message, provider_error, retry_after_s, status_code
from schemas.settings import RoleSettings

SILENT = "not asked: the endpoint had stopped answering"
MOST_RATE_LIMITS = 30
"""So many times a request is told "too many requests" before it is given up; these do not count as `retries`."""
PATIENCE_S = 300.0
"""Seconds in which nobody gets an answer, only "too many requests", until the endpoint counts as down."""
_SILENT_AFTER = 8
"""So many requests in a row given up, retries included (or as many as run at once): the endpoint is down."""
_REFUSED_AFTER = 5
"""So many refused requests before the first answer: it is the settings, not the requests."""
_LONGEST_BACKOFF_S = 60.0
_LONGEST_RATE_BACKOFF_S = 8.0
"""Short, for the pace of all calls adapts meanwhile."""


@dataclass
class Tries:
    """What one request has been through."""

    faults: int = 0
    rate_limits: int = 0


@dataclass(frozen=True)
class Verdict:
    """What becomes of a request: asked again after `again_s`, or given up (None) for `failure`, and then maybe `owed`."""

    again_s: float | None = None
    failure: str = ""
    owed: bool = False


class Judgement:
    """Faults of one endpoint during one run, seen together: one fault says little, all of them say what is wrong."""

    def __init__(self, role: str, settings: RoleSettings, backoff_s: float) -> None:
        self.silent = False
        self._role, self._settings, self._backoff_s = role, settings, backoff_s
        self._heard = False
        self._answers = self._refusals = self._given_up_in_a_row = 0
        self._limited_since: float | None = None

    def answered(self) -> None:
        """An answer came."""
        self._heard = True
        self._answers += 1
        self._given_up_in_a_row = 0
        self._limited_since = None

    def of(self, fault: Exception, tries: Tries, key: str) -> Verdict:
        """The verdict on a fault of a request; its key spreads the waits. Raises ProviderError when no request can succeed."""
        self._heard = self._heard or status_code(fault) is not None
        kind = meaning(fault)
        if kind == "hard":
            self._stop(fault)
        if kind == "refused":
            self._refusals += 1
            if not self._answers and self._refusals >= _REFUSED_AFTER:
                self._stop(fault)
            return Verdict(failure=message(fault))
        if is_rate_limit(fault):
            return self._rate_limited(fault, tries, key)
        tries.faults += 1
        if tries.faults > self._settings.retries:
            return self._given_up(fault)
        return Verdict(again_s=self._wait_s(fault, tries.faults, _LONGEST_BACKOFF_S, key))

    def _rate_limited(self, fault: Exception, tries: Tries, key: str) -> Verdict:
        tries.rate_limits += 1
        now = time.monotonic()
        self._limited_since = now if self._limited_since is None else self._limited_since
        if now - self._limited_since > PATIENCE_S:
            self.silent = True
        if self.silent or tries.rate_limits > MOST_RATE_LIMITS:
            return self._given_up(fault)
        return Verdict(again_s=self._wait_s(fault, tries.rate_limits, _LONGEST_RATE_BACKOFF_S, key))

    def _given_up(self, fault: Exception) -> Verdict:
        self._given_up_in_a_row += 1
        nobody_there = not self._heard and not is_taken(fault)
        down = self.silent or self._given_up_in_a_row >= max(_SILENT_AFTER, self._settings.concurrency)
        if nobody_there or (down and not self._answers):
            self._stop(fault)
        self.silent = down
        return Verdict(failure=message(fault), owed=True)

    def _wait_s(self, fault: Exception, times: int, longest_s: float, key: str) -> float:
        asked = retry_after_s(fault)
        if asked is not None:
            return asked
        # Half a second, one, two … spread by the key so that a crowd does not come back at once.
        spread = 0.75 + int(key[:4], 16) / 0x1FFFE
        return min(self._backoff_s * 2.0 ** (times - 1), longest_s) * spread

    def _stop(self, fault: Exception) -> NoReturn:
        raise provider_error(fault, self._role, self._settings) from fault
