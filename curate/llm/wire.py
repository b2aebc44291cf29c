"""What goes over the wire: the arguments of a chat call, and what is read out of its reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.llm.answers import StoredAnswer, clean_text
from schemas.settings import RoleSettings

REPEAT_TEMPERATURE = 0.3
"""Of the second attempt at a request that is otherwise made at 0."""


@dataclass(frozen=True)
class Request:
    """One call. `prompt` is the sha256 of the prompt file, `schema` the JSON schema of the answer; both are part of the key."""

    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any] | None = None
    prompt: str = ""
    seed: int = 0
    expected_tokens: int = 0
    """Tokens the answer is expected to have; shapes plans, not answers."""


def call_parameters(
    settings: RoleSettings, request: Request, attempt: int, untaken: frozenset[str]
) -> tuple[dict[str, Any], list[str]]:
    """Arguments of the call without what the endpoint does not take, and the features in it that it may yet refuse."""
    used = [name for name in ("temperature", "seed", "max_tokens") if name not in untaken]
    length = "max_tokens" if "max_tokens" in used else "max_completion_tokens"
    parameters: dict[str, Any] = {
        "model": settings.model,
        "messages": list(request.messages),
        length: settings.max_output_tokens,
    }
    if "temperature" in used:
        # At 0 the same request would bring the same useless answer again.
        parameters["temperature"] = settings.temperature or (REPEAT_TEMPERATURE if attempt else 0.0)
    if "seed" in used:
        parameters["seed"] = request.seed + attempt
    if request.schema is not None:
        if "json_schema" not in untaken:
            inner = {"name": "answer", "schema": request.schema, "strict": True}
            parameters["response_format"] = {"type": "json_schema", "json_schema": inner}
            used.insert(0, "json_schema")
        elif "json_object" not in untaken:
            # Several local servers hold the answer to this schema though they know no "json_schema".
            parameters["response_format"] = {"type": "json_object", "schema": request.schema}
            used.insert(0, "json_object")
    return parameters, used


def read_completion(completion: object, seconds: float) -> StoredAnswer:
    """The answer in a chat completion, read from JSON. Raises ValueError when a server sends something else with status 200."""
    said = _part(_first(_part(completion, "choices")), "message")
    if said is None:
        raise ValueError("the server sent no chat completion")
    text, usage = _part(said, "content"), _part(completion, "usage")
    return StoredAnswer(
        text=clean_text(text) if isinstance(text, str) else "",
        finish_reason=str(_part(_first(_part(completion, "choices")), "finish_reason") or ""),
        seconds=round(seconds, 3),
        prompt_tokens=_count(_part(usage, "prompt_tokens")),
        completion_tokens=_count(_part(usage, "completion_tokens")),
    )


def _part(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
