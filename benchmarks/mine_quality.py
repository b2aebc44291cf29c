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
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.planted_negatives import (
    COPIES,
    HOST,
    NATURAL,
    SHARES,
    Material,
    Planted,
    natural,
    plant,
    read_medquad,
    read_squad,
    write_corpus,
)
from curate.bm25 import build, tokenise
from curate.stage import content_id
from curate.store import open_store
from curate.text import normalise
from pipelines.runner import Build, run_build
from schemas.settings import load_settings

WINDOW = 50
HARD = 30
ALWAYS = ("generate.extractive=false", "chunk.method=as-is", "split.train=1", "split.dev=0", "split.test=0")
"""Only the questions of people; a plant lies in its pair's split and is one chunk."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """The mined corpus: pairs (id → question, positive's chunk), chunks, and which chunks are known to answer which pair."""

    anchors: Mapping[str, str]
    positives: Mapping[str, str]
    passages: Mapping[str, str]
    known: Mapping[str, Mapping[str, str]]
    """Pair → chunk → kind."""


@dataclass(frozen=True)
class Ranks:
    """Pair → the first chunks of BM25 and, where there is a model, of its cosines; best first."""

    lists: Sequence[Mapping[str, Sequence[str]]]

    def first(self, pair: str, depth: int) -> frozenset[str]:
        """Chunks among the first `depth` of any of them."""
        return frozenset(chunk for ranks in self.lists for chunk in ranks[pair][:depth])


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


def read_case(built: Path, source: Material, planted: Sequence[Planted]) -> Case:
    """Kept pairs and chunks of a build of `write_corpus`, and what is known of them."""
    with open_store(built, read_only=True) as store:
        pairs = store.rows(
            "SELECT p.pair_id, p.anchor, p.chunk_id, i.source FROM pairs AS p JOIN imported_pairs AS i USING (imported_pair_id) ORDER BY 1"
        )
        chunks = store.rows(
            "SELECT c.chunk_id, c.passage, c.document_id, d.source FROM chunks AS c JOIN documents AS d USING (document_id)"
        )
        asked = store.rows("SELECT source, document_id FROM imported_pairs")
    passages = {row["chunk_id"]: row["passage"] for row in chunks}
    chunk_of_document = {row["document_id"]: row["chunk_id"] for row in chunks}
    chunk_of_source = {row["source"].rpartition("#")[2]: row["chunk_id"] for row in chunks}
    # Passages of pairs are stored once, under the text's own id; their names in the material are found by way of the questions.
    for row in asked:
        question = row["source"].rpartition("#")[2]
        chunk_of_source[f"question {question}"] = chunk_of_document.get(row["document_id"], "")
    return Case(
        anchors={row["pair_id"]: row["anchor"] for row in pairs},
        positives={row["pair_id"]: row["chunk_id"] for row in pairs},
        passages=passages,
        known=known_answers(pairs, source, planted, chunk_of_source),
    )


def known_answers(
    pairs: Sequence[Mapping[str, Any]], source: Material, planted: Sequence[Planted], chunks: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Pair → chunk → kind, for every pair whose question is worded as one that the chunk answers."""
    wording = {question.id: normalise(question.text) for asked in source.questions.values() for question in asked}
    by_wording: dict[str, dict[str, str]] = defaultdict(dict)
    first = {name: f"question {asked[0].id}" for name, asked in source.questions.items() if asked}
    for question, name in natural(source):
        if chunk := chunks.get(first.get(name, name)):
            by_wording[wording[question]][chunk] = NATURAL
    for one in planted:
        for questions, kind in ((one.host_answers, HOST), (one.answers, one.kind)):
            for question in questions:
                if chunk := chunks.get(one.id):
                    by_wording[wording[question]][chunk] = kind
    return {row["pair_id"]: dict(by_wording.get(normalise(row["anchor"]), {})) for row in pairs}


def read_mined(built: Path) -> tuple[dict[str, list[str]], dict[tuple[str, str], str]]:
    """Pair → chosen chunks; (pair, chunk) → state or reason of every candidate that was looked at."""
    with open_store(built, read_only=True) as store:
        rows = store.rows("SELECT pair_id, chunk_id, state, reason, chosen FROM negatives ORDER BY pair_id, candidate")
    chosen: dict[str, list[str]] = defaultdict(list)
    reasons: dict[tuple[str, str], str] = {}
    for row in rows:
        reasons[row["pair_id"], row["chunk_id"]] = row["reason"] or row["state"]
        if row["chosen"]:
            chosen[row["pair_id"]].append(row["chunk_id"])
    return chosen, reasons


def figures(chosen: Mapping[str, Sequence[str]], case: Case, ranks: Ranks, k: int) -> dict[str, Any]:
    """Shares of the planted (question, passage) combinations that were reached and exported, of hard ones among the chosen, of pairs short of k."""
    kinds = [*SHARES, HOST, NATURAL]
    planted, reached, exported = Counter[str](), Counter[str](), Counter[str]()
    for pair, answers in case.known.items():
        taken, window = frozenset(chosen.get(pair, ())), ranks.first(pair, WINDOW)
        for chunk, kind in answers.items():
            planted[kind] += 1
            exported[kind] += chunk in taken
            reached[kind] += chunk in window or chunk in taken
    total = sum(len(found) for found in chosen.values())
    hard = sum(len(ranks.first(pair, HARD).intersection(found)) for pair, found in chosen.items())
    false = sum(exported.values()) - exported[NATURAL]
    bars = [kind for kind in kinds if kind != NATURAL]
    return {
        "kinds": {
            kind: {
                "planted": planted[kind],
                "reached": reached[kind],
                "exported": exported[kind],
                "share": _share(exported[kind], reached[kind]),
            }
            for kind in kinds
            if planted[kind]
        },
        "copies": _share(sum(exported[kind] for kind in COPIES), sum(reached[kind] for kind in COPIES)),
        "overall": _share(false, sum(reached[kind] for kind in bars)),
        "of_chosen": _share(false, total),
        "hard": _share(hard, total),
        "short": _share(sum(len(chosen.get(pair, ())) < k for pair in case.anchors), len(case.anchors)),
        "chosen": total,
    }


def stopped_by(reasons: Mapping[tuple[str, str], str], case: Case, ranks: Ranks) -> dict[str, dict[str, int]]:
    """Kind → what became of the planted ones within the window; `not looked at`: k others came first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for pair, answers in sorted(case.known.items()):
        window = ranks.first(pair, WINDOW)
        for chunk, kind in sorted(answers.items()):
            if chunk in window or (pair, chunk) in reasons:
                found[kind][reasons.get((pair, chunk), "not looked at")] += 1
    return {kind: dict(sorted(counts.items())) for kind, counts in sorted(found.items())}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def bm25_first(case: Case) -> dict[str, list[str]]:
    """Pair → chunks in the order of curate's BM25, its own passage among them."""
    ids = sorted(case.passages)
    index = build("bm25s", (tokenise(case.passages[name], drop_stopwords=True) for name in ids))
    pairs = sorted(case.anchors)
    found, _ = index.search([tokenise(case.anchors[pair], drop_stopwords=True) for pair in pairs], WINDOW)
    return {pair: [ids[i] for i in row if i >= 0] for pair, row in zip(pairs, found.tolist(), strict=True)}


def encode(model: str, case: Case, cache: Path) -> dict[str, Matrix]:
    """Text → unit vector, for all anchors and passages; kept in `cache`."""
    wanted = sorted({*case.anchors.values(), *case.passages.values()})
    known: dict[str, Matrix] = {}
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["names"].tolist(), stored["vectors"], strict=True))
    names = {text: content_id(model, text) for text in wanted}
    missing = [text for text in wanted if names[text] not in known]
    if missing:
        from sentence_transformers import SentenceTransformer

        loaded = SentenceTransformer(model, device="cpu")
        print(f"encode {len(missing)} texts", file=sys.stderr, flush=True)
        found = loaded.encode(missing, normalize_embeddings=True, show_progress_bar=False)
        known |= dict(zip((names[text] for text in missing), found, strict=True))
        np.savez(cache, names=np.array(list(known)), vectors=np.stack(list(known.values())))
    return {text: known[name] for text, name in names.items()}


