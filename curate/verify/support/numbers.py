"""Numbers, dates and amounts that a question or its answer holds and the passage does not."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from curate.text import STOPWORDS, words
from curate.verify.support.dates import Date, Day, days_near, read_dates
from curate.verify.support.reading import Number, decimal_values, han_values, read_numbers

LARGEST_COUNT = 2
"""Up to here a number in words is taken for grammar or for a count of what the passage lists ("the two ways", "first")."""
SMALL = 12
"""Up to here a number may be written out in words, which are only known in English."""

_RUN = re.compile(r"\d+(?:[.,']\d+)*")
_VERSION = re.compile(r"(?:\b[vV]|[A-Z]\w+ |version |[>=<~^]\s?)$")
_CLOCK = re.compile(r"\b(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?::\d\d)?\b(?P<half>\s?(?:am|pm|a\.m|p\.m)\b)?|\b(?P<alone>\d{1,2})\s?(?P<of>am|pm|a\.m|p\.m)\b", re.I)
_HALVES = {"half": ("0.5", "50"), "quarter": ("0.25", "25"), "third": ("33",), "dozen": ("12",), "decade": ("10",), "century": ("100",)}
_COUNTS = {"both": "2", "pair": "2", "couple": "2", "twice": "2", "double": "2", "thrice": "3", "triple": "3", "trio": "3", "quadruple": "4"}


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
    """Numbers of `said` (question and answer) that `passage` (with its headings) does not hold, as written and in order, each once."""
    held = _held(passage)
    plain = unicodedata.normalize("NFKC", said).replace("\u2044", "/")
    missing: list[str] = []
    dates = read_dates(plain)
    clocks = [match for match in _CLOCK.finditer(plain) if match["minute"] is None or int(match["minute"]) < 60]
    for date in dates:
        if not date.days & held.days:
            missing.append(date.text)
    for number in read_numbers(plain):
        if any(date.start <= number.start < date.end and _is_part(number, date) for date in dates):
            continue
        if any(clock.start() <= number.start < clock.end() and clock.group() and _clock_values(clock) & held.clocks for clock in clocks):
            continue
        if not _supported(number, held):
            missing.append(number.text)
    return list(dict.fromkeys(missing))


def _is_part(number: Number, date: Date) -> bool:
    """The day and month of a date, which are judged together; its year stands for itself."""
    return not any(len(value) == 4 for value in number.values)


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
    plain = unicodedata.normalize("NFKC", passage).replace("\u2044", "/")
    units: dict[str, set[str | None]] = {}
    for number in read_numbers(plain):
        for value in number.values | _derived(number.values):
            units.setdefault(value, set()).add(number.unit)
    for value in _also(plain):
        units.setdefault(value, {None})
    clocks = frozenset(value for match in _CLOCK.finditer(plain) for value in _clock_values(match))
    fixed = {value: frozenset(found) for value, found in units.items()}
    return Held(frozenset(fixed), fixed, days_near(plain), clocks, _is_english(passage))


def _also(plain: str) -> set[str]:
    """Values that stand in names, versions and words that hold a number: generous, as a value too many kills nothing."""
    values: set[str] = set(han_values(plain))
    for match in _RUN.finditer(plain):
        values |= decimal_values(match.group())
        parts = re.split(r"[.,']", match.group())
        version = len(parts) > 2 or _VERSION.search(plain[: match.start()]) is not None
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
    half = (match["half"] or match["of"] or "").strip().lower()[:1]
    hours = {"a": [hour % 12], "p": [hour % 12 + 12]}.get(half, [hour, (hour + 12) % 24] if hour <= 12 else [hour])
    return frozenset(str(60 * h + minute) for h in hours)


def _is_english(text: str) -> bool:
    """Enough English function words among the first words to trust that its numbers are written in English; code and lists count as English."""
    found = words(text)[:300]
    foreign = sum(1 for word in found if word in _FOREIGN) + sum(1 for word in found if not word.isascii())
    return 2 * foreign < sum(1 for word in found if word in STOPWORDS) or foreign < 2


_FOREIGN = frozenset("der die das und ist nicht ein eine mit von zu den le la les et des un une est que dans el los las y en del por para il di che il een het van".split())
