"""Labelling elsewhere: a sample as a CSV file that any spreadsheet opens, and its way back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from curate.filter.labels import Label, Mark, append_labels, read_marks
from pipelines.console import printable
from pipelines.labelling.questions import Card, Frame, Question, read_cards, read_frame
from pipelines.labelling.session import labels_of
from pipelines.labelling.text import block
from schemas.errors import InputError, SettingsError

COLUMNS = ("question_id", "question", "answer", "evidence", "passage", "label", "note")
MARKS: dict[str, Mark] = {
    "accept": "accept", "yes": "accept", "1": "accept", "reject": "reject", "no": "reject", "0": "reject", "skip": "skip",
}  # fmt: skip
_FORMULA = tuple("=+-@＝＋－＠")
"""Spreadsheets read a cell that begins like this as a formula: https://owasp.org/www-community/attacks/CSV_Injection."""
_FAULTS_SHOWN = 10
_LONGEST_CELL = 2**31 - 1


def export_sheet(folder: Path, path: Path, cards: Sequence[Card]) -> int:
    """Write the cards, with the labels there are, to a new file; the number of rows. Raises SettingsError where the file exists."""
    marks = read_marks(folder)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for card in cards:
        writer.writerow([guarded(cell) for cell in _cells(card, marks.get(card.question.key))])
    try:
        # With a byte order mark: spreadsheets take the file for another encoding without it.
        with path.open("x", encoding="utf-8-sig", errors="replace", newline="") as file:
            file.write(text.getvalue())
    except FileExistsError as error:
        raise SettingsError(
            "there is a file already, which may hold labels", where=str(path), next_step="give another name, or remove it"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"cannot be written: {error.strerror}", where=str(path), next_step="give a file in a folder that exists"
        ) from error
    return len(cards)


def _cells(card: Card, label: Label | None) -> list[str]:
    several = len(card.passages) > 1
    passages = (" › ".join(passage.heading_path) + "\n" * bool(passage.heading_path) + passage.text for passage in card.passages)
    evidence = (passage.evidence or "" for passage in card.passages)
    between = "\n\n----\n\n" if several else ""
    cells = [card.question.key, card.text, card.answer or "", between.join(evidence), between.join(passages)]
    return [block(cell) for cell in cells] + ([label.label, label.note] if label else ["", ""])


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before what looks like one, or begins with an apostrophe itself."""
    return f"'{cell}" if cell.lstrip().startswith((*_FORMULA, "'")) else cell


def unguarded(cell: str) -> str:
    """Inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip().startswith((*_FORMULA, "'")) else cell


def import_sheet(folder: Path, path: Path) -> dict[str, int]:
    """Take the labels of a file: counts of what was stored. Blank ones change nothing.

    All or nothing: raises InputError naming each row with an unknown id, or a label that is none, before anything is stored.
    """
    rows = _rows(path)
    frame = read_frame(folder)
    marks = read_marks(folder)
    wanted, blank = _checked(rows, frame, path)
    done = {"accepted": 0, "rejected": 0, "skipped": 0, "unchanged": 0, "blank": blank}
    changed: list[tuple[Question, Mark, str]] = []
    for key, (given, note) in wanted.items():
        before = marks.get(key)
        # A note without a label is a skip, but takes back no decision.
        mark = given or (before.label if before is not None else "skip")
        if before is not None and (given is None or (before.label, before.note) == (mark, note)):
            done["unchanged"] += 1
        else:
            changed.append((frame.questions[key], mark, note))
            done[{"accept": "accepted", "reject": "rejected"}.get(mark, "skipped")] += 1
    cards = read_cards(folder, frame, (question for question, _, _ in changed))
    lines = [line for card, (_, mark, note) in zip(cards, changed, strict=True) for line in labels_of(card, mark, note)]
    if lines:
        append_labels(folder, lines)
    return done


Row = tuple[int, str, str, str]
"""The row's number in the spreadsheet, its id, label and note."""


def _checked(rows: Sequence[Row], frame: Frame, path: Path) -> tuple[dict[str, tuple[Mark | None, str]], int]:
    """Question's key → label and note of each row that is not blank, and the number of those that are."""
    known = frame.of_row()
    faults: list[str] = []
    found: dict[str, tuple[Mark | None, str]] = {}
    blank = 0
    for number, name, label, note in rows:
        mark = MARKS.get(label.lower())
        if name not in known:
            faults.append(
                f"row {number}: {_shown(name)} is no question of this build" if name else f"row {number}: no question_id"
            )
        elif label and mark is None:
            faults.append(f"row {number}: label {_shown(label)} is none of {', '.join(MARKS)}")
        elif label or note:
            key = known[name].key
            if key in found and found[key][0] != mark:
                faults.append(f"row {number}: another row says {found[key][0] or 'nothing'} of the same question")
            else:
                found[key] = (mark, note)
        else:
            blank += 1
    if faults:
        more = f"; and {len(faults) - _FAULTS_SHOWN:,} more" if len(faults) > _FAULTS_SHOWN else ""
        raise InputError(
            "; ".join(faults[:_FAULTS_SHOWN]) + more, where=str(path), next_step="mend these rows; nothing was imported"
        )
    return found, blank


def _shown(text: str) -> str:
    return repr(printable(text)[:40])


def _rows(path: Path) -> list[Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
        raise InputError(what, where=str(path), next_step="save the sheet as CSV in UTF-8") from error
    csv.field_size_limit(_LONGEST_CELL)
    header = text.split("\n", 1)[0]
    # Spreadsheets write semicolons or tabs in some countries.
    delimiter = max(",;\t", key=header.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"is no CSV file: {error}", where=str(path), next_step="save the sheet as CSV") from error
    names = [name.strip().lower() for name in lines[0]] if lines else []
    missing = [name for name in ("question_id", "label") if name not in names]
    if missing:
        raise InputError(
            f"has no column {' and no column '.join(missing)}",
            where=str(path),
            next_step="`curate label DIR --export FILE` writes one to fill in",
        )
    return [_row(number, dict(zip(names, line, strict=False))) for number, line in enumerate(lines[1:], 2) if any(line)]


def _row(number: int, cells: Mapping[str, str]) -> Row:
    name, label, note = (unguarded(cells.get(column, "")) for column in ("question_id", "label", "note"))
    return number, name.strip(), label.strip(), printable(note).strip()
