"""How fast negatives are searched and mined, beside the libraries that others use, all in one run.

    python benchmarks/mine_speed.py [--passages 20000 200000] [--queries 2000] [--data FOLDER]
    python benchmarks/mine_speed.py --stage [--passages 20000] [--queries 5000] [--data FOLDER]
    python benchmarks/mine_speed.py --large --passages 1000000 --queries 100000
    python benchmarks/mine_speed.py --st --model PATH_OR_NAME [--passages 4000] [--queries 400] [--data FOLDER]

Search: queries/s of `curate.bm25` (k = 50, one process) beside rank-bm25 (few queries) and bm25s (tokenise, index and search by its own
means). `--stage`: the whole stage `mine` beside bm25s on the same texts. `--large`: the stage within bounded memory, with its peak.
`--st`: the stage beside `mine_hard_negatives` of sentence-transformers. Passages are made up: lengths log-normal about 120 words, words by
Zipf's law; with `--data`, FOLDER's `squad` and `medquad` cut to such lengths, and human questions. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.mine_stage import run_stage, sentence_transformers_time, write_store
from benchmarks.mine_texts import Texts, asked_of, made_up_texts, real_texts
from curate.bm25 import build_numbered, number_texts, search_terms

K = 50
BLOCK = 1024
SLOW_QUERIES = 12
"""So many queries are enough to time what takes a second for three."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    make = real_texts(options.data) if options.data else made_up_texts
    rows = []
    for size in options.passages:
        texts = make(size, options.queries)
        if options.stage or options.large or options.st:
            rows.append(stage_row(asked_of(texts), options))
        else:
            rows.append(search_row(texts))
        print_row(rows[-1])
    print(json.dumps({"benchmark": "mine_speed", "rows": rows}))


def stage_row(texts: Texts, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the whole stage, and of what it is compared with."""
    row: dict[str, Any] = {"passages": len(texts.passages), "queries": len(texts.questions), "workers": options.workers}
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "store.duckdb"
        write_store(database, texts)
        if options.large:
            # What the texts take would be counted as the stage's.
            texts.passages.clear()
        if options.st:
            import sentence_transformers  # noqa: F401 (its import takes seconds, on neither side)
        row |= run_stage(database, options.set, options.workers)
    if options.stage:
        row |= bm25s_times(texts)
        row["bm25s_s"] = row["bm25s_tokenise_s"] + row["bm25s_index_s"] + row["bm25s_search_s"]
        row["stage_over_bm25s"] = row["stage_s"] / row["bm25s_s"]
    if options.st:
        row["sentence_transformers_s"] = sentence_transformers_time(texts, options.model)
        row["times_faster"] = row["sentence_transformers_s"] / row["stage_s"]
    return row


def search_row(texts: Texts) -> dict[str, Any]:
    """Queries/s of three libraries over the same passages."""
    row: dict[str, Any] = {"passages": len(texts.passages), "queries": len(texts.questions)}
    index, row["our_index_s"] = timed(lambda: build_numbered("bm25s", (number_texts(part) for part in parts(texts.passages))))
    queries, row["our_tokenise_s"] = timed(lambda: [search_terms(question) for question in texts.questions])
    index.search(queries[:10], K)
    _, row["our_search_s"] = timed(lambda: index.search(queries, K))
    row |= bm25s_times(texts)
    row["rank_bm25_query_s"] = rank_bm25_time(texts, queries)
    row["ours_per_s"] = len(queries) / row["our_search_s"]
    row["bm25s_per_s"] = len(queries) / row["bm25s_search_s"]
    row["times_rank_bm25"] = row["ours_per_s"] * row["rank_bm25_query_s"]
    return row


def bm25s_times(texts: Texts) -> dict[str, float]:
    """As its manual says: tokenise with its stop words, index, retrieve."""
    import bm25s

    tokens, tokenise = timed(lambda: bm25s.tokenize(texts.passages, stopwords="en", show_progress=False))
    retriever = bm25s.BM25(backend="numpy")
    _, index = timed(lambda: retriever.index(tokens, show_progress=False))
    asked, ask = timed(lambda: bm25s.tokenize(texts.questions, stopwords="en", show_progress=False, return_ids=False))
    _, search = timed(lambda: retriever.retrieve(asked, k=min(K, len(texts.passages)), show_progress=False))
    return {"bm25s_tokenise_s": tokenise + ask, "bm25s_index_s": index, "bm25s_search_s": search}


def rank_bm25_time(texts: Texts, queries: list[list[str]]) -> float:
    """Seconds a query, best of K; the words are ours, so that it looks up as many."""
    from rank_bm25 import BM25Okapi

    okapi = BM25Okapi([search_terms(passage) for passage in texts.passages])
    places = list(range(len(texts.passages)))
    some = [query for query in queries if query][:SLOW_QUERIES]
    _, seconds = timed(lambda: [okapi.get_top_n(query, places, n=K) for query in some])
    return seconds / len(some)


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """What it gave, and the seconds it took."""
    started = time.perf_counter()
    result = action()
    return result, time.perf_counter() - started


def parts(texts: list[str]) -> list[list[str]]:
    """BLOCK at a time, as the stage reads them."""
    return [texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK)]


def print_row(row: dict[str, Any]) -> None:
    """One line for each measure."""
    for name, value in row.items():
        print(f"{name:24} {value:,.4f}" if isinstance(value, float) else f"{name:24} {value:,}")
    print(f"{'peak_gib':24} {peak_gib():.2f}\n")


def peak_gib() -> float:
    """Of this process, on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--stage", action="store_true", help="the whole stage beside bm25s")
    parser.add_argument("--large", action="store_true", help="the whole stage alone, with its peak of memory")
    parser.add_argument("--st", action="store_true", help="the whole stage beside sentence-transformers")
    parser.add_argument("--model", help="embedding model of --st")
    parser.add_argument("--set", action="append", default=[], help="a setting of the stage, such as mine.negatives=3")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
