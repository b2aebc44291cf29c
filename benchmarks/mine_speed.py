"""How fast negatives are searched and mined, beside the libraries that others use, all in one run.

    python benchmarks/mine_speed.py [--passages 20000 200000] [--queries 2000] [--data FOLDER]
    python benchmarks/mine_speed.py --stage [--passages 20000] [--queries 5000] [--data FOLDER]
    python benchmarks/mine_speed.py --large --passages 1000000 --queries 100000
    python benchmarks/mine_speed.py --st --model PATH_OR_NAME [--passages 4000] [--queries 400] [--data FOLDER]

Search: queries/s of `curate.bm25` (k = 50, one process) beside rank-bm25 (few queries) and bm25s (tokenise, index and search by its own
means). `--stage`: the whole stage `mine` beside bm25s on the same texts. `--large`: the stage within bounded memory, with its peak.
`--st`: the stage beside `mine_hard_negatives` of sentence-transformers. Passages are made up: lengths log-normal about 120 words, words by
Zipf's law; with `--data`, of sentences of FOLDER's `squad` and `medquad`, drawn by lot, and human questions. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate.bm25 import build_numbered, number_texts, search_terms

K = 50
BLOCK = 1024
MEAN_WORDS = 120
SLOW_QUERIES = 12
"""So many queries are enough to time what takes a second for three."""


@dataclass(frozen=True)
class Texts:
    """What is searched, and what for; `homes[i]` is the passage that question i was asked of."""

    passages: list[str]
    questions: list[str]
    homes: list[int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    make = real_texts(options.data) if options.data else made_up_texts
    rows = []
    for size in options.passages:
        texts = make(size, options.queries)
        rows.append(search_row(texts))
        print_row(rows[-1])
    print(json.dumps({"benchmark": "mine_speed", "rows": rows}))


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


def made_up_texts(size: int, questions: int, seed: int = 0) -> Texts:
    """Passages of about MEAN_WORDS words by Zipf's law; a question is eight words of its passage in a row and two by lot."""
    random = np.random.default_rng(seed)
    ranks = np.arange(1, 400_001)
    shares = np.cumsum(1 / (ranks + 2.7) ** 1.07)
    names = np.array([_word(number) for number in range(len(ranks))], dtype=object)

    def draw(count: int) -> Any:
        return names[np.searchsorted(shares, random.random(count) * shares[-1])]

    lengths = np.clip(random.lognormal(np.log(MEAN_WORDS) - 0.08, 0.4, size), 8, 600).astype(int)
    passages: list[str] = []
    for start in range(0, size, 20_000):
        some = lengths[start : start + 20_000]
        words = draw(int(some.sum()))
        ends = np.cumsum(some)
        passages += [" ".join(words[end - length : end]) for end, length in zip(ends, some, strict=True)]
    homes = random.integers(0, size, questions).tolist()
    asked = []
    for home in homes:
        words = passages[home].split()
        first = int(random.integers(0, max(1, len(words) - 8)))
        asked.append(" ".join([*words[first : first + 8], *draw(2)]) + "?")
    return Texts(passages, asked, homes)


_FIRST = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "was",
    "on",
    "are",
    "as",
    "with",
    "be",
    "at",
    "by",
    "this",
    "from",
)


def _word(number: int) -> str:
    """The commonest are English function words; the others are syllables."""
    if number < len(_FIRST):
        return _FIRST[number]
    syllables = ""
    while number:
        number, rest = divmod(number, 85)
        syllables += "bcdfghjklmnprstvz"[rest % 17] + "aeiou"[rest // 17]
    return syllables


def real_texts(folder: Path) -> Callable[[int, int], Texts]:
    """Sentences of SQuAD paragraphs and MedQuAD answers, drawn by lot into passages; the questions of both."""
    from curate.text import sentence_spans

    paragraphs = pl.read_parquet(folder / "squad/v1_paragraphs.parquet")["context"].to_list()
    medical = pl.read_parquet(folder / "medquad/medquad_qa.parquet")
    answers = [answer for answer in medical["answer"].drop_nulls().unique(maintain_order=True).to_list() if answer]
    asked = pl.read_parquet(folder / "squad/v1_questions.parquet")["question"].to_list()
    asked += medical["question"].unique(maintain_order=True).to_list()
    sentences = [text[start:end].strip() for text in paragraphs + answers for start, end in sentence_spans(text)]
    sizes = np.array([len(sentence.split()) for sentence in sentences])

    def make(size: int, questions: int) -> Texts:
        random = np.random.default_rng(0)
        passages = []
        for length in np.clip(random.lognormal(np.log(MEAN_WORDS) - 0.08, 0.4, size), 8, 600):
            chosen, words = [], 0
            while words < length:
                pick = int(random.integers(len(sentences)))
                chosen.append(sentences[pick])
                words += int(sizes[pick])
            passages.append(" ".join(chosen))
        picks = random.integers(0, len(asked), questions)
        return Texts(passages, [asked[pick] for pick in picks], random.integers(0, size, questions).tolist())

    return make


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
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
