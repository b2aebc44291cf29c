"""The benchmark of calls a second runs on a few calls, and names what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_our_side_is_measured_against_both_endpoints() -> None:
    command = [sys.executable, "benchmarks/llm_throughput.py", "--calls", "20", "--rounds", "1", "--concurrency", "2"]
    done = subprocess.run([*command, "--slow-rounds", "2"], cwd=ROOT, capture_output=True, text=True, check=True)
    *table, last = done.stdout.splitlines()
    result = json.loads(last)
    assert result["benchmark"] == "llm_throughput"
    slow, fast = result["results"]
    assert (slow["side"], slow["latency_s"], slow["at_once"]) == ("curate", 0.5, 2)
    assert 0 < slow["of_ideal"] <= 1
    assert (fast["side"], fast["latency_s"], fast["ours_to_it"]) == ("curate", 0.0, 1.0)
    assert len(table) == 3
