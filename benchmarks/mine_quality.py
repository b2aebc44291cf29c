"""How many false negatives are mined: known ones planted beside people's questions, mined by curate and by sentence-transformers.

    python benchmarks/mine_quality.py --data FOLDER --set squad|medquad [--model PATH_OR_NAME] [--variant NAME KEY=VALUE …]… [--work DIR]

FOLDER holds `squad/v1_paragraphs.parquet`, `squad/v1_questions.parquet` and `medquad/medquad_qa.parquet`. 500 passages that answer questions of
the set are planted under other ids (`benchmarks/planted_negatives.py`): copies, paraphrases by rule, chunks that hold the answer.
Each variant is one run of stage `mine` with these settings (MODEL stands for --model in them; none given: the defaults). With --model
`sentence_transformers.util.mine_hard_negatives` stands beside them (relative_margin 0.05, first 50, the same number of negatives).
A planted one counts as reached where BM25, or the model, ranks it among the first 50 for a question that it answers. Prints a table, what stopped the
planted ones, examples of what got through (stderr), and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.false_negatives import Ranks, figures, print_examples, print_table, stopped_by
from benchmarks.mine_peer import Matrix, encode, mine_peer
from benchmarks.mined_case import WINDOW, Case, read_case, read_mined
from benchmarks.planted_negatives import plant, read_medquad, read_squad, write_corpus
from curate.bm25 import build, tokenise
from pipelines.runner import Build, run_build
from schemas.settings import load_settings

ALWAYS = ("generate.extractive=false", "chunk.method=as-is", "split.train=1", "split.dev=0", "split.test=0")
"""Only the questions of people; a plant lies in its pair's split and is one chunk."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)) / options.set
        source = {"squad": read_squad, "medquad": read_medquad}[options.set](options.data, options.pairs)
        planted = plant(source, options.plants)
        corpus = write_corpus(work / "raw", source, planted)
        results: dict[str, Any] = {}
        case, ranks, vectors = None, None, None
        for name, sets in options.variant or [("default", [])]:
            begun = time.monotonic()
            _mine(corpus, work / "built", [one.replace("MODEL", options.model or "") for one in (*ALWAYS, *sets)], options.k)
            seconds = time.monotonic() - begun
            if case is None or ranks is None:
                case = read_case(work / "built", source, planted)
                vectors = None if options.model is None else encode(options.model, case, work / "vectors.npz")
                ranks = Ranks([bm25_first(case), *([] if vectors is None else [dense_first(case, vectors)])])
            chosen, reasons = read_mined(work / "built")
            results[name] = figures(chosen, case, ranks, options.k) | {"stopped_by": stopped_by(reasons, case, ranks)}
            results[name] |= {"settings": list(sets), "seconds": round(seconds)}
            print_examples(name, chosen, case, options.examples)
        if vectors is not None and case is not None and ranks is not None:
            chosen = mine_peer(options.model, case, vectors, options.k)
            results["sentence-transformers"] = figures(chosen, case, ranks, options.k)
    report = {
        "set": options.set,
        "k": options.k,
        "pairs": len(case.anchors) if case else 0,
        "planted": len(planted),
        "results": results,
    }
    print_table(report)
    print(json.dumps({"benchmark": "mine_quality", **report, "seconds": round(time.monotonic() - started)}))


def _mine(corpus: Path, built: Path, sets: Sequence[str], k: int) -> None:
    settings = load_settings(None, [*sets, f"mine.negatives={k}"])
    run_build(Build((str(corpus),), built, settings, until="mine"))


def bm25_first(case: Case) -> dict[str, list[str]]:
    """Pair → chunks in the order of curate's BM25, its own passage among them."""
    ids = sorted(case.passages)
    index = build("bm25s", (tokenise(case.passages[name], drop_stopwords=True) for name in ids))
    pairs = sorted(case.anchors)
    found, _ = index.search([tokenise(case.anchors[pair], drop_stopwords=True) for pair in pairs], WINDOW)
    return {pair: [ids[i] for i in row if i >= 0] for pair, row in zip(pairs, found.tolist(), strict=True)}


def dense_first(case: Case, vectors: Mapping[str, Matrix]) -> dict[str, list[str]]:
    """Pair → chunks in the order of their cosines."""
    ids, pairs = sorted(case.passages), sorted(case.anchors)
    passages = np.stack([vectors[case.passages[name]] for name in ids])
    anchors = np.stack([vectors[case.anchors[pair]] for pair in pairs])
    order = np.argsort(-(anchors @ passages.T), axis=1, kind="stable")[:, :WINDOW]
    return {pair: [ids[i] for i in row] for pair, row in zip(pairs, order.tolist(), strict=True)}


def _variant(words: Sequence[str]) -> tuple[str, list[str]]:
    return words[0], list(words[1:])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with squad/ and medquad/")
    parser.add_argument("--set", choices=["squad", "medquad"], default="squad")
    parser.add_argument("--model", help="embedding model of the peer, of dense ranks, and of settings that say MODEL")
    parser.add_argument(
        "--variant", nargs="+", action="append", metavar=("NAME", "KEY=VALUE"), help="settings of one run of `mine`"
    )
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--plants", type=int, default=500)
    parser.add_argument("--k", type=int, default=1, help="negatives a pair")
    parser.add_argument("--examples", type=int, default=2, help="of each kind that got through, on stderr")
    parser.add_argument("--work", type=Path, help="keep everything in this folder (else a temporary one)")
    options = parser.parse_args(arguments)
    options.variant = [_variant(words) for words in options.variant or ()]
    return options


if __name__ == "__main__":
    main()
