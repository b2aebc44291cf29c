"""Does a passage answer a question? Baselines, gates, trained checker and all weighed together, on rows that people labelled.

Rows are divided into folds by group (article, document): what is fitted to scores of a fold never saw one of its groups. The checker's own
scores on training groups are out of fold too: each half of them is scored by a checker trained on the other half, and held-out rows by the mean of both.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.judge_alone import endpoint, judge_scores
from curate.filter.combined import FEATURES
from curate.verify.checker import open_checker
from curate.verify.dense import Dense
from curate.verify.kept import Kept
from curate.verify.ranks import Corpus, read_corpus
from curate.verify.scoring import Scorer
from curate.verify.sentence_checker import score_matrix
from curate.verify.sentence_match import SCORES, best_sentences
from curate.verify.support import negation_differs
from pipelines.sentence_checker import fit_weights, rarity_of
from schemas.settings import VerifySettings
from schemas.training import CheckerSettings
from train.binary import average_precision, best_cut, f1_at, roc_auc
from train.checker import CheckerJob, train_checker
from train.labelled import Labelled

Scores = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Columns = dict[str, Scores]

SENTENCES, BOTH = "sentence checker", "gates + sentence checker"
COMBINED = "gates + sentence checker + cross-encoder"
_GATES = (
    "word_overlap",
    "specific_words",
    "question_words",
    "unsupported_numbers",
    "unsupported_names",
    "bm25_rank",
    "bm25_margin",
)


@dataclass(frozen=True)
class Bench:
    """The rows with their folds, and where checkers may be kept."""

    name: str
    rows: Sequence[Labelled]
    headings: Sequence[str]
    folds: Index
    options: argparse.Namespace
    folder: Path

    @property
    def labels(self) -> Index:
        return np.asarray([row.label for row in self.rows], dtype=np.int64)

    @property
    def groups(self) -> npt.NDArray[np.str_]:
        return np.asarray([row.group for row in self.rows])


@dataclass(frozen=True)
class System:
    """Scores of all rows, each from a fold that its group was held out of, and the threshold chosen on the other folds."""

    scores: Scores
    thresholds: Scores


def benchmark(name: str, rows: Sequence[Labelled], headings: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything on the rows; prints a table, then one line of JSON."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folds = fold_of([row.group for row in rows], options.folds)
        bench = Bench(name, rows, headings, folds, options, options.work or Path(temporary))
        plain, gates, sentences = _columns(bench)
        _say("gates and sentences", round(time.monotonic() - started), None)
        systems = {title: _fixed(scores, bench) for title, scores in plain.items()}
        systems |= {f"gate: {title}": _fixed(-scores if title in _FAULTS else scores, bench) for title, scores in gates.items()}
        systems["gates"] = _weighed([gates], bench)
        by_sentence = checker_scores(bench, _sentence_fit(bench, sentences))
        systems[SENTENCES] = _crossed([{}], [by_sentence], bench)
        systems[BOTH] = _crossed([gates], [by_sentence], bench)
        if not options.no_checker:
            by_pair = checker_scores(bench, _pair_scorer(bench))
            systems["cross-encoder"] = _crossed([{}], [by_pair], bench)
            systems["gates + cross-encoder"] = _crossed([gates], [by_pair], bench)
            systems[COMBINED] = _crossed([gates], [by_sentence, by_pair], bench)
        judged = _judged(bench, systems)
    report = _report(bench, systems, plain) | judged
    report["seconds"] = round(time.monotonic() - started)
    print_table(report)
    print(json.dumps(report))
    return report


def fold_of(groups: Sequence[str], folds: int) -> Index:
    """Fold of each row: whole groups, the largest first, each to the fold that has least."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    load = [0] * folds
    home: dict[str, int] = {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], _hash(group))):
        home[group] = load.index(min(load))
        load[home[group]] += sizes[group]
    return np.asarray([home[group] for group in groups], dtype=np.int64)


def gate_columns(rows: Sequence[Labelled], headings: Sequence[str]) -> Columns:
    """The product's own scores of each row, searched for among all passages; no answers are known, evidence is the best sentence."""
    passages = list(dict.fromkeys(row.passage for row in rows))
    chunk = {passage: f"{number:06}" for number, passage in enumerate(passages)}
    corpus: Corpus = read_corpus(_Passages(passages))
    items = [
        {
            "question_id": str(number),
            "chunk_id": chunk[row.passage],
            "question": row.question,
            "style": "question",
            "answer": None,
            "evidence": None,
            "text": row.passage,
            "passage": row.passage,
            "headings": heading,
            "others": None,
        }
        for number, (row, heading) in enumerate(zip(rows, headings, strict=True))
    ]
    found = Scorer(VerifySettings(), corpus, None, None).check(items)
    columns = {name: np.asarray([FEATURES[name](row) for row in found]) for name in _GATES}
    evidence = [best_sentences(row.question, row.passage, 1) for row in rows]
    denied = [negation_differs(row.question, None, sentence) is True for row, sentence in zip(rows, evidence, strict=True)]
    return columns | {"negation_differs": np.asarray(denied, dtype=np.float64)}


