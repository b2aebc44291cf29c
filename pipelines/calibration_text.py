"""What `curate calibrate` prints: tables in plain lines of at most 100 characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from curate.text import counted
from pipelines.console import printable

Values = Mapping[str, Any]

WIDTH = 100
_TITLES = {"used": "as set", "recommended": "recommended", "fitted": "fitted"}
_MOST_PAIRS = 5
_TIMED = {
    "question_malformed": "question_form",
    "question_not_self_contained": "context_bound",
    "question_too_vague": "specific_words",
    "question_verbatim": "verbatim",
    "evidence_not_in_chunk": "evidence_found",
    "evidence_too_short": "evidence_words",
    "question_in_other_language": "language_match",
    "number_not_in_chunk": "unsupported_numbers",
    "name_not_in_chunk": "unsupported_names",
    "negation_differs": "negation_differs",
    "answer_not_in_chunk": "answer_overlap",
    "question_unrelated": "word_overlap",
    "passage_not_found": "bm25_rank",
    "other_passage_fits_better": "bm25_rank",
    "other_passage_answers": "bm25_rank",
}
"""Gate → the check whose time is its cost."""


def calibration_lines(found: Values, folder: str) -> list[str]:
    """The figures for people: what is caught by kind, what each gate does, thresholds, and what to run next."""
    place = f"{printable(folder)}/calibration"
    lines = [_head(found), ""]
    if found["unchanged"]:
        lines[:0] = ["Nothing has changed since these figures were measured: nothing was computed again.", ""]
    lines += [*_by_kind(found), "", *_gates(found), "", *_thresholds(found)]
    for part in (_fitted(found), _judge(found), _overlap(found)):
        block = list(part)
        lines += ["", *block] if block else []
    lines += ["", *(line for note in found["notes"] for line in _wrapped(printable(note)))]
    return [
        *lines,
        "",
        f"figures: {place}/calibration.json   planted rows: {place}/planted.parquet",
        "next:",
        f"  curate build SOURCE... --out {printable(folder)} --config {place}/settings.toml",
    ]


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _head(found: Values) -> str:
    rows, planted = found["rows"], sum(kind["planted"] for kind in found["kinds"].values())
    origins = ", ".join(f"{count:,} {origin}" for origin, count in rows["origins"].items())
    return (
        f"{counted(rows['originals'], 'question')} ({origins}) of {counted(rows['documents'], 'document')}, {rows['sound']:,} of them pass the "
        f"rules of form;\n{counted(planted, 'fault')} planted into those, seed {found['seed']}; scored in {found['seconds_scoring']:.0f} s"
    )


def _by_kind(found: Values) -> Iterator[str]:
    names = list(found["combined"])
    yield "caught by all gates together"
    yield f"{'fault':<28}{'planted':>8}" + "".join(f"{_TITLES[name]:>20}" for name in names)
    for kind, known in found["kinds"].items():
        rates = (found["combined"][name]["all"]["caught"][kind] for name in names)
        yield f"{kind:<28}{known['planted']:>8,}" + "".join(f"{_share(rate):>20}" for rate in rates)
    means = (found["combined"][name]["all"]["mean_caught"] for name in names)
    yield f"{'mean of the kinds':<36}" + "".join(f"{'' if mean is None else format(mean, '.1%'):>20}" for mean in means)
    for split, title in (("train", "  of train"), ("dev_and_test", "  of dev and test")):
        means = (found["combined"][name][split]["mean_caught"] for name in names)
        yield f"{title:<36}" + "".join(f"{'' if mean is None else format(mean, '.1%'):>20}" for mean in means)
    yield "killed beside them"
    for key, title in (
        ("kills_of_unplanted", "unplanted rows (upper bound)"),
        ("kills_of_sound", "those that pass the rules"),
        ("false_kills_of_labelled_good", "rows labelled good"),
        ("caught_of_labelled_bad", "caught: rows labelled bad"),
    ):
        killed = [found["combined"][name]["all"][key] for name in names]
        if killed[0]["of"]:
            yield f"{title:<28}{killed[0]['of']:>8,}" + "".join(f"{_share(rate):>20}" for rate in killed)


def _share(rate: Values) -> str:
    if rate["rate"] is None:
        return "-"
    return f"{rate['rate']:.1%} [{rate['low']:.0%}-{rate['high']:.0%}]"


def _gates(found: Values) -> Iterator[str]:
    yield "each gate alone, as recommended"
    yield f"{'gate':<28}{'caught':>8}{'killed':>8}{'of good':>8}{'ms':>7}  best at"
    for gate, rates in found["gates"]["recommended"].items():
        best = sorted(rates["caught"].items(), key=lambda item: (-(item[1]["rate"] or 0.0), item[0]))[:2]
        shown = ", ".join(f"{kind} {rate['rate']:.0%}" for kind, rate in best if rate["rate"])
        cost = found["seconds_per_row"].get(_TIMED.get(gate, ""))
        line = (
            f"{gate:<28}{_percent(rates['mean_caught']):>8}{_percent(rates['kills_of_unplanted']['rate']):>8}"
            f"{_percent(rates['false_kills_of_labelled_good']['rate']):>8}{'' if cost is None else format(1000 * cost, '.2f'):>7}  {shown}"
        )
        yield line.rstrip() if len(line) <= WIDTH else line[: line.rindex(", ")]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _thresholds(found: Values) -> Iterator[str]:
    known = found["thresholds"]
    fitted, held = known["fitted"], known["held_out"]
    counted_on = (
        "rows labelled good" if known["false_kills_counted_on"] == "labelled_good" else "unplanted rows that pass the rules"
    )
    yield f"recommended thresholds, at most {known['target']:.0%} of {counted_on} killed"
    for name, value in known["settings"].items():
        yield f"  {name} = {_value(value)}"
    yield f"  with these, on all documents: {_share(known['kills'])} killed"
    yield (
        f"  check: fitted on {counted(fitted['documents'], 'document')} alone, {_share(fitted['kills'])} killed there, "
        f"{_percent(fitted['mean_caught'])} caught"
    )
    yield f"  on the other {held['documents']:,}: {_share(held['kills'])} killed, {_percent(held['mean_caught'])} caught{_verdict(known)}"


def _verdict(known: Values) -> str:
    inside, expected = known["held_out_within_interval"], known["expected_on_held_out"]
    if inside is None or expected is None:
        return ""
    stated = f"{expected[0]:.0%}-{expected[1]:.0%}"
    return f"; within the {stated} expected" if inside else f"; OUTSIDE the {stated} expected, so do not trust the thresholds"


def _value(value: Any) -> str:
    return "off" if value in (None, False) else "on" if value is True else str(value)


def _fitted(found: Values) -> Iterator[str]:
    if not found["fitted"]:
        return
    for name, title in (("train", "train questions"), ("dev_and_test", "dev and test questions (no searches)")):
        model = found["fitted"][name]
        yield f"fitted decision, {title}: reject below {model['threshold']}; AUC {model['auc_out_of_fold']:.3f} out of fold"
        weights = sorted(model["weights"].items(), key=lambda item: (-abs(item[1]), item[0]))
        sums = ", ".join(f"{score} {weight:+.3g}" for score, weight in [("constant", model["intercept"]), *weights])
        yield from textwrap.wrap(sums, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _judge(found: Values) -> Iterator[str]:
    judge = found["judge"]
    if not judge:
        return
    answers = ", ".join(f"{count:,} {answer}" for answer, count in judge["answers"].items())
    yield f"judge, asked about {counted(judge['asked'], 'row')} that pass the gates as set: {answers}"
    for kind, rate in judge["caught_of_what_passes"].items():
        if rate["of"]:
            yield f"  {kind:<28}{rate['of']:>6,}{_share(rate):>20}"
    yield f"  {'unplanted rows killed':<28}{judge['kills_of_sound']['of']:>6,}{_share(judge['kills_of_sound']):>20}"


def _overlap(found: Values) -> Iterator[str]:
    pairs = found["overlap"][:_MOST_PAIRS]
    if pairs:
        yield "catches in common (both, of either)"
    for pair in pairs:
        yield f"  {pair['share']:>5.0%}  {' and '.join(pair['gates'])}"
