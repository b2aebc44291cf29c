"""The table of a recipe: what the source published beside what this run got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines.console import printable

Value = float | int | str | None


@dataclass(frozen=True)
class Figure:
    """One line of the table; None is a dash."""

    what: str
    published: Value
    here: Value
    digits: int = 3


@dataclass(frozen=True)
class Outcome:
    """What a recipe found."""

    recipe: str
    headline: str
    """What the figures come to, in one line."""
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    """Further lines for people, such as those of an evaluation."""
    details: dict[str, Any] = field(default_factory=dict)
    """Everything behind the figures, for machines."""


def outcome_lines(outcome: Outcome) -> list[str]:
    """Headline, table, notes."""
    cells = [("", "published", "this run"), *((f.what, _cell(f.published, f), _cell(f.here, f)) for f in outcome.figures)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = [printable(outcome.headline), ""]
    lines += [f"{what:<{widths[0]}}  {there:>{widths[1]}}  {here:>{widths[2]}}".rstrip() for what, there, here in cells]
    notes = [f"- {printable(note)}" for note in outcome.notes]
    lines += ["", *notes] if notes else []
    return [*lines, "", *outcome.report] if outcome.report else lines


def outcome_values(outcome: Outcome) -> dict[str, Any]:
    """The same, and everything behind it, for machines."""
    return asdict(outcome)


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """`recipe.json` and `recipe.md` in the recipe's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(outcome_values(outcome), indent=2, ensure_ascii=False)
    (folder / "recipe.json").write_text(text + "\n", encoding="utf-8")
    (folder / "recipe.md").write_text("\n".join(_markdown(outcome)) + "\n", encoding="utf-8")


def _markdown(outcome: Outcome) -> Iterator[str]:
    yield from (f"# Recipe {outcome.recipe}", "", _plain(outcome.headline), "", "| | published | this run |", "|---|---|---|")
    for figure in outcome.figures:
        yield f"| {_plain(figure.what)} | {_cell(figure.published, figure)} | {_cell(figure.here, figure)} |"
    if outcome.notes:
        yield ""
        yield from (f"- {_plain(note)}" for note in outcome.notes)
    if outcome.report:
        yield from ("", "```text", *(line.replace("`", "'") for line in outcome.report), "```")


def _plain(text: str) -> str:
    """Names of models and files are not Markdown."""
    return "".join(f"\\{character}" if character in "\\|<>`*[]" else character for character in printable(text))


def _cell(value: Value, figure: Figure) -> str:
    if value is None:
        return "–"
    return f"{value:.{figure.digits}f}" if isinstance(value, float) else printable(str(value))
