"""What the scripted server sends: a reply, and the JSON of a chat completion or an error made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What to send: a chat completion with `text`, unless status is an error, `body` is given, or the line is dropped."""

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: str | None = None
    finish_reason: str = "stop"
    drop: bool = False
    usage: tuple[int, int] | None = (7, 5)
    """Tokens of the prompt and of the answer, as the server will have counted them; None: it does not tell."""


def error_reply(status: int, message: str = "scripted fault", code: str | None = None, **headers: str) -> Reply:
    """An error in OpenAI's form; underscores in header names become hyphens."""
    body = json.dumps({"error": {"message": message, "type": "scripted", "param": None, "code": code}})
    return Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def questions_reply(*questions: str, **fields: str) -> Reply:
    """A well-formed answer."""
    return Reply(json.dumps({"questions": [{"question": question, **fields} for question in questions]}, ensure_ascii=False))


def json_reply(value: Any) -> Reply:
    """Any JSON value."""
    return Reply(body=json.dumps(value))


def reply_data(reply: Reply, request: Mapping[str, Any]) -> str:
    """The body to send for a chat request."""
    return reply.body if reply.body is not None else json.dumps(completion(reply, request))


def completion(reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": reply.text}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    head = {"id": "x", "object": "chat.completion", "created": 0, "model": request.get("model")}
    whole = {**head, "choices": [choice]}
    if reply.usage is None:
        return whole
    prompt, answer = reply.usage
    return whole | {"usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}}
