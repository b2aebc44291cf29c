"""Thresholds of the gates on scores: the most faults caught at a stated rate of false kills, checked on documents that had no part in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from curate.calibrate.measure import stopped
from curate.calibrate.rates import Flags, Rate, Resampling
from curate.calibrate.sample import FEWEST, SCORE_GATES_OFF, Sample, open_gates
from curate.filter.gates import verdicts
from schemas.reasons import Reason
from schemas.settings import FilterSettings

LEAST_GAIN = 0.002
"""Mean catch rate that a gate, or a tighter threshold, must add to be worth having."""


@dataclass(frozen=True)
class Knob:
    """A gate on a score with its settings from wide open (the first) to tight."""

    reason: Reason
    options: tuple[dict[str, Any], ...]


def _steps(name: str, values: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    return ({}, *({name: value} for value in values))


_MARGINS = (-0.6, -0.5, -0.4, -0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3)
_COSINES = (-0.2, -0.15, -0.1, -0.08, -0.06, -0.04, -0.02, 0.0, 0.02, 0.05)
KNOBS: tuple[Knob, ...] = (
    Knob(Reason.NUMBER_NOT_IN_CHUNK, _steps("numbers", (True,))),
    Knob(Reason.NAME_NOT_IN_CHUNK, _steps("names", (True,))),
    Knob(Reason.NEGATION_DIFFERS, _steps("negation", (True,))),
    Knob(Reason.QUESTION_TOO_VAGUE, _steps("min_specific_words", (1, 2, 3))),
    Knob(Reason.ANSWER_NOT_IN_CHUNK, _steps("min_answer_overlap", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0))),
    Knob(Reason.PASSAGE_NOT_FOUND, _steps("max_round_trip_rank", (100, 50, 20, 10, 5, 3, 2, 1))),
    Knob(
        Reason.OTHER_PASSAGE_FITS_BETTER,
        (
            *_steps("min_bm25_margin", _MARGINS),
            *({"min_dense_margin": value} for value in _COSINES),
            *({"min_bm25_margin": a, "min_dense_margin": b} for a in _MARGINS[::2] for b in _COSINES[::2]),
        ),
    ),
    Knob(Reason.OTHER_PASSAGE_ANSWERS, _steps("min_bm25_answer_margin", _MARGINS)),
    Knob(
        Reason.CHECKER_SCORE_LOW,
        _steps("min_checker_score", (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)),
    ),
)


@dataclass(frozen=True)
class Halves:
    """Which rows belong to the half of the documents that thresholds are fitted on; the other half checks them."""

    fitted: Flags
    documents: tuple[int, int]
    """Clusters of documents in either half."""


@dataclass(frozen=True)
class Recommendation:
    """Thresholds fitted on all documents, and how thresholds that are fitted on half of them hold on the other half."""

    settings: dict[str, Any]
    against: str
    """What counts as a false kill: "labelled_good" rows, or "sound" ones (unplanted, passing all rules without a threshold)."""
    target: float
    kills: Rate
    """With these settings, on all documents."""
    half_settings: dict[str, Any]
    """What half of the documents would recommend; the rates below are those of these settings."""
    fitted_kills: Rate
    held_out_kills: Rate
    fitted_catch: float | None
    held_out_catch: float | None
    documents: tuple[int, int]
    expected: tuple[float, float] | None
    """The interval stated, from the fitted half alone, for the rate on the other half."""

    @property
    def within(self) -> bool | None:
        """Whether the rate on the other half lies within the interval stated for it."""
        rate = self.held_out_kills.rate
        return None if rate is None or self.expected is None else self.expected[0] <= rate <= self.expected[1]

    def values(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "settings": self.settings,
            "target": self.target,
            "false_kills_counted_on": self.against,
            "kills": self.kills.values(),
            "expected_on_held_out": self.expected,
            "fitted": {
                "settings": self.half_settings,
                "documents": self.documents[0],
                "kills": self.fitted_kills.values(),
                "mean_caught": self.fitted_catch,
            },
            "held_out": {
                "documents": self.documents[1],
                "kills": self.held_out_kills.values(),
                "mean_caught": self.held_out_catch,
            },
            "held_out_within_interval": self.within,
        }


def halves(sample: Sample, seed: int) -> Halves:
    """Two halves of the documents with about as many originals each, by the hash of their ids."""
    counts: dict[str, int] = {}
    for row, flag in zip(sample.rows, sample.sound | sample.good, strict=True):
        counts[row["cluster_id"]] = counts.get(row["cluster_id"], 0) + int(flag)
    first: set[str] = set()
    sizes = [0, 0]
    for cluster in sorted(counts, key=lambda name: sha256(f"{seed} {name}".encode()).hexdigest()):
        half = 0 if sizes[0] <= sizes[1] else 1
        sizes[half] += counts[cluster]
        if half == 0:
            first.add(cluster)
    return Halves(
        np.array([cluster in first for cluster in sample.clusters], dtype=np.bool_), (len(first), len(counts) - len(first))
    )


def recommend(sample: Sample, resampling: Resampling, settings: FilterSettings, target: float, parts: Halves) -> Recommendation:
    """Thresholds fitted under the target on all documents; and the check: fitted on one half, with the rates on both."""
    wide = open_gates(settings)
    labelled = int(sample.good.sum()) >= FEWEST
    mild = sample.good if labelled else sample.sound
    always = stopped(sample.failed(wide))
    knobs, flags = _usable(sample, wide, always)

    def found(among: Flags) -> tuple[dict[str, Any], Flags]:
        """The best settings on some of the rows, and what they stop of all."""
        search = _Search(
            flags=[part[:, among] for part in flags],
            always=always[among],
            mild=mild[among],
            kinds=[kind[among] for kind in sample.kinds.values() if kind[among].any()],
            target=target,
        )
        chosen = search.best()
        hits = always.copy()
        for part, option in zip(flags, chosen, strict=True):
            hits |= part[option]
        return {
            name: value for knob, option in zip(knobs, chosen, strict=True) for name, value in knob.options[option].items()
        }, hits

    tuned = {name: value for name, value in SCORE_GATES_OFF.items() if name not in ("decision", "judge")}
    tuned["min_specific_words"] = settings.min_specific_words
    everywhere, all_hits = found(np.ones(len(always), dtype=np.bool_))
    half, hits = found(parts.fitted)
    return Recommendation(
        settings={**tuned, **everywhere},
        against="labelled_good" if labelled else "sound",
        target=target,
        kills=resampling.rate(all_hits, mild),
        half_settings=half,
        fitted_kills=resampling.rate(hits, mild & parts.fitted),
        held_out_kills=resampling.rate(hits, mild & ~parts.fitted),
        fitted_catch=_mean_catch(hits, sample, parts.fitted),
        held_out_catch=_mean_catch(hits, sample, ~parts.fitted),
        documents=parts.documents,
        expected=resampling.predicted(hits, mild & parts.fitted, mild & ~parts.fitted),
    )


def _mean_catch(hits: Flags, sample: Sample, among: Flags) -> float | None:
    rates = [float(hits[kind & among].mean()) for kind in sample.kinds.values() if (kind & among).any()]
    return round(sum(rates) / len(rates), 4) if rates else None


def _usable(sample: Sample, wide: FilterSettings, always: Flags) -> tuple[list[Knob], list[Flags]]:
    """The gates that can be set here, each with what it stops at every setting: flags [options, rows]."""
    knobs: list[Knob] = []
    flags: list[Flags] = []
    for knob in KNOBS:
        options = [option for option in knob.options if _is_scored(sample, option) and not _loosens(wide, option)]
        found = [_stops(sample, wide.model_copy(update=option), knob.reason, always) for option in options]
        # Settings that stop the same rows are one; the widest of them stands for all.
        kept = [i for i in range(len(found)) if not any((found[i] == found[j]).all() for j in range(i))]
        if len(kept) > 1:
            knobs.append(Knob(knob.reason, tuple(options[i] for i in kept)))
            flags.append(np.stack([found[i] for i in kept]))
    return knobs, flags


_SCORES = {"min_dense_margin": "dense_margin", "min_checker_score": "checker_score"}


def _is_scored(sample: Sample, option: dict[str, Any]) -> bool:
    """Whether the scores that a setting is for are there: those of models only where one is configured."""
    return all(any(row[_SCORES[name]] is not None for row in sample.rows) for name in option if name in _SCORES)


def _loosens(wide: FilterSettings, option: dict[str, Any]) -> bool:
    return int(option.get("min_specific_words", wide.min_specific_words)) < wide.min_specific_words


def _stops(sample: Sample, settings: FilterSettings, reason: Reason, always: Flags) -> Flags:
    """Which rows this gate stops; those that are stopped always need no look."""
    rows = zip(sample.rows, always, strict=True)
    return np.array([not gone and _fails(row, settings, reason) for row, gone in rows], dtype=np.bool_)


def _fails(row: dict[str, Any], settings: FilterSettings, reason: Reason) -> bool:
    return next((not verdict.passed for verdict in verdicts(row, settings) if verdict.reason == reason), False)


@dataclass(frozen=True)
class _Search:
    """All choices of one option a gate, weighed by catch and kills on the fitted half."""

    flags: Sequence[Flags]
    always: Flags
    mild: Flags
    kinds: Sequence[Flags]
    target: float

    def best(self) -> list[int]:
        """Options by two greedy walks (by gain, and by gain for each further kill), each mended one gate at a time; the better of the two."""
        walks = [self._mended(self._walk(by_kill=by_kill)) for by_kill in (True, False)]
        return max(walks, key=lambda chosen: (round(self._catch(chosen), 9), -sum(chosen)))

    def _hits(self, chosen: Sequence[int]) -> Flags:
        hits = self.always.copy()
        for part, option in zip(self.flags, chosen, strict=True):
            hits |= part[option]
        return hits

    def _catch(self, chosen: Sequence[int]) -> float:
        hits = self._hits(chosen)
        return float(np.mean([hits[kind].mean() for kind in self.kinds])) if self.kinds else 0.0

    def _kills(self, chosen: Sequence[int]) -> int:
        return int((self._hits(chosen) & self.mild).sum())

    @property
    def _most(self) -> float:
        return self.target * float(self.mild.sum()) + 1e-9

    def _walk(self, *, by_kill: bool) -> list[int]:
        chosen = [0] * len(self.flags)
        while True:
            catch, kills = self._catch(chosen), self._kills(chosen)
            steps = []
            for gate, part in enumerate(self.flags):
                for option in range(chosen[gate] + 1, len(part)):
                    tried = [*chosen[:gate], option, *chosen[gate + 1 :]]
                    gain, more = self._catch(tried) - catch, self._kills(tried)
                    if gain >= LEAST_GAIN and more <= self._most:
                        worth = gain / (more - kills + 0.5) if by_kill else gain
                        steps.append((round(worth, 9), -option, -gate, tried))
            if not steps:
                return chosen
            chosen = max(steps)[3]

    def _mended(self, chosen: list[int]) -> list[int]:
        """Each gate in turn set anew beside the others, until nothing is gained; of equal settings the widest."""
        for _ in range(10):
            before = list(chosen)
            for gate, part in enumerate(self.flags):
                tries = [[*chosen[:gate], option, *chosen[gate + 1 :]] for option in range(len(part))]
                allowed = [tried for tried in tries if self._kills(tried) <= self._most] or [tries[0]]
                top = max(self._catch(tried) for tried in allowed)
                chosen = next(tried for tried in allowed if self._catch(tried) >= top - LEAST_GAIN)
            if chosen == before:
                break
        return chosen
