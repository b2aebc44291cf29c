"""How long it takes to keep 100,000 train questions and their passages apart from 10,000 queries, and how many planted copies fall.

    python benchmarks/decontaminate.py --data FOLDER [--train 100000] [--queries 10000] [--passages 20000]

FOLDER holds `medquad/medquad_qa.parquet` (columns question, answer, focus). Questions are those of the file and further ones of the same
forms about subjects of two focuses ("What are the symptoms of A with B?"), so that wording is as alike as people's templates make it. Of
the queries 2,000 are planted in train: as they are, with other capitals and marks, inside a longer question (those of 8 words or more), and
with a filler word that changes nothing; of the benchmark's passages 500 whole and 500 cut to their first 40 words inside another text.
Beside it the same check by sets of 13-word tuples with short texts by equality, as evaluation harnesses do it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections import Counter
from pathlib import Path

import polars as pl

from curate.filter.decontaminate import Benchmark, Bounds
from curate.filter.decontaminate.files import Line
from curate.filter.decontaminate.rows import matches_in_passages
from curate.filter.decontaminate.runs import RUN, templates_of
from curate.text import normalise, words

FORMS = (
    "What are the symptoms of {} ?",
    "What are the treatments for {} ?",
    "What causes {} in adults ?",
    "How to diagnose {} ?",
    "Who is at risk for {} ?",
    "What is the outlook for {} after surgery ?",
)


def main() -> None:
    """Plant, match, count."""
    arguments = parsed()
    rows = pl.read_parquet(arguments.data / "medquad" / "medquad_qa.parquet")
    draw = random.Random(13)
    questions = made(rows, arguments.train + arguments.queries, draw)
    queries, train = questions[: arguments.queries], questions[arguments.queries :]
    planted = plant(queries, draw)
    train = train[: arguments.train - len(planted)] + [text for _, text in planted]
    report = anchors(queries, train, planted) | harness(queries, train, planted)
    report |= passages(rows, arguments.passages, draw)
    report["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for name, value in report.items():
        print(f"{name:40} {value}")
    print(json.dumps(report))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    for name, default in (("--train", 100_000), ("--queries", 10_000), ("--passages", 20_000)):
        parser.add_argument(name, type=int, default=default)
    return parser.parse_args()


def made(rows: pl.DataFrame, count: int, draw: random.Random) -> list[str]:
    found = dict.fromkeys(sorted(set(rows["question"].drop_nulls())))
    focuses = sorted(set(rows["focus"].drop_nulls()))
    while len(found) < count:
        found[draw.choice(FORMS).format(f"{draw.choice(focuses)} with {draw.choice(focuses)}")] = None
    texts = list(found)
    draw.shuffle(texts)
    return texts[:count]


def plant(queries: list[str], draw: random.Random) -> list[tuple[str, str]]:
    """(kind, text) of copies."""
    long = [query for query in queries if len(words(query)) >= 8]
    asked = [query for query in queries if query.startswith("What are the")]
    return [
        *(("as it is", query) for query in draw.sample(queries, 500)),
        *(("capitals and marks", f"« {query.upper().rstrip(' ?')} … »") for query in draw.sample(queries, 500)),
        *(("inside a longer one", f"My sister wants to know: {query} Thank you") for query in draw.sample(long, 500)),
        *(("filler word", query.replace("What are the", "What are the main")) for query in draw.sample(asked, 500)),
    ]


def anchors(queries: list[str], train: list[str], planted: list[tuple[str, str]]) -> dict[str, object]:
    started = time.perf_counter()
    known = Benchmark([Line("q", n, query, "") for n, query in enumerate(queries, 1)], Bounds(0.85, 0.75, 5))
    templates = templates_of(train)
    found = known.queries.in_anchors(train, [False] * len(train), templates)
    seconds = time.perf_counter() - started
    own = found[: len(train) - len(planted)]
    caught = Counter(kind for (kind, _), said in zip(planted, found[-len(planted) :], strict=True) if said)
    rules = Counter(said.split(":")[0].split(",")[0].split(" of")[0] for said in own if said)
    return {"train questions": len(train), "queries": len(queries), "seconds": round(seconds, 1)} | {
        "planted that fall, of 500": dict(caught),
        "of the others fall": dict(rules),
    }


def harness(queries: list[str], train: list[str], planted: list[tuple[str, str]]) -> dict[str, object]:
    """Sets of 13-word tuples; texts of fewer words by equality."""
    started = time.perf_counter()
    known = {gram for query in queries for gram in grams(query)}
    found = [any(gram in known for gram in grams(text)) for text in train]
    seconds = time.perf_counter() - started
    caught = Counter(kind for (kind, _), said in zip(planted, found[-len(planted) :], strict=True) if said)
    return {"13-word sets: seconds": round(seconds, 1), "13-word sets: planted, of 500": dict(caught)}


def grams(text: str) -> list[tuple[str, ...]]:
    found = normalise(text).split()
    return [tuple(found[i : i + RUN]) for i in range(max(1, len(found) - RUN + 1))]


def passages(rows: pl.DataFrame, count: int, draw: random.Random) -> dict[str, object]:
    texts = [text[:1500] for text in sorted(set(rows["answer"].drop_nulls())) if len(words(text[:1500])) >= 60]
    draw.shuffle(texts)
    known, corpus = texts[: min(2000, len(texts) // 4)], texts[min(2000, len(texts) // 4) :][:count]
    whole = draw.sample(known, 500)
    cut = [f"{draw.choice(corpus)[:300]} {' '.join(text.split()[:40])}" for text in draw.sample(known, 500)]
    started = time.perf_counter()
    benchmark = Benchmark([Line("p", n, "", text) for n, text in enumerate(known, 1)], Bounds(0.85, 0.75, 5))
    for start in range(0, len(corpus), 4096):
        benchmark.passages.count(corpus[start : start + 4096])
    found = {kind: len(matches_in_passages(benchmark, some)) for kind, some in (("whole", whole), ("40 words of one", cut))}
    others = sum(len(matches_in_passages(benchmark, corpus[start : start + 4096])) for start in range(0, len(corpus), 4096))
    seconds = time.perf_counter() - started
    return {"corpus passages": len(corpus), "benchmark passages": len(known), "seconds for passages": round(seconds, 1)} | {
        "planted passages that fall, of 500": found,
        "of the corpus fall": others,
    }


if __name__ == "__main__":
    main()
