"""What people said of questions: one line a label in the build folder, and how it stands over the gates.

The file is only ever added to, so a kill loses nothing and every change of mind can be read; the last line of a question counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from curate.filter.gates import judge, shown, structural
from curate.stage import Rejection, Row
from schemas.errors import StoreError
from schemas.reasons import Reason
from schemas.settings import FilterSettings

LABELS = "labels.jsonl"
Mark = Literal["accept", "reject", "skip", "undo"]
"""accept and reject decide; skip remembers that a person could not; undo takes back what was said before."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Label:
    """One line of the file. `question` and `chunk_id` are there for people who read it; `at` is when, in UTC."""

    question_id: str
    label: Mark
    note: str = ""
    question: str = ""
    chunk_id: str = ""
    at: str = ""
    drawn: str = ""
    """What the gates said of the row when it was drawn: kept or rejected; empty for labels that came otherwise."""


def read_labels(folder: Path, tell: Tell | None = None) -> dict[str, Label]:
    """Question id → its last label, where that is accept or reject; empty without a file.

    `tell` hears of a last line that was torn off by a kill, which is passed over. Raises StoreError naming the file and the line of any
    other broken line.
    """
    return {key: label for key, label in read_marks(folder, tell).items() if label.label in ("accept", "reject")}


def read_marks(folder: Path, tell: Tell | None = None) -> dict[str, Label]:
    """The same with the questions that a person skipped."""
    marks: dict[str, Label] = {}
    for label in _lines(folder / LABELS, tell):
        marks.pop(label.question_id, None)
        if label.label != "undo":
            marks[label.question_id] = label
    return marks


def append_labels(folder: Path, labels: Sequence[Label], tell: Tell | None = None) -> None:
    """Write labels at the end of the file, on disk when this returns. A torn last line is cut off first."""
    path = folder / LABELS
    data = "".join(json.dumps(asdict(label), ensure_ascii=False) + "\n" for label in labels).encode("utf-8", "replace")
    try:
        _mend(path, tell)
        with path.open("ab", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"cannot write labels: {error.strerror}", where=str(path), next_step="check the folder's rights and free space"
        ) from error


def decide(row: Row, settings: FilterSettings, label: Label | None) -> Rejection | None:
    """What becomes of a question: as the gates say, unless a person labelled it.

    A rejected one goes; an accepted one stays in spite of every gate about its quality, but not of those that keep splits apart. `row` is
    what `curate.filter.gates.judge` takes.
    """
    if label is None:
        return judge(row, settings)
    if label.label == "reject":
        return Rejection(row["question_id"], Reason.LABEL_REJECTED, label.note, shown(row))
    return structural(row, settings)


def _lines(path: Path, tell: Tell | None) -> list[Label]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot read labels: {error.strerror}", where=str(path), next_step="check its rights") from error
    *whole, last = data.split(b"\n")
    found = [_label(line, path, number) for number, line in enumerate(whole, 1) if line.strip()]
    if last.strip():
        try:
            found.append(_label(last, path, len(whole) + 1))
        except StoreError:
            _say(tell, path, len(whole) + 1, "passed over")
    return found


def _label(line: bytes, path: Path, number: int) -> Label:
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError("no JSON object")
        known = {name: values.get(name, "") for name in Label.__slots__}
        wrong = [name for name, value in known.items() if not isinstance(value, str)]
        if wrong or not known["question_id"]:
            raise ValueError(f"{(wrong or ['question_id'])[0]} is no text" if wrong else "question_id is missing")
        if known["label"] not in get_args(Mark):
            raise ValueError(f"label {known['label']!r} is none of {', '.join(get_args(Mark))}")
    except ValueError as error:
        raise StoreError(
            f"line {number} is no label: {error}",
            where=str(path),
            next_step="mend or delete that line; the others stay as they are",
        ) from error
    return Label(**known)


def _mend(path: Path, tell: Tell | None) -> None:
    """Let the file end with a whole line."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        data = file.read()
        if not data or data.endswith(b"\n"):
            return
        kept, _, last = data.rpartition(b"\n")
        number = data.count(b"\n") + 1
        try:
            if last.strip():
                _label(last, path, number)
            file.write(b"\n")
        except StoreError:
            file.truncate(len(kept) + 1 if kept else 0)
            _say(tell, path, number, "cut off")


def _say(tell: Tell | None, path: Path, number: int, what: str) -> None:
    if tell is not None:
        tell(f"{path.name}: line {number} was torn by an interruption and is {what}.")
