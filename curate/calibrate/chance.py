"""Choices that depend on nothing but the seed and the names of what is chosen for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from curate.stage import content_id

T = TypeVar("T")


@dataclass(frozen=True)
class Chance:
    """Draws for one planted row: the same on every machine and in every order of rows."""

    seed: int
    kind: str
    question_id: str

    def number(self, purpose: str, below: int) -> int:
        """A whole number from 0 up to `below`, exclusive."""
        return int(content_id("chance", str(self.seed), self.kind, self.question_id, purpose), 16) % below

    def one(self, purpose: str, options: Sequence[T]) -> T:
        """One of the options, which may not be empty."""
        return options[self.number(purpose, len(options))]

    def shuffled(self, purpose: str, options: Sequence[T]) -> list[T]:
        """The options in an order of chance."""
        return [options[i] for i in sorted(range(len(options)), key=lambda i: (self.number(f"{purpose} {i}", 2**60), i))]
