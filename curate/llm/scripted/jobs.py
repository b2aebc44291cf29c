"""The batch protocol of the scripted server: uploaded files, and jobs that go through their states poll by poll."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from curate.llm.scripted.replies import Reply, completion, error_reply, json_reply

End = Literal["completed", "failed", "expired", "cancelled"]
_STATES = ("validating", "in_progress", "finalizing")
MAX_LINES = 50_000


@dataclass(frozen=True)
class BatchPlan:
    """What becomes of a batch: it is ready after `polls` looks at it and `latency_s` seconds, and then ends like this."""

    polls: int = 0
    latency_s: float = 0.0
    end: End = "completed"
    answered: float = 1.0
    """Share of the lines that are answered before the end; the others are lines of the error file."""
    errors: tuple[tuple[str, str], ...] = ()
    """(code, message) of a failed batch."""


@dataclass
class _Job:
    id: str
    input_file_id: str
    metadata: dict[str, str]
    plan: BatchPlan
    created: float = field(default_factory=time.time)
    looks: int = 0
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    counts: tuple[int, int, int] = (0, 0, 0)

    def shown(self) -> dict[str, Any]:
        """The batch as the protocol shows it."""
        total, completed, failed = self.counts
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "created_at": int(self.created),
            "input_file_id": self.input_file_id,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "status": self.status,
            "metadata": self.metadata,
            "request_counts": {"total": total, "completed": completed, "failed": failed},
        }


class Jobs:
    """Files and batches of a server. `answer` replies to one line, just as a live call would be replied to."""

    def __init__(self, answer: Callable[[dict[str, Any]], Reply]) -> None:
        self.plan = BatchPlan()
        self.plans: deque[BatchPlan] = deque()
        """Plans of the next batches, before `plan`."""
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, _Job] = {}
        self._answer = answer

    def upload(self, data: bytes, content_type: str) -> Reply:
        """`POST /files` as a multipart form."""
        form = read_form(data, content_type)
        if form.get("purpose") != b"batch" or "file" not in form:
            return error_reply(400, "a file and the purpose 'batch' are needed")
        return json_reply(self._shown_file(self._keep("in", form["file"])))

    def content(self, name: str) -> Reply:
        """`GET /files/ID/content`."""
        data = self.files.get(name)
        return error_reply(404, f"No such File object: {name}") if data is None else Reply(body=data.decode())

    def create(self, wanted: dict[str, Any]) -> Reply:
        """`POST /batches`."""
        source = str(wanted.get("input_file_id"))
        if source not in self.files:
            return error_reply(400, f"No such File object: {source}")
        if (wanted.get("endpoint"), wanted.get("completion_window")) != ("/v1/chat/completions", "24h"):
            return error_reply(400, "endpoint must be /v1/chat/completions and completion_window 24h")
        plan = self.plans.popleft() if self.plans else self.plan
        job = _Job(f"batch_{len(self.jobs) + 1}", source, dict(wanted.get("metadata") or {}), plan)
        self.jobs[job.id] = job
        return json_reply(job.shown())

    def listed(self, after: str | None, limit: int) -> Reply:
        """`GET /batches`, newest first."""
        newest = list(reversed(self.jobs))
        start = newest.index(after) + 1 if after in newest else 0
        page = newest[start : start + limit]
        shown = [self.jobs[name].shown() for name in page]
        more = start + limit < len(newest)
        ends = {"first_id": page[0], "last_id": page[-1]} if page else {"first_id": None, "last_id": None}
        return json_reply({"object": "list", "data": shown, "has_more": more, **ends})

    def retrieve(self, name: str) -> Reply:
        """`GET /batches/ID`: one look, which may be the one that finds it ready."""
        job = self.jobs.get(name)
        if job is None:
            return error_reply(404, f"No batch found with id '{name}'.")
        job.looks += 1
        if job.status in _STATES:
            waited = 1.0 if not job.plan.latency_s else (time.time() - job.created) / job.plan.latency_s
            looked = 1.0 if not job.plan.polls else (job.looks - 1) / job.plan.polls
            done = min(waited, looked)
            if done < 1:
                job.status = _STATES[int(done * len(_STATES))]
            else:
                self._finish(job, job.plan.end, job.plan.answered)
        return json_reply(job.shown())

    def cancel(self, name: str) -> Reply:
        """`POST /batches/ID/cancel`: nothing that is not answered yet will be."""
        job = self.jobs.get(name)
        if job is None:
            return error_reply(404, f"No batch found with id '{name}'.")
        if job.status in _STATES:
            self._finish(job, "cancelled", 0.0)
        return json_reply(job.shown())

    def _finish(self, job: _Job, end: End, answered: float) -> None:
        lines = [json.loads(line) for line in self.files[job.input_file_id].splitlines() if line.strip()]
        job.errors = [{"code": code, "message": said, "line": None, "param": None} for code, said in job.plan.errors]
        names = [line["custom_id"] for line in lines]
        if len(set(names)) < len(names) or len(names) > MAX_LINES:
            job.errors.append(
                {"code": "invalid_file", "message": "custom_id repeated or too many lines", "line": 1, "param": None}
            )
        job.status = "failed" if job.errors else end
        if job.status == "failed":
            return
        good, bad = self._answered(lines, round(answered * len(lines)), end)
        job.counts = (len(lines), len(good), len(bad))
        # Backwards: the protocol promises no order.
        job.output_file_id = self._keep("out", _jsonl(reversed(good))) if good else None
        job.error_file_id = self._keep("err", _jsonl(reversed(bad))) if bad else None

    def _answered(self, lines: list[Any], share: int, end: End) -> tuple[list[Any], list[Any]]:
        good: list[Any] = []
        bad: list[Any] = []
        for at, line in enumerate(lines):
            shown = {"id": f"batch_req_{at}", "custom_id": line["custom_id"], "response": None, "error": None}
            if at >= share:
                bad.append(shown | {"error": {"code": f"batch_{end}", "message": f"This request was not run: batch {end}."}})
                continue
            reply = self._answer(line["body"])
            if reply.drop:
                bad.append(shown | {"error": {"code": "server_error", "message": "The server had an error."}})
                continue
            body = completion(reply, line["body"]) if reply.body is None else _read(reply.body)
            response = {"status_code": reply.status, "request_id": f"req_{at}", "body": body}
            (good if reply.status == 200 else bad).append(shown | {"response": response})
        return good, bad

    def _keep(self, kind: str, data: bytes) -> str:
        name = f"file-{kind}-{len(self.files) + 1}"
        self.files[name] = data
        return name

    def _shown_file(self, name: str) -> dict[str, Any]:
        head = {"id": name, "object": "file", "bytes": len(self.files[name]), "created_at": int(time.time())}
        return {**head, "filename": f"{name}.jsonl", "purpose": "batch", "status": "processed"}


def read_form(data: bytes, content_type: str) -> dict[str, bytes]:
    """The fields of a multipart form by name."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        return {}
    fields: dict[str, bytes] = {}
    for part in data.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name:
            fields[name[1].decode()] = content.removesuffix(b"\r\n")
    return fields


def _jsonl(lines: Any) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