_FAULTS = frozenset({"unsupported_numbers", "unsupported_names", "negation_differs", "bm25_rank"})
"""Gates whose higher numbers speak against a row."""


class _Passages:
    """A reader over passages that are no build's."""

    def __init__(self, passages: Sequence[str]) -> None:
        ids = [f"{number:06}" for number in range(len(passages))]
        self.tables = {
            "chunk_clusters": pl.DataFrame({"chunk_id": ids, "chunk_cluster_id": ids}),
            "chunks": pl.DataFrame({"chunk_id": ids, "passage": list(passages)}),
        }

    def batches(self, table: str, size: int = 4096, columns: Sequence[str] | None = None) -> Any:
        """All rows at once."""
        del size
        yield self.tables[table].select(columns or pl.all())

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """There is nothing to ask."""
        raise NotImplementedError(sql, parameters)

    def count(self, table: str) -> int:
        """Number of rows."""
        return self.tables[table].height


def _columns(bench: Bench) -> tuple[dict[str, Scores], Columns, Scores]:
    questions, passages = [row.question for row in bench.rows], [row.passage for row in bench.rows]
    gates = gate_columns(bench.rows, bench.headings)
    sentences = sentence_scores(bench)
    plain = {
        "keep all": np.zeros(len(questions)),
        "cosine": sentences[:, SCORES.index("passage_cosine")],
        "bm25 score": _bm25(questions, passages),
        "word overlap": gates["word_overlap"],
    }
    return plain, gates, sentences


def _bm25(questions: Sequence[str], passages: Sequence[str]) -> Scores:
    """BM25 score of each row's own passage."""
    from curate.bm25 import build, tokenise

    different = list(dict.fromkeys(passages))
    index = build("bm25s", (tokenise(passage, drop_stopwords=True) for passage in different))
    at = {passage: number for number, passage in enumerate(different)}
    found = []
    for question, passage in zip(questions, passages, strict=True):
        terms = index.terms(tokenise(question, drop_stopwords=True))
        found.append(float(index.score(terms)[at[passage]]) if terms else 0.0)
    return np.asarray(found)


def sentence_scores(bench: Bench) -> Scores:
    """What a sentence checker looks at, of each row [rows, scores]."""
    with (
        closing(Kept(bench.folder)) as kept,
        closing(Dense(VerifySettings(dense_model=bench.options.model, device=bench.options.device), kept)) as dense,
    ):
        return score_matrix([(row.question, row.passage) for row in bench.rows], rarity_of(bench.rows), dense)


def _sentence_fit(bench: Bench, matrix: Scores) -> Fit:
    place = {id(row): number for number, row in enumerate(bench.rows)}

    def fit(name: str, rows: Sequence[Labelled], wanted: Sequence[Labelled]) -> Scores:
        del name
        weights = fit_weights(matrix[[place[id(row)] for row in rows]], np.asarray([row.label for row in rows]))
        return np.asarray([weights.probability(matrix[place[id(row)]].tolist()) for row in wanted])

    return fit


Fit = Callable[[str, Sequence[Labelled], Sequence[Labelled]], Scores]
"""Name of a checker, rows to fit it to, rows to score."""


def checker_scores(bench: Bench, fit: Fit) -> tuple[Scores, Scores]:
    """Logits [folds, rows] for a fold's training rows (out of fold within them) and for its held-out rows (mean of both halves' checkers)."""
    trained = np.full((bench.options.folds, len(bench.rows)), np.nan)
    held = np.full(len(bench.rows), 0.0)
    for fold in range(bench.options.folds):
        inside = np.flatnonzero(bench.folds != fold)
        outside = np.flatnonzero(bench.folds == fold)
        half = fold_of([bench.rows[i].group for i in inside], 2)
        for side in (0, 1):
            ours, theirs = inside[half == side], inside[half != side]
            wanted = np.concatenate([theirs, outside])
            scores = fit(f"{fold}-{side}", [bench.rows[i] for i in ours], [bench.rows[i] for i in wanted])
            logits = np.log(np.clip(scores, 1e-6, 1 - 1e-6) / (1 - np.clip(scores, 1e-6, 1 - 1e-6)))
            trained[fold, theirs] = logits[: len(theirs)]
            held[outside] += logits[len(theirs) :] / 2
    return trained, held


