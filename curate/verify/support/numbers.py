"""Numbers, dates and amounts that a question or its answer holds and the passage does not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from curate.text import STOPWORDS, words
from curate.verify.support.dates import Day, days_of, read_dates
from curate.verify.support.reading import Number, decimal_values, han_values, read_numbers

LARGEST_COUNT = 2
"""Up to here a number in words is taken for grammar or for a count of what the passage lists ("the two ways", "first")."""
SMALL = 12
"""Up to here a number may be written out in words, which are only known in English."""

_RUN = re.compile(r"\d+(?:[.,']\d+)*")
_MOST_PARTS = 6
_VERSION = re.compile(r"(?:\b[vV]|[A-Z]\w+ |version |[>=<~^]\s?)$")
_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?::\d\d)?\b(?P<half>\s?(?:am|pm|a\.m|p\.m)\b)?|\b(?P<alone>\d{1,2})\s?(?P<of>am|pm|a\.m|p\.m)\b",
    re.I,
)
_ITEM = re.compile(r"(?:^|[.:;!?\n]\s|\n)\s*\(?(\d{1,2})[.)]\s+(?=[^\W\d_a-z])")
_LATER_ITEM = re.compile(r"(?<=\s)(\d{1,2})[.)]\s+(?=[A-Z])")
_HALVES = {
    "half": ("0.5", "50"),
    "quarter": ("0.25", "25"),
    "third": ("33",),
    "dozen": ("12",),
    "decade": ("10",),
    "century": ("100",),
}
_COUNTS = {
    "both": "2",
    "pair": "2",
    "couple": "2",
    "twice": "2",
    "double": "2",
    "thrice": "3",
    "triple": "3",
    "trio": "3",
    "quadruple": "4",
}


@dataclass(frozen=True)
class Held:
    """What a passage gives to compare with."""

    values: frozenset[str]
    units: dict[str, frozenset[str | None]]
    """For each value the units it stands with; None where it stands without."""
    days: frozenset[Day]
    clocks: frozenset[str]
    english: bool


def unsupported_numbers(said: str, passage: str) -> list[str]:
    """Numbers of `said` (question and answer) that `passage` (with its headings) does not hold, as written and in order, each once.

    Compared by value: "3" is "three", "1,000" is "1000", "50%" is "50 percent", "March 3, 1999" is 1999-03-03, 14:30 is 2:30 pm, 1850 stands
    in the 19th century, Python 3 in "Python 3.11"; but 3.10 is not 3.1, and a number that the passage has with other units alone ("5 miles"
    for "5 km") is missing. Left out: "one", "two", "first" and "second" in words, numbers of list items, and those in identifiers (HTTP_404),
    which are names.

    Cost: about 0.2 ms a question, and as much once a passage. Failure modes. Kills: what was computed from the passage (a difference, a
    rounding, a count of what it lists: "the three kinds of …"), and numbers that a question takes from its document's other parts. Passes: a
    number that stands in the passage but counts something else, and so a wrong count below ten or so as the answer to "how many".
    Of 5,033 human questions with answers (SQuAD v1) 0.2% are flagged; of those whose number was changed, 93%, and 99% where the passage has
    no such number elsewhere.
    """
    held = _held(passage)
    plain = _plain(said)
    dates = read_dates(plain)
    clocks = list(_CLOCK.finditer(plain))
    judged = _list_items(plain) | _covered(match.span() for match in clocks if _clock_values(match) & held.clocks)
    shown = {position: match.group() for match in clocks if _clock_values(match) for position in range(*match.span())}
    in_dates = _covered((date.start, date.end) for date in dates)
    missing = [(date.start, date.text) for date in dates if not date.days & held.days]
    for number in read_numbers(plain):
        # The day and month of a date are judged together; its year stands for itself.
        part = number.start in in_dates and all(len(value) != 4 for value in number.values)
        if number.start not in judged and not part and not _supported(number, held):
            missing.append((number.start, shown.get(number.start, number.text)))
    return list(dict.fromkeys(text for _, text in sorted(missing)))


def _list_items(plain: str) -> set[int]:
    """Where the numbers of list items stand: "1. Install …"; the later ones of a list need no line of their own."""
    first = [match.start(1) for match in _ITEM.finditer(plain)]
    return {*first, *(match.start(1) for match in _LATER_ITEM.finditer(plain, first[0]))} if first else set()


def _covered(spans: Iterable[tuple[int, int]]) -> set[int]:
    return {position for start, end in spans for position in range(start, end)}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2044", "/")


def _supported(number: Number, held: Held) -> bool:
    if number.in_name:
        return True
    if number.written and all(value.isdigit() and int(value) <= LARGEST_COUNT for value in number.values):
        return True
    if not held.english and any(value.isdigit() and int(value) <= SMALL for value in number.values):
        return True
    found = number.values & held.values
    if not found:
        return False
    if number.unit is None:
        return True
    return any(number.unit in held.units.get(value, (None,)) or None in held.units.get(value, (None,)) for value in found)


# The questions of a chunk come one after the other.
@lru_cache(maxsize=16)
def _held(passage: str) -> Held:
    plain = _plain(passage)
    units: dict[str, set[str | None]] = {}
    for number in read_numbers(plain):
        for value in number.values | _derived(number.values):
            units.setdefault(value, set()).add(number.unit)
    for value in _also(plain):
        units.setdefault(value, {None})
    clocks = frozenset(value for match in _CLOCK.finditer(plain) for value in _clock_values(match))
    fixed = {value: frozenset(found) for value, found in units.items()}
    return Held(frozenset(fixed), fixed, days_of(plain), clocks, _is_english(passage))


def _also(plain: str) -> set[str]:
    """Values that stand in names, versions and words that hold a number: generous, as a value too many kills nothing."""
    values: set[str] = set(han_values(plain))
    for match in _RUN.finditer(plain):
        values |= decimal_values(match.group())
        parts = re.split(r"[.,']", match.group())
        version = 2 < len(parts) <= _MOST_PARTS or _VERSION.search(plain[max(0, match.start() - 24) : match.start()]) is not None
        if version:
            values |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        if "," in match.group():
            values |= {part.lstrip("0") or "0" for part in parts}
    for word in words(plain):
        values.update(_HALVES.get(word.removesuffix("s"), ()))
        if word in _COUNTS:
            values.add(_COUNTS[word])
    return values


def _derived(values: frozenset[str]) -> set[str]:
    """The decade and century of a year, the first year of a decade."""
    found: set[str] = set()
    for value in values:
        if value.isdigit() and len(value) in (3, 4) and int(value) <= 2100:
            found |= {f"{value[:-1]}0s", f"{value[-2:-1]}0s", f"'{value[-2:]}", f"c{int(value) // 100 + 1}"}
            found |= {f"c{int(value) // 100}"} if value.endswith("00") else set()
        elif value.endswith("s") and len(value) == 5:
            found |= {value[:-1], f"c{int(value[:-1]) // 100 + 1}"}
    return found


def _clock_values(match: re.Match[str]) -> frozenset[str]:
    """A time of day in minutes since midnight; where "am" or "pm" is missing, both."""
    hour = int(match["hour"] or match["alone"])
    minute = int(match["minute"] or 0)
    if hour > 24 or minute > 59:
        return frozenset()
    half = (match["half"] or match["of"] or "").strip().lower()[:1]
    hours = {"a": [hour % 12], "p": [hour % 12 + 12]}.get(half, [hour, (hour + 12) % 24] if hour <= 12 else [hour])
    return frozenset(str(60 * h + minute) for h in hours)


def _is_english(text: str) -> bool:
    """Enough English function words among the first words to trust that its numbers are written in English; code and lists count as English."""
    found = words(text)[:300]
    foreign = sum(1 for word in found if word in _FOREIGN) + sum(1 for word in found if not word.isascii())
    return 2 * foreign < sum(1 for word in found if word in STOPWORDS) or foreign < 2


_FOREIGN = frozenset(
    "der die das und ist nicht ein eine mit von zu den le la les et des un une est que dans el los las y en del por para il di che il een het van".split()
)
