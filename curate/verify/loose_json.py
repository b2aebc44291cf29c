"""Objects in what a small model takes for JSON: every pair in order, repeated names too, and whether the object came to its end.

Read are single quotes, True and yes without quotes, quotes inside quotes, trailing commas, and objects that the end of the text cuts off.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

_STRING = {
    # A quote inside a string is no end unless what follows may follow a string.
    mark: re.compile(rf"{mark}((?:[^{mark}\\]|\\.|{mark}(?!\s*(?:[,:}}\]]|\Z)))*){mark}", re.S)
    for mark in ('"', "'")
}
_BARE = re.compile(r"""[^\s,:{}\[\]"']+""")
_DEEPEST = 8
_MOST_OBJECTS = 100
"""More is no answer but an attack on the reader."""


@dataclass
class LooseObject:
    """Pairs in order; what stands without quotes (true, 1, null) is text, too."""

    pairs: list[tuple[str, object]] = field(default_factory=list)
    broken: bool = True
    """It ends neither with its brace nor with the text: what else it says is not known."""


class _StoppedError(Exception):
    """The text goes on in no way that can be read; at its end it is cut off."""


def loose_objects(text: str) -> list[LooseObject]:
    """All objects in a text, those inside others after the one around them."""
    reader = _Reader(text)
    start = text.find("{")
    while start >= 0 and len(reader.objects) < _MOST_OBJECTS:
        before = len(reader.objects)
        reader.at = start
        try:
            reader.one(0)
        except _StoppedError:
            if reader.at >= len(text):
                for one in reader.objects[before:]:
                    one.broken = False
        start = text.find("{", max(reader.at, start + 1))
    return reader.objects


class _Reader:
    """Walks through a text; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.objects: list[LooseObject] = []

    def one(self, depth: int) -> LooseObject:
        found = LooseObject()
        self.objects.append(found)
        self.at += 1
        while self._next() != "}":
            if self._next() == ",":
                self.at += 1
                continue
            name = self._text()
            self._expect(":")
            found.pairs.append((name, self._value(depth)))
            self._expect(",}", stay=True)
        self.at += 1
        found.broken = False
        return found

    def _value(self, depth: int) -> object:
        first = self._next()
        if first not in "{[":
            return self._text()
        if depth >= _DEEPEST:
            raise _StoppedError
        return self.one(depth + 1) if first == "{" else self._list(depth + 1)

    def _list(self, depth: int) -> list[object]:
        found: list[object] = []
        self.at += 1
        while self._next() != "]":
            if self._next() == ",":
                self.at += 1
                continue
            found.append(self._value(depth))
            self._expect(",]", stay=True)
        self.at += 1
        return found

    def _text(self) -> str:
        first = self._next()
        match = _STRING.get(first, _BARE).match(self.text, self.at)
        if match is None:
            if first in _STRING:
                # It is never closed.
                self.at = len(self.text)
            raise _StoppedError
        self.at = match.end()
        if first not in _STRING and self.at == len(self.text):
            # "t" may have become "true" or "ten".
            raise _StoppedError
        return _unescaped(match[1]) if first in _STRING else match[0]

    def _next(self) -> str:
        """The character after the blanks, which stays."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if self.at == len(self.text):
            raise _StoppedError
        return self.text[self.at]

    def _expect(self, characters: str, *, stay: bool = False) -> None:
        if self._next() not in characters:
            raise _StoppedError
        self.at += not stay


def _unescaped(body: str) -> str:
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError:
        return body.replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n")