def _pair_scorer(bench: Bench) -> Fit:
    options = bench.options

    def fit(name: str, rows: Sequence[Labelled], wanted: Sequence[Labelled]) -> Scores:
        out = bench.folder / f"{bench.name}-checker-{name}"
        rows, wanted = (cropped(part, options.sentences) for part in (rows, wanted))
        settings = CheckerSettings(
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            max_seq_length=options.max_seq_length,
            limit=options.limit,
            seed=options.seed,
            device=options.device,
            precision=options.precision,
        )
        result = train_checker(
            CheckerJob(rows, (f"{bench.name} fold {name}",), out, options.base or options.model), settings, _say
        )
        _say(f"checker {name}: dev {result.dev}, seconds", round(result.seconds), None)
        with (
            closing(Kept(bench.folder)) as kept,
            closing(open_checker(VerifySettings(checker=str(out), device=options.device), kept)) as gate,
        ):
            return np.asarray(
                gate.scores([(row.question, row.passage) for row in wanted], lambda *done: _say(f"score {name}", *done))
            )

    return fit


def cropped(rows: Sequence[Labelled], sentences: int | None) -> Sequence[Labelled]:
    """Rows whose passage is its sentences that share most words with the question, in their order: a checker reads them sooner."""
    if sentences is None:
        return rows
    return [replace(row, passage=best_sentences(row.question, row.passage, sentences)) for row in rows]


def _judged(bench: Bench, systems: Mapping[str, System]) -> dict[str, Any]:
    """ROC-AUC of the judge alone, and of the others on the same rows; nothing unless it was asked for."""
    options = bench.options
    if options.judge_url is None:
        return {}
    chosen = set(some(bench.rows, options.judge_rows))
    at = np.asarray([number for number, row in enumerate(bench.rows) if row in chosen])
    ask = endpoint(options.judge_url, options.judge_model)
    scores = judge_scores([bench.rows[i] for i in at], ask, options.judge_model, bench.folder / f"{bench.name}-judge.jsonl")
    labels = bench.labels[at]
    table = {"judge": roc_auc(labels, scores)} | {name: roc_auc(labels, system.scores[at]) for name, system in systems.items()}
    return {"judged": {"rows": len(at), "unknown": int((scores == 0.5).sum()), "model": options.judge_model, "roc_auc": table}}


def _fixed(scores: Scores, bench: Bench) -> System:
    """Scores that need no fitting; the threshold is that of the best F1 on the other folds."""
    thresholds = np.zeros(len(scores))
    for fold in range(bench.options.folds):
        inside = bench.folds != fold
        thresholds[~inside] = best_cut(bench.labels[inside], scores[inside]).threshold
    return System(scores, thresholds)


def _weighed(parts: Sequence[Columns], bench: Bench) -> System:
    matrix = np.column_stack([column for part in parts for column in part.values()])
    return _regressed(bench, lambda _: (matrix, matrix))


def _crossed(parts: Sequence[Columns], checkers: Sequence[tuple[Scores, Scores]], bench: Bench) -> System:
    columns = [column for part in parts for column in part.values()]

    def matrices(fold: int) -> tuple[Scores, Scores]:
        trained = [scores[fold] for scores, _ in checkers]
        return np.column_stack([*columns, *trained]), np.column_stack([*columns, *(held for _, held in checkers)])

    return _regressed(bench, matrices)


