"""Labelling in the terminal: one question at a time, each key stored before the next is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import click

from curate.filter.labels import Label, Mark, append_labels, read_marks
from pipelines.console import printable
from pipelines.labelling.questions import Card
from pipelines.labelling.text import HELP, KEYS, card_text, gates_text

NAMES = {"accept": "a", "reject": "r", "skip": "s", "back": "b", "quit": "q", "help": "?"}
_DECISIONS: dict[str, Mark] = {"a": "accept", "r": "reject", "s": "skip"}
_SAID = {"accept": "accepted", "reject": "rejected", "skip": "skipped"}
Say = Callable[[str], None]


class Keys(Protocol):
    """Where a person's keys come from."""

    def key(self) -> tuple[str, str] | None:
        """The next key with the note beside it, or None at the end of input."""

    def note(self) -> str:
        """What is to be noted of a rejection, asked after its key."""


class LineKeys:
    """One key a line, with a note after it; what follows `r` on its line is why."""

    def key(self) -> tuple[str, str] | None:
        """The next line; its first word is the key or the key's name."""
        line = sys.stdin.readline()
        if not line:
            return None
        first, _, rest = line.strip().partition(" ")
        return NAMES.get(first.lower(), first.lower()), rest.strip()

    def note(self) -> str:
        """Nothing: notes stand on the line of their key."""
        return ""


class TerminalKeys:
    """Single keys from a terminal, without Enter."""

    def key(self) -> tuple[str, str] | None:
        """The next key pressed."""
        try:
            return click.getchar().lower(), ""
        except EOFError:
            return None

    def note(self) -> str:
        """A line from the terminal; Enter alone, or the end of input, is none."""
        try:
            return input("why (Enter for no note): ")
        except EOFError:
            return ""


def keys_of_stdin() -> Keys:
    """Single keys from a terminal, lines from anything else."""
    return TerminalKeys() if sys.stdin.isatty() else LineKeys()


@dataclass(frozen=True)
class Session:
    """One sitting over a build's folder."""

    folder: Path
    keys: Keys
    say: Say
    show_gates: bool = False

    def run(self, cards: Sequence[Card]) -> int:
        """Go through the cards that have no label yet, those skipped before at the end; how many were decided."""
        waiting = left_over(self.folder, cards, self.say)
        done: list[Mark] = []
        while len(done) < len(waiting):
            card = waiting[len(done)]
            self.say(card_text(card, len(done) + 1, len(waiting), self.show_gates))
            key, note = self._asked()
            if key == "q":
                break
            if key == "b":
                self._back(waiting, done)
            else:
                done.append(self._decided(card, _DECISIONS[key], note))
        return sum(mark != "skip" for mark in done)

    def _asked(self) -> tuple[str, str]:
        """The next key that means something here; the end of input is quit."""
        while True:
            self.say(KEYS)
            answer = self.keys.key()
            if answer is None or answer[0] == "q":
                return "q", ""
            if answer[0] in (*_DECISIONS, "b"):
                return answer
            self.say(HELP if answer[0] == "?" else f"no such key: {printable(answer[0])!r} (? for help)")

    def _back(self, waiting: Sequence[Card], done: list[Mark]) -> None:
        if not done:
            self.say("this is the first question of this sitting")
            return
        done.pop()
        store(self.folder, waiting[len(done)], "undo")
        self.say("taken back")

    def _decided(self, card: Card, mark: Mark, note: str) -> Mark:
        # Stored before a note is asked for, so that nothing is lost while it is written.
        store(self.folder, card, mark, note)
        if mark == "reject" and not note:
            note = self.keys.note()
            if note.strip():
                store(self.folder, card, mark, note)
        self.say(f"{_SAID[mark]}; {gates_text(card)}\n")
        return mark


def left_over(folder: Path, cards: Sequence[Card], say: Say | None = None) -> list[Card]:
    """Cards without a decision: first those never seen, then those skipped."""
    marks = read_marks(folder, say)
    unseen = [card for card in cards if card.question.key not in marks]
    return unseen + [card for card in cards if card.question.key in marks and marks[card.question.key].label == "skip"]


def store(folder: Path, card: Card, mark: Mark, note: str = "") -> None:
    """Append what was said of a question: a line for each of its rows."""
    append_labels(folder, labels_of(card, mark, note))


def labels_of(card: Card, mark: Mark, note: str = "") -> list[Label]:
    """The lines of one decision."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    text = printable(note).strip()
    return [
        Label(passage.question_id, mark, text, card.text, passage.chunk_id, at, card.question.drawn) for passage in card.passages
    ]
