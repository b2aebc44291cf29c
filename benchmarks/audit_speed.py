"""How long `curate audit` takes for many pairs, and how much memory.

    python benchmarks/audit_speed.py [--rows 1000000] [--workers 2] [--kind pairs|triplets]

The rows are made up: questions of 7 to 14 words, passages of 60 to 240 words (900 characters in the mean), words of the
interpreter's manual, as frequent as there, a tenth of them made up. One row in a hundred is a copy, one in a hundred a near copy, one in a thousand has another fault; a tenth of the
rows are a split of their own. The rows are written to a temporary Parquet file before the clock starts. The last line is JSON; memory is the
peak of the process and the largest of its workers added up.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from pydoc_data import topics

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.audit import Wanted
from pipelines.audit import run_audit

_WORDS = 200_000
_BLOCK = 20_000
_PARTS = "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu".split()


def main(argv: Sequence[str] | None = None) -> None:
    """Make rows, audit them, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=("pairs", "triplets"), default="pairs")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write(path, arguments.rows, triplets=arguments.kind == "triplets")
        before = peak_mb()
        steps: list[tuple[str, float]] = []
        started = time.perf_counter()
        found = run_audit(
            Wanted(path),
            Path(folder) / "out",
            workers=arguments.workers,
            step=lambda name: steps.append((name, time.perf_counter())),
        )
        ended = time.perf_counter()
        size = path.stat().st_size
    times = {name: round(until - begun, 1) for (name, begun), (_, until) in zip(steps, [*steps[1:], ("", ended)], strict=True)}
    report = {
        "rows": arguments.rows,
        "kind": arguments.kind,
        "file_mb": size // 2**20,
        "seconds": round(ended - started, 1),
        "steps": times,
        "peak_mb": peak_mb(),
        "before_mb": before,
        "findings": {item.kind: item.rows for item in found.report.findings},
    }
    for name, value in report.items():
        print(f"{name:12} {value}")
    print(json.dumps(report))


def peak_mb() -> int:
    """Of this process and of its largest worker."""
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024


def write(path: Path, count: int, *, triplets: bool) -> None:
    """The rows, block by block."""
    draw = np.random.default_rng(7)
    vocabulary, sums = words(draw)
    names = ["anchor", "positive", *(["negative"] if triplets else []), "split"]
    with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in names])) as writer:
        for start in range(0, count, _BLOCK):
            size = min(_BLOCK, count - start)
            asked = [f"What {text}?" for text in texts(draw, vocabulary, sums, size, (6, 14))]
            passages = texts(draw, vocabulary, sums, size, (60, 240))
            spoil(asked, passages, draw)
            columns = [asked, passages, *([passages[7:] + passages[:7]] if triplets else [])]
            splits = ["test" if n % 10 == 0 else "train" for n in range(size)]
            writer.write_table(pa.table([*columns, splits], names=names))


def words(draw: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Words and the sums of their weights: those of the interpreter's own manual, as frequent as there, and made-up ones for a tenth of the text."""
    counts = Counter(word for topic in topics.topics.values() for word in re.findall(r"[a-z]{1,20}", topic.lower()))
    found = dict.fromkeys(counts)
    while len(found) < _WORDS:
        found["".join(draw.choice(_PARTS, draw.integers(2, 6)))] = None
    rare = 1 / np.arange(1, len(found) - len(counts) + 1)
    weights = np.concatenate([0.9 * np.array(list(counts.values())) / counts.total(), 0.1 * rare / rare.sum()])
    return list(found), np.cumsum(weights)


def texts(draw: np.random.Generator, vocabulary: list[str], sums: np.ndarray, count: int, lengths: tuple[int, int]) -> list[str]:
    """So many texts of words drawn by their weights."""
    sizes = draw.integers(*lengths, size=count)
    numbers = np.searchsorted(sums, draw.random(int(sizes.sum()))).clip(max=len(vocabulary) - 1).tolist()
    ends = np.cumsum(sizes).tolist()
    return [
        " ".join([vocabulary[n] for n in numbers[end - size : end]]) + "." for end, size in zip(ends, sizes.tolist(), strict=True)
    ]


def spoil(asked: list[str], passages: list[str], draw: np.random.Generator) -> None:
    """Copies, near copies and other faults."""
    for n in range(103, len(asked), 100):
        asked[n], passages[n] = asked[n - 91], passages[n - 91]
        asked[n - 50], passages[n - 50] = asked[n - 49], f"{passages[n - 49]} {passages[n - 20][:20]}"
    for n in range(1, len(asked), 1000):
        passages[n] = ("", "['one', 'two']", "x", "Ã© caf\u0000e and so on for ten words or more than ten words")[
            int(draw.integers(4))
        ]


if __name__ == "__main__":
    main()