def _regressed(bench: Bench, matrices: Callable[[int], tuple[Scores, Scores]]) -> System:
    """Logistic regression on a fold's training rows; its threshold is chosen on its own training scores."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores, thresholds = np.zeros(len(bench.rows)), np.zeros(len(bench.rows))
    for fold in range(bench.options.folds):
        inside = bench.folds != fold
        training, held = matrices(fold)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
        model.fit(training[inside], bench.labels[inside])
        scores[~inside] = model.predict_proba(held[~inside])[:, 1]
        thresholds[~inside] = best_cut(bench.labels[inside], model.predict_proba(training[inside])[:, 1]).threshold
    return System(scores, thresholds)


def measured(system: System, labels: Index) -> dict[str, float]:
    """ROC-AUC, average precision, F1 of the answerable at the thresholds of the other folds."""
    return {
        "roc_auc": roc_auc(labels, system.scores),
        "average_precision": average_precision(labels, system.scores),
        "f1": f1_at(labels, system.scores - system.thresholds, 0.0),
    }


def draws_by_group(groups: npt.NDArray[np.str_], draws: int, seed: int) -> list[Index]:
    """Rows of whole groups drawn with replacement."""
    names, index = np.unique(groups, return_inverse=True)
    rows = [np.flatnonzero(index == number) for number in range(len(names))]
    generator = np.random.default_rng(seed)
    return [np.concatenate([rows[n] for n in generator.integers(len(names), size=len(names))]) for _ in range(draws)]


def _report(bench: Bench, systems: Mapping[str, System], plain: Collection[str]) -> dict[str, Any]:
    labels = bench.labels
    drawn = [
        rows
        for rows in draws_by_group(bench.groups, bench.options.draws, bench.options.seed)
        if 0 < labels[rows].sum() < len(rows)
    ]
    resampled = {
        name: np.asarray([roc_auc(labels[rows], system.scores[rows]) for rows in drawn]) for name, system in systems.items()
    }
    table = {
        name: measured(system, labels) | dict(zip(("low", "high"), _interval(resampled[name]), strict=True))
        for name, system in systems.items()
    }
    best = max((name for name in systems if name in plain), key=lambda name: table[name]["roc_auc"])
    gains = {
        name: {"mean": table[name]["roc_auc"] - table[best]["roc_auc"]}
        | dict(zip(("low", "high"), _interval(resampled[name] - resampled[best]), strict=True))
        for name in ("gates", SENTENCES, BOTH, "cross-encoder", "gates + cross-encoder", COMBINED)
        if name in systems
    }
    return {
        "set": bench.name,
        "rows": len(labels),
        "answerable": int(labels.sum()),
        "groups": len(set(bench.groups)),
        "folds": bench.options.folds,
        "model": Path(bench.options.model).name,
        "training": {name: getattr(bench.options, name) for name in _TRAINING},
        "systems": table,
        "best_baseline": best,
        "gains": gains,
    }


_TRAINING = ("epochs", "batch_size", "learning_rate", "max_seq_length", "sentences", "limit", "seed", "device", "precision")


def _interval(values: Scores) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def print_table(report: Mapping[str, Any]) -> None:
    """Systems by metrics, then the gains over the best baseline."""
    print(
        f"{report['set']}: {report['rows']} rows, {report['answerable']} answerable, {report['groups']} groups, {report['folds']} folds"
    )
    print(f"{'':<30}{'ROC-AUC':>9}{'95% by group':>18}{'AP':>9}{'F1':>9}")
    for name, row in report["systems"].items():
        bounds = f"{row['low']:.3f} to {row['high']:.3f}"
        print(f"{name:<30}{row['roc_auc']:>9.4f}{bounds:>18}{row['average_precision']:>9.4f}{row['f1']:>9.4f}")
    for name, gain in report["gains"].items():
        print(
            f"{name} minus {report['best_baseline']}: {gain['mean']:+.4f} ROC-AUC (95%: {gain['low']:+.4f} to {gain['high']:+.4f})"
        )
    if "judged" in report:
        judged = report["judged"]
        print(f"on {judged['rows']} rows, {judged['unknown']} of them unknown to the judge, ROC-AUC:")
        for name in ("judge", report["best_baseline"], *report["gains"]):
            print(f"{name:<30}{judged['roc_auc'][name]:>9.4f}")


def some(rows: Sequence[Labelled], limit: int | None) -> list[Labelled]:
    """At most `limit` rows, by hash, so that the same ones come every time."""
    if limit is None or limit >= len(rows):
        return list(rows)
    chosen = set(sorted(rows, key=lambda row: _hash(f"{row.question}\x1f{row.passage}"))[:limit])
    return [row for row in rows if row in chosen]


def parser_of(doc: str | None, *, folds: int, rows: int | None) -> argparse.ArgumentParser:
    """The options that both benchmarks have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with squad/ and ares_synthetic/")
    parser.add_argument(
        "--model", required=True, help="embedding model of the cosines, and base of the checkers: folder or hub name"
    )
    parser.add_argument("--base", help="another base of the checkers")
    parser.add_argument("--work", type=Path, help="keep the checkers in this folder (else a temporary one): run again to go on")
    parser.add_argument("--rows", type=int, default=rows, help="at most so many rows")
    parser.add_argument("--folds", type=int, default=folds)
    parser.add_argument("--no-checker", action="store_true", help="what needs no training only")
    parser.add_argument("--sentences", type=int, help="checkers read only the passage's so many best sentences: faster")
    parser.add_argument("--judge-url", help="chat endpoint of a language model judge, to compare with")
    parser.add_argument("--judge-model", default="judge", help="its model")
    parser.add_argument("--judge-rows", type=int, default=300, help="at most so many rows are put to it")
    parser.add_argument("--limit", type=int, help="at most so many training rows a checker")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-seq-length", type=int, default=256)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"], default="auto")
    return parser


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _say(step: str, done: int, total: int | None) -> None:
    if total is None or done % 10 == 0:
        print(f"{step} {done}{f'/{total}' if total else ''}", file=sys.stderr, flush=True)
