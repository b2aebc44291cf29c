"""Figures of mined negatives: how many of the passages known to answer were reached and exported, what stopped the others, how hard the rest are."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.mined_case import WINDOW, Case
from benchmarks.planted_negatives import COPIES, HOST, NATURAL, SHARES

HARD = 30


@dataclass(frozen=True)
class Ranks:
    """Pair → the first chunks of BM25 and, where there is a model, of its cosines; best first."""

    lists: Sequence[Mapping[str, Sequence[str]]]

    def first(self, pair: str, depth: int) -> frozenset[str]:
        """Chunks among the first `depth` of any of them."""
        return frozenset(chunk for ranks in self.lists for chunk in ranks[pair][:depth])


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
