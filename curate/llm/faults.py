"""What an error of an endpoint means: try again, ask differently, give up this request, or stop the build."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

from schemas.errors import ProviderError
from schemas.settings import RoleSettings

Meaning = Literal["passing", "refused", "hard"]

_HARD_CODES = (401, 402, 403, 404)
_REFUSING_CODES = (400, 413, 422)
_LOAD_CODES = (429, 503, 529)
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit", "exceeded your current quota")
MAX_RETRY_AFTER_S = 600.0
_TRY_AGAIN_IN = re.compile(r"(?:try again|retry) in (\d+(?:\.\d+)?) ?(ms|s|m)", re.I)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}

_FORMAT_WORDS = ("response_format", "json_schema", "json schema", "json_object", "structured output", "grammar")
FEATURE_WORDS: dict[str, tuple[str, ...]] = {
    "json_schema": _FORMAT_WORDS,
    "json_object": _FORMAT_WORDS,
    "max_tokens": ("max_completion_tokens",),
    "temperature": ("temperature",),
    "seed": ("seed",),
}
"""What can be left out of a request, and the words by which a server says that it must be."""
_BROKEN_OFF = {"ReadError", "WriteError", "RemoteProtocolError"}
"""Errors of httpx, under either of the names of that library that releases of openai use."""
_TOO_LONG = ("context length", "context_length", "context window", "too long", "too many tokens", "maximum context")


def meaning(error: Exception) -> Meaning:
    """Passing: the same request may succeed later. Refused: this request never will. Hard: no request will."""
    code = status_code(error)
    if code is None:
        return "passing"
    text = message(error).lower()
    # Some say "quota" of a limit that ends within a minute, and then say when.
    if code in _HARD_CODES or (code == 429 and any(word in text for word in _NO_QUOTA) and retry_after_s(error) is None):
        return "hard"
    return "refused" if code in _REFUSING_CODES else "passing"


def untaken_feature(error: Exception, used: Iterable[str], proven: bool) -> str | None:
    """The feature of the request that the server does not take, or None when it complains of something else.

    `proven`: an answer has already come back with this response format, so the format is not to blame. Servers answer an unknown format with
    400, 422 or even 500 (llama.cpp's Python server), and do not always name it.
    """
    code = status_code(error)
    if code is None or (code not in _REFUSING_CODES and code not in (500, 501)):
        return None
    text = message(error).lower()
    used = list(used)
    for feature in used:
        if any(word in text for word in FEATURE_WORDS[feature]):
            return feature
    if proven or code in (500, 501) or any(words in text for words in _TOO_LONG):
        return None
    return next((feature for feature in used if feature.startswith("json_")), None)


def is_rate_limit(error: Exception) -> bool:
    """Whether the endpoint says that there are too many requests."""
    return status_code(error) == 429


def is_load(error: Exception) -> bool:
    """Whether the endpoint says that it has too much to do."""
    return status_code(error) in _LOAD_CODES


def is_timeout(error: Exception) -> bool:
    """Whether no answer came in time."""
    import openai  # 0.4 s to load

    return isinstance(error, openai.APITimeoutError | TimeoutError)


def is_taken(error: Exception) -> bool:
    """Whether somebody took the request: a status came back, no answer came in time, or the connection broke off before the answer."""
    broken = any(kind.__name__ in _BROKEN_OFF for kind in type(error.__cause__).__mro__)
    return status_code(error) is not None or is_timeout(error) or broken


def status_code(error: Exception) -> int | None:
    """HTTP status of the answer, or None when there was none."""
    code = getattr(error, "status_code", None)
    return code if isinstance(code, int) else None


def message(error: Exception) -> str:
    """What the server or the network said, in one line of at most 300 characters, without anything that looks like a key."""
    text = " ".join(str(error).split()) or type(error).__name__
    cause = error.__cause__
    if status_code(error) is None and cause is not None and str(cause):
        text = f"{text} ({' '.join(str(cause).split())})"
    return re.sub(r"\b(?:sk|key|gsk|hf|Bearer)[-_ ][\w*.\-]{6,}", "[key]", text)[:300]


def retry_after_s(error: Exception, now: datetime | None = None) -> float | None:
    """Seconds the server asked to wait, at most ten minutes; None when it did not ask.

    Read from `retry-after-ms`, `retry-after` (a number or an HTTP date), or a message like "try again in 1.5s".
    """
    response = getattr(error, "response", None)
    headers = response.headers if response is not None else {}
    seconds = _number(headers.get("retry-after-ms"), 0.001)
    if seconds is None:
        value = headers.get("retry-after")
        seconds = _number(value)
        if seconds is None and value:
            seconds = _until(value, now or datetime.now(UTC))
    if seconds is None and status_code(error) in _LOAD_CODES and (said := _TRY_AGAIN_IN.search(str(error))):
        seconds = _number(said[1], _SECONDS[said[2].lower()])
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _number(value: str | None, unit: float = 1.0) -> float | None:
    try:
        number = float(value) * unit if value else None
    except ValueError:
        return None
    return None if number is None or math.isnan(number) else number


def _until(value: str, now: datetime) -> float | None:
    try:
        return (parsedate_to_datetime(value) - now).total_seconds()
    except (TypeError, ValueError):
        return None


def shown_url(url: str) -> str:
    """The address without user name, password and query, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not an address)"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}" if host else "(not an address)"


def provider_error(error: Exception, role: str, settings: RoleSettings) -> ProviderError:
    """The error that stops the build, naming the endpoint and the setting to look at."""
    where, url, code = f"llm.{role}", shown_url(settings.base_url), status_code(error)
    if code in (401, 403):
        # What the server says is left out here: some repeat the key.
        what = f"{url} refused the key in {settings.api_key_env} ({code})"
        step = f"put a valid key into the environment variable {settings.api_key_env}, or name another with {where}.api_key_env"
    elif code == 404:
        what = f"{url} has no model {settings.model!r} or is no chat endpoint (404: {message(error)})"
        step = f"check {where}.model and {where}.base_url (it usually ends in /v1)"
    elif code == 429 and meaning(error) != "hard":
        what = f"{url} answers none of the requests, it says that they are too many ({code}: {message(error)})"
        step = f"lower {where}.concurrency or wait, then run the same command again; answers already given are kept"
    elif code in (402, 429):
        what = f"{url} says that the quota is used up ({code}: {message(error)})"
        step = "raise the quota, then run the same command again; answers already given are kept"
    elif code in _REFUSING_CODES:
        what = f"{url} refuses every request ({code}: {message(error)})"
        step = f"check {where}.model, {where}.max_output_tokens and {where}.temperature"
    elif is_timeout(error):
        what = f"{url} gives no answer in {settings.timeout_s:g} s"
        step = f"raise {where}.timeout_s or lower {where}.concurrency, then run the same command again; answers already given are kept"
    else:
        what = f"{url} does not answer ({message(error)})"
        step = f"start the server or set {where}.base_url, then run the same command again; answers already given are kept"
    return ProviderError(what, where=where, next_step=step)
