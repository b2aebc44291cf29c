"""The scripted server itself: it speaks chat completions, embeddings, models, files and batches over HTTP, and remembers what was asked."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from curate.llm.scripted.jobs import Jobs
from curate.llm.scripted.replies import Reply, error_reply, json_reply, questions_reply, reply_data
from curate.llm.scripted.vectors import vectors_reply

Hook = Callable[[str], Reply | None]
"""Given "METHOD /path", the reply to send in place of the server's own, or None."""
FEATURES = ("json_schema", "json_object", "temperature", "seed", "max_tokens", "max_completion_tokens")


class ScriptedServer:
    """Queued replies first, then `default` of each request body. `history` holds the bodies in order of arrival.

    `embed` answers requests for embeddings. Lines of a batch are answered, and remembered, like live calls. `refuses` names features (`FEATURES`) that are answered with 400.
    """

    def __init__(
        self, default: Callable[[dict[str, Any]], Reply] | None = None, *, port: int = 0, refuses: Iterable[str] = ()
    ) -> None:
        self.default = default or (lambda _: questions_reply("What is scripted?"))
        self.embed: Callable[[dict[str, Any]], Reply] = vectors_reply
        self.refuses = frozenset(refuses)
        self.queue: deque[Reply] = deque()
        self.history: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.calls: list[str] = []
        """"METHOD /path" of every call, whatever became of it."""
        self.before: Hook = lambda _: None
        """Called before a call is served; with a reply of its own, nothing is done."""
        self.after: Hook = lambda _: None
        """Called when a call was served; with a reply of its own, what was done is never heard of."""
        self.models: tuple[str, ...] = ("scripted",)
        self.most_at_once = self.answered = 0
        self.remembers = True
        """Off for a server that runs for long: nothing is kept of what was asked."""
        self.closing = threading.Event()
        self._at_once = 0
        self.lock = threading.Lock()
        self.one_at_a_time = threading.Lock()
        self.batches = Jobs(self.take)
        self._server = _Server(self, port)
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
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
        """The reply to a request for a chat completion or (with `input`) for embeddings, which goes into the history."""
        with self.lock:
            self.answered += 1
            if self.remembers:
                self.history.append(body)
                self.headers.append(headers or {})
            queued = self.queue.popleft() if self.queue else None
        return queued or self._refusal(body) or (self.embed if "input" in body else self.default)(body)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Counts the live requests that are being replied to."""
        with self.lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self.lock:
                self._at_once -= 1

    def _refusal(self, body: dict[str, Any]) -> Reply | None:
        used = {*body, str((body.get("response_format") or {}).get("type"))}
        refused = sorted(used & self.refuses)
        if not refused:
            return None
        name = "response_format" if refused[0].startswith("json_") else refused[0]
        return error_reply(400, f"Unsupported parameter: '{name}' ({refused[0]}) is not supported with this model.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    """Many clients may connect at once; with the default of five the kernel turns some away, and they wait a second."""

    def __init__(self, script: ScriptedServer, port: int) -> None:
        self.script = script
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or is killed, is no fault of the script; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection; what it answers is the script's."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve(b"")

    def do_DELETE(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._read())

    def _read(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(self.headers.get("content-length", "0"))
            data = self.rfile.read(length)
            if len(data) < length:
                raise ConnectionAbortedError("the client went away in the middle of a request")
            return data
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self, data: bytes) -> None:
        call = f"{self.command} {urlsplit(self.path).path}"
        if self.server.script.remembers:
            with self.server.script.lock:
                self.server.script.calls.append(call)
        reply, text = self._reply(call, data)
        if reply.drop:
            self.close_connection = True
            return
        self._send(reply, text.encode())

    def _reply(self, call: str, data: bytes) -> tuple[Reply, str]:
        instead = self.server.script.before(call)
        if instead is None and call.endswith(("/chat/completions", "/embeddings")):
            return self._ask(data)
        if instead is None:
            with self.server.script.one_at_a_time:
                own = _route(self.server.script, call, self.path, (data, self.headers.get("content-type", "")))
            instead = self.server.script.after(call) or own
        if instead.delay_s:
            self.server.script.closing.wait(instead.delay_s)
        return instead, instead.body or ""

    def _ask(self, data: bytes) -> tuple[Reply, str]:
        body = json.loads(data)
        with self.server.script.at_once():
            reply = self.server.script.take(body, {name.lower(): value for name, value in self.headers.items()})
            if reply.delay_s:
                self.server.script.closing.wait(reply.delay_s)
        return reply, reply_data(reply, body)

    def _send(self, reply: Reply, data: bytes) -> None:
        phrase = self.responses.get(HTTPStatus(reply.status), ("",))[0]
        head = {"content-type": "application/json", **reply.headers, "content-length": str(len(data))}
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        try:
            # One write for head and body: two would wait for each other on the wire.
            self.wfile.write("\r\n".join(lines).encode() + data)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


def _route(script: ScriptedServer, call: str, path: str, sent: tuple[bytes, str]) -> Reply:
    """What the batch protocol and the list of models say."""
    method, _, rest = call.partition(" ")
    asked, jobs = parse_qs(urlsplit(path).query), script.batches
    match (method, *(part for part in rest.split("/") if part and part != "v1")):
        case ("GET", "models"):
            listed = [{"id": name, "object": "model", "created": 0, "owned_by": "scripted"} for name in script.models]
            reply = json_reply({"object": "list", "data": listed})
        case ("POST", "files"):
            reply = jobs.upload(*sent)
        case ("GET", "files", name, "content"):
            reply = jobs.content(name)
        case ("POST", "batches"):
            reply = jobs.create(json.loads(sent[0]))
        case ("GET", "batches"):
            reply = jobs.listed(asked.get("after", [None])[0], int(asked.get("limit", ["20"])[0]))
        case ("GET", "batches", name):
            reply = jobs.retrieve(name)
        case ("POST", "batches", name, "cancel"):
            reply = jobs.cancel(name)
        case _:
            reply = error_reply(404, f"no such path: {rest}")
    return reply
