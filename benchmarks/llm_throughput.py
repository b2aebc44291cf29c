"""Calls a second of the live client: against the ideal rate of a slow endpoint, and against other libraries on an endpoint without delay.

    python benchmarks/llm_throughput.py [--peers-python PATH] [--calls N] [--rounds N]

PATH is an interpreter that has distilabel or LlamaIndex (`pip install "distilabel[openai]"`, and `pip install llama-index-finetuning
llama-index-llms-openai-like "mistralai<2"`); without it only our own rates are measured. The server runs in a process of its own, each
side meets the same one with the same prompts, sides take turns, and the median of the rounds counts. Ours also sends a JSON schema,
looks each request up in the store of answers and commits each answer to it. The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.llm_peers import AT_ONCE, WARM_UP, prompt
from curate.llm import AnswerStore, Assignment, Client, Request
from schemas.settings import RoleSettings

HERE = Path(__file__).resolve().parent
TEXT = {"type": "string"}
ITEM = {"type": "object", "properties": {"evidence": TEXT, "question": TEXT, "answer": TEXT, "style": TEXT}}
SCHEMA = {"type": "object", "properties": {"questions": {"type": "array", "items": ITEM, "minItems": 2, "maxItems": 3}}}
LATENCY_S = 0.5
PEERS = {"distilabel": AT_ONCE, "llama_index": 1}
"""Each peer and how many calls it makes at a time."""


@contextmanager
def served(latency_s: float) -> Iterator[str]:
    """The base URL of a running endpoint."""
    command = [sys.executable, str(HERE / "chat_server.py"), str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def our_rate(url: str, calls: int, concurrency: int) -> float:
    """Calls a second with a fresh store, after a warm-up."""
    with tempfile.TemporaryDirectory() as folder, AnswerStore(Path(folder)) as store:
        settings = RoleSettings(model="m", base_url=url, concurrency=concurrency, api_key_env="NO_KEY_NEEDED")

        def ask(first: int, after: int) -> float:
            client = Client(Assignment("generator", settings, "generate"), store)
            requests = (_request(number) for number in range(first, after))
            began = time.perf_counter()
            answers = sum(bool(answer.text) for answer in client.settle(requests))
            seconds = time.perf_counter() - began
            if (answers, client.calls) != (after - first, after - first):
                raise SystemExit(f"ours: {answers} answers and {client.calls} calls to {after - first} requests")
            return (after - first) / seconds

        ask(calls, calls + WARM_UP)
        return ask(0, calls)


def _request(number: int) -> Request:
    return Request(({"role": "user", "content": prompt(number)},), SCHEMA, "0" * 64, 13)


def peer_rate(python: Path, name: str, url: str, calls: int) -> dict[str, Any] | None:
    """Rate and version of a peer; None when that interpreter has not got it."""
    command = [str(python), str(HERE / "llm_peers.py"), name, url, str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OPENAI_API_KEY": "none"})
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def slow_endpoint(concurrency: int, rounds: int, python: Path | None) -> list[dict[str, Any]]:
    """Everybody's rate where an answer takes half a second."""
    ideal = concurrency / LATENCY_S
    with served(LATENCY_S) as url:
        rate = our_rate(url, concurrency * rounds, concurrency)
        rows = [{"side": "curate", "latency_s": LATENCY_S, "at_once": concurrency, "rate": rate, "of_ideal": rate / ideal}]
        for name, at_once in PEERS.items() if python is not None else ():
            assert python is not None
            found = peer_rate(python, name, url, at_once * 10)
            if found is not None:
                rows.append(
                    {"side": f"{name} {found['version']}", "latency_s": LATENCY_S, "at_once": at_once, "rate": found["rate"]}
                )
                rows[-1]["of_ideal"] = found["rate"] * LATENCY_S / at_once
    return rows


def endpoint_without_delay(calls: int, rounds: int, python: Path | None) -> list[dict[str, Any]]:
    """Everybody's rate where only the client's own work takes time."""
    rates: dict[str, list[float]] = {}
    names: dict[str, str] = {"curate": "curate"}
    with served(0) as url:
        for _ in range(rounds):
            rates.setdefault("curate", []).append(our_rate(url, calls, AT_ONCE))
            for name in PEERS if python is not None else ():
                assert python is not None
                found = peer_rate(python, name, url, max(calls // 2, 1))
                if found is not None:
                    rates.setdefault(name, []).append(found["rate"])
                    names[name] = f"{name} {found['version']}"
    ours = statistics.median(rates["curate"])
    return [
        {
            "side": names[name],
            "latency_s": 0.0,
            "at_once": PEERS.get(name, AT_ONCE),
            "rate": statistics.median(of_side),
            "ours_to_it": ours / statistics.median(of_side),
        }
        for name, of_side in rates.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--peers-python", type=Path, help="interpreter that has the other libraries")
    parser.add_argument("--calls", type=int, default=2000, help="calls a round without delay")
    parser.add_argument("--rounds", type=int, default=3, help="rounds without delay")
    parser.add_argument("--concurrency", type=int, default=AT_ONCE, help="calls at the same time on the slow endpoint")
    parser.add_argument(
        "--slow-rounds", type=int, default=60, help="calls on the slow endpoint, a multiple of those at the same time"
    )
    options = parser.parse_args(arguments)
    os.environ["NO_PROXY"] = "127.0.0.1"
    rows = slow_endpoint(options.concurrency, options.slow_rounds, options.peers_python)
    rows += endpoint_without_delay(options.calls, options.rounds, options.peers_python)
    print(f"{'side':<22}{'latency s':>10}{'at once':>9}{'calls/s':>9}{'of ideal':>10}{'ours to it':>12}")
    for row in rows:
        ideal = f"{row['of_ideal']:.1%}" if "of_ideal" in row else ""
        ratio = f"{row['ours_to_it']:.1f}" if "ours_to_it" in row else ""
        print(f"{row['side']:<22}{row['latency_s']:>10}{row['at_once']:>9}{row['rate']:>9.1f}{ideal:>10}{ratio:>12}")
    rounded = [{name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()} for row in rows]
    print(json.dumps({"benchmark": "llm_throughput", "results": rounded}))


if __name__ == "__main__":
    main()
