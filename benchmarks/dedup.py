"""Near-duplicates among many documents: curate against rensa, datasketch and datatrove, from texts to clusters.

    python benchmarks/dedup.py --documents 100000 [--data FOLDER] [--peers PYTHON] [--sides NAME...]

Documents are synthetic (log-normal lengths around 150 words, Zipf vocabulary), or with --data the paragraphs of FOLDER and new combinations of
their sentences; how near-duplicates, exact copies and near misses are planted stands in `dedup_corpus.py`. Each side runs in a process of its
own. Recall: planted pairs whose true Jaccard similarity of five-word shingles is at least 0.8 and that end in one cluster. False merges: pairs in
one cluster below 0.7, of clusters with more than 20 texts only those with its first. PYTHON is an interpreter that has the peers
(`pip install rensa datasketch "datatrove" regex spacy "xxhash<4"`); a side that is not installed is left out. semhash 0.5 has no MinHash
(its search is over model2vec embeddings), so there is no such side. The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dedup_corpus import Corpus, make, true_jaccard, write
from benchmarks.dedup_sides import SIDES, THRESHOLD

_FALSE, _LARGE = 0.7, 20


def run(side: str, python: str, texts: Path, labels: Path) -> dict[str, Any]:
    """Seconds, memory and labels of one side, or why there is none."""
    library = SIDES[side][1]
    if subprocess.run([python, "-c", f"import {library}"], capture_output=True, check=False).returncode:
        return {"side": side, "left_out": f"{library} is not installed"}
    command = [python, str(Path(__file__).with_name("dedup_sides.py")), side, str(texts), str(labels)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"})
    if done.returncode:
        return {"side": side, "left_out": (done.stderr.strip().splitlines() or ["failed"])[-1]}
    return {"side": side, **json.loads(done.stdout.splitlines()[-1]), "labels": json.loads(labels.read_text())}


def judged(row: dict[str, Any], corpus: Corpus) -> dict[str, Any]:
    """The row with recall by kind and false merges in place of its labels."""
    labels = row.pop("labels")
    flags = row["side"].endswith("flags")
    joined = (lambda a, b: labels[a] and labels[b]) if flags else (lambda a, b: labels[a] == labels[b])
    near = [bool(joined(a, b)) for a, b, similarity in corpus.pairs if THRESHOLD <= similarity < 1]
    exact = [bool(joined(a, b)) for a, b, similarity in corpus.pairs if similarity == 1]
    row |= {"recall": round(sum(near) / len(near), 4), "recall_exact": round(sum(exact) / len(exact), 4)}
    return row | {"false_merges": None if flags else false_merges(labels, corpus.texts)}


def false_merges(labels: list[int], texts: list[str]) -> int:
    """Pairs of one cluster whose true similarity is below 0.7."""
    clusters: dict[int, list[int]] = defaultdict(list)
    for n, label in enumerate(labels):
        clusters[label].append(n)
    pairs = (
        pair
        for group in clusters.values()
        for pair in (combinations(group, 2) if len(group) <= _LARGE else ((group[0], n) for n in group[1:]))
    )
    return sum(true_jaccard(texts[a], texts[b]) < _FALSE for a, b in pairs)


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--data", type=Path, help="folder with texts; synthetic ones without it")
    parser.add_argument("--peers", default=sys.executable, help="interpreter in which the peers are installed")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES), help="only these")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    corpus = make(arguments.documents, arguments.seed, arguments.data)
    planted = sum(THRESHOLD <= similarity < 1 for _, _, similarity in corpus.pairs)
    words = sum(len(text.split()) for text in corpus.texts)
    print(f"{len(corpus.texts):,} documents, {words:,} words, {planted:,} planted near-duplicates at {THRESHOLD} or above")
    print(f"{'side':26}{'seconds':>9}{'CPU':>9}{'peak MiB':>10}{'over texts':>12}{'recall':>9}{'exact':>8}{'false merges':>14}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write(corpus, Path(folder, "texts.jsonl"))
        for name in arguments.sides:
            python = sys.executable if name.startswith("curate") else arguments.peers
            row = run(name, python, Path(folder, "texts.jsonl"), Path(folder, "labels.json"))
            if "left_out" in row:
                print(f"{name:26} left out: {row['left_out']}", flush=True)
            else:
                row = judged(row, corpus)
                numbers = f"{row['seconds']:>9}{row['cpu_seconds']:>9}{row['peak_mib']:>10}{row['over_texts_mib']:>12}{row['recall']:>9}{row['recall_exact']:>8}"
                print(f"{name:26}{numbers}{row['false_merges'] if row['false_merges'] is not None else '-':>14}", flush=True)
            rows.append(row)
    print(json.dumps({"benchmark": "dedup", "documents": len(corpus.texts), "words": words, "planted": planted, "results": rows}))


if __name__ == "__main__":
    main()
