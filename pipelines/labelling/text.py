"""What labelling prints: cards, keys, reports. Texts of documents come out without control characters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from curate.text import counted
from pipelines.console import printable
from pipelines.labelling.questions import Card, Passage, Sample

OPENS, CLOSES = "[[", "]]"
KEYS = "a accept   r reject   s skip   b back   q quit   ? help"
HELP = """\
a  accept: a person who knew this passage could ask this, and the passage answers it
r  reject: it does not, or nobody would ask it, or it cannot be understood without the passage
s  skip: cannot tell; asked again at the end of a later run
b  back: take the last decision back and show that question again
q  quit: everything is stored already; the same command goes on
After r a note may say why (on a line: r and the note). [[ ]] marks the evidence that the generator named."""


def block(text: str) -> str:
    """Text without control characters, escapes or direction marks, its lines left apart."""
    return "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n"))


def sample_line(sample: Sample) -> str:
    """What was drawn, and out of how much."""
    parts = (f"{sample.taken[name]:,} of {sample.sizes[name]:,} {name}" for name in ("kept", "rejected") if sample.taken[name])
    origin = "every origin" if sample.origin == "all" else f"origin {sample.origin}"
    return f"{counted(len(sample.questions), 'question')} to label: {', '.join(parts) or 'none there'} by the gates, {origin}"


def card_text(card: Card, number: int, total: int, show_gates: bool) -> str:
    """One question with all that is needed to decide on it."""
    lines = [
        f"──── {number:,} of {total:,} ────",
        "question",
        _indented(card.text),
        f"  ({printable(card.style)}, {card.question.origin})",
    ]
    if card.answer is not None:
        lines += ["answer", _indented(card.answer)]
    for n, passage in enumerate(card.passages, 1):
        lines += _passage_lines(passage, f"passage {n} of {len(card.passages)}" if len(card.passages) > 1 else "passage")
    if show_gates:
        lines.append(gates_text(card))
    return "\n".join(lines)


def _passage_lines(passage: Passage, name: str) -> Iterator[str]:
    yield f"{name}: {printable(' › '.join((passage.source, *passage.heading_path)))}"
    start, end = passage.start, passage.end
    if start is None or end is None:
        yield _indented(passage.text)
        if passage.evidence is not None:
            yield "evidence, not found in the passage"
            yield _indented(passage.evidence)
        return
    before, marked, after = (block(part) for part in (passage.text[:start], passage.text[start:end], passage.text[end:]))
    # Styled after cleaning, so that the escapes are ours alone; click takes them away where the output is no terminal.
    shown = "\n".join(click.style(line, bold=True) if line else line for line in f"{OPENS}{marked}{CLOSES}".split("\n"))
    yield "\n".join(f"  {line}" for line in f"{before}{shown}{after}".split("\n"))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in block(text).split("\n"))


def gates_text(card: Card) -> str:
    """What the gates say of a question: keep, or each one that it fails."""
    failed = [
        f"{reason}{f' ({printable(detail)})' if detail else ''}{'' if passed is False else ' cannot be told'}"
        for reason, passed, detail in card.gates
        if not passed
    ]
    return f"the gates reject: {'; '.join(failed)}" if failed else "the gates keep it"


def report_lines(found: dict[str, Any]) -> list[str]:
    """The report in lines for people."""
    counts = found["labels"]
    lines = [f"labels: {counts['accept']:,} accepted, {counts['reject']:,} rejected, {counts['skip']:,} skipped"]
    lines += [
        f"  {row['origin']}, {row['drawn']} by the gates: {row['accepted']:,} of {row['labelled']:,} labelled accepted, {row['rows']:,} in all"
        for row in found["strata"]
        if row["labelled"]
    ]
    lines += _share_lines(found)
    lines += _gate_lines(found["gates"])
    return lines + [f"- {remark}" for remark in found["remarks"]]


def _share_lines(found: dict[str, Any]) -> Iterator[str]:
    names = {
        "precision": "precision of what the gates keep",
        "good_among_rejected": "accepted among what the gates reject",
        "false_kill_rate": "share of all good questions that the gates reject",
    }
    for key, name in names.items():
        share = found[key]
        yield f"{name}: {_share_text(share) if share else 'unknown, too little is labelled'}"


def _share_text(share: dict[str, Any]) -> str:
    return f"{share['value']:.1%} ({share['low']:.1%} to {share['high']:.1%}; {share['rows']:,} labelled)"


def _gate_lines(gates: list[dict[str, Any]]) -> Iterator[str]:
    if not gates:
        return
    width = max(len(gate["gate"]) for gate in gates)
    yield "agreement of each gate with the labels (kappa: of the rows as labelled, and weighted back to the whole set):"
    yield f"  {'':<{width}}  passes, of them accepted  fails, of them accepted  unknown  kappa  weighted"
    for gate in gates:
        passes, fails = gate["pass_accept"] + gate["pass_reject"], gate["fail_accept"] + gate["fail_reject"]
        yield (
            f"  {gate['gate']:<{width}}  {passes:>6,} {gate['pass_accept']:>17,}  {fails:>5,} {gate['fail_accept']:>17,}  "
            f"{gate['unknown']:>7,}  {_kappa(gate['kappa']):>5}  {_kappa(gate['kappa_weighted']):>8}"
        )


def _kappa(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def import_line(done: dict[str, int]) -> str:
    """What an import stored."""
    return "imported: " + ", ".join(f"{count:,} {what}" for what, count in done.items())
