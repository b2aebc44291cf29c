"""A chat endpoint that gives every request the same answer after a fixed time: one process, as little work a call as Python allows.

    python benchmarks/chat_server.py LATENCY_S

Prints its base URL and serves until it is killed. Needs nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import json
import sys

_QUESTIONS = [
    {
        "evidence": "the lower end of the kiln is kept at 1450 degrees",
        "question": f"How hot is part {number} of a rotary kiln?",
        "answer": "1450 degrees",
        "style": "factual",
    }
    for number in range(3)
]
_COMPLETION = {
    "id": "x",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": json.dumps({"questions": _QUESTIONS})},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 600, "completion_tokens": 120, "total_tokens": 720},
}
_BODY = json.dumps(_COMPLETION).encode()
_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY
_LENGTH = b"content-length:"


class Chat(asyncio.Protocol):
    """One connection."""

    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.received = b""
        self.transport = asyncio.Transport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Reply to every whole request."""
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            at = head.find(_LENGTH)
            whole = end + 4 + (int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(self.received) < whole:
                return
            self.received = self.received[whole:]
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self.transport.write, _REPLY)
            else:
                self.transport.write(_REPLY)


async def serve(latency_s: float) -> None:
    """Serve on a free port of the loopback."""
    server = await asyncio.get_running_loop().create_server(lambda: Chat(latency_s), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