def dense_first(case: Case, vectors: Mapping[str, Matrix]) -> dict[str, list[str]]:
    """Pair → chunks in the order of their cosines."""
    ids, pairs = sorted(case.passages), sorted(case.anchors)
    passages = np.stack([vectors[case.passages[name]] for name in ids])
    anchors = np.stack([vectors[case.anchors[pair]] for pair in pairs])
    order = np.argsort(-(anchors @ passages.T), axis=1, kind="stable")[:, :WINDOW]
    return {pair: [ids[i] for i in row] for pair, row in zip(pairs, order.tolist(), strict=True)}


class Remembered:
    """Stands for a model whose vectors are known already, as far as the peer's miner asks."""

    def __init__(self, model: str, vectors: Mapping[str, Matrix]) -> None:
        from sentence_transformers import util

        self.vectors, self.device = vectors, "cpu"
        self.similarity, self.similarity_pairwise = util.cos_sim, util.pairwise_cos_sim
        self.name = model

    def encode_document(self, texts: Sequence[str], **_: Any) -> Matrix:
        """Vectors of these texts."""
        return np.stack([self.vectors[text] for text in texts])

    encode_query = encode_document


def mine_peer(model: str, case: Case, vectors: Mapping[str, Matrix], k: int) -> dict[str, list[str]]:
    """What sentence-transformers' miner takes from the same passages for the same pairs."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    pairs = sorted(case.anchors)
    rows = [(case.anchors[pair], case.passages[case.positives[pair]]) for pair in pairs]
    mined = mine_hard_negatives(
        Dataset.from_dict({"anchor": [a for a, _ in rows], "positive": [p for _, p in rows]}),
        Remembered(model, vectors),  # type: ignore[arg-type]
        corpus=[case.passages[name] for name in sorted(case.passages)],
        range_max=WINDOW,
        relative_margin=0.05,
        num_negatives=k,
        output_format="triplet",
        verbose=False,
    )
    taken: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in mined:
        taken[row["anchor"], row["positive"]].append(row["negative"])
    chunks: dict[str, str] = {}
    for name in sorted(case.passages):
        chunks.setdefault(case.passages[name], name)
    return {pair: list(dict.fromkeys(chunks[text] for text in taken[row])) for pair, row in zip(pairs, rows, strict=True)}


def print_examples(name: str, chosen: Mapping[str, Sequence[str]], case: Case, count: int) -> None:
    """A few of each kind that were exported, for people, on stderr."""
    shown = Counter[str]()
    for pair in sorted(case.known):
        for chunk, kind in sorted(case.known[pair].items()):
            if chunk in chosen.get(pair, ()) and shown[kind] < count:
                shown[kind] += 1
                positive = case.passages[case.positives[pair]]
                row = {
                    "variant": name,
                    "kind": kind,
                    "anchor": case.anchors[pair],
                    "positive": positive,
                    "negative": case.passages[chunk],
                }
                print(json.dumps(row, ensure_ascii=False), file=sys.stderr)


def print_table(report: Mapping[str, Any]) -> None:
    """Variants by kinds, then the bars."""
    results = report["results"]
    print(
        f"{report['set']}: {report['pairs']} pairs, {report['planted']} passages planted, k = {report['k']}; exported of reached"
    )
    print(f"{'':<26}" + "".join(f"{name[:22]:>24}" for name in results))
    for kind in (*SHARES, HOST, NATURAL):
        cells = [result["kinds"].get(kind) for result in results.values()]
        if any(cells):
            texts = ["" if cell is None else f"{cell['exported']}/{cell['reached']} {_percent(cell['share'])}" for cell in cells]
            print(f"{kind:<26}" + "".join(f"{text:>24}" for text in texts))
    for key, bar in (("copies", "<= 1%"), ("overall", "<= 10%"), ("hard", ">= 70%"), ("short", "<= 2%"), ("of_chosen", "")):
        print(f"{key + ' ' + bar:<26}" + "".join(f"{_percent(result[key]):>24}" for result in results.values()))
    for name, result in results.items():
        for kind, counts in result.get("stopped_by", {}).items():
            print(f"{name}, {kind}: " + ", ".join(f"{reason} {count}" for reason, count in counts.items()))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


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
