"""A real HTTP server on loopback that speaks the chat protocol from a script: answers and faults, and a history of what was asked."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
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


def error_reply(status: int, message: str = "scripted fault", code: str | None = None, **headers: str) -> Reply:
    """An error in OpenAI's form; underscores in header names become hyphens."""
    body = json.dumps({"error": {"message": message, "type": "scripted", "param": None, "code": code}})
    return Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def questions_reply(*questions: str, **fields: str) -> Reply:
    """A well-formed answer."""
    return Reply(json.dumps({"questions": [{"question": question, **fields} for question in questions]}, ensure_ascii=False))


class ScriptedServer:
    """Queued replies first, then `default` of each request body. `history` holds the bodies in order of arrival."""

    def __init__(self, default: Callable[[dict[str, Any]], Reply] | None = None) -> None:
        self.default = default or (lambda _: questions_reply("What is scripted?"))
        self.queue: deque[Reply] = deque()
        self.history: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL to configure."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def enqueue(self, *replies: Reply) -> None:
        """Give these replies to the next requests, whatever they are."""
        self.queue.extend(replies)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        """The reply to a request, which goes into the history."""
        with self._lock:
            self.history.append(body)
            self.headers.append(headers)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return self.queue.popleft() if self.queue else self.default(body)

    def done(self) -> None:
        """A request has been replied to."""
        with self._lock:
            self._at_once -= 1


def _handler(script: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = json.loads(self.rfile.read(length))
            reply = script.take(body, {name.lower(): value for name, value in self.headers.items()})
            time.sleep(reply.delay_s)
            script.done()
            if reply.drop:
                self.close_connection = True
                return
            data = (reply.body if reply.body is not None else _completion(reply, body)).encode()
            try:
                self.send_response(reply.status)
                for name, value in {
                    "content-type": "application/json",
                    **reply.headers,
                    "content-length": str(len(data)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    return Handler


def _completion(reply: Reply, body: dict[str, Any]) -> str:
    message = {"role": "assistant", "content": reply.text}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    whole = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice], "usage": usage}
    return json.dumps(whole)
