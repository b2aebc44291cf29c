"""Days of months in any notation: "March 3, 1999", "3rd of March", "1999-03-03", "3/3/1999"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = "January February March April May June July August September October November December".split()
_NAME = r"(?P<month>" + "|".join(f"{m[:3]}(?:{m[3:]})?" if m != "September" else "Sept?(?:ember)?" for m in _MONTHS) + r")\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NAMED = (
    re.compile(rf"\b{_NAME}\s+{_DAY}(?![\d:.]\d|\d)"),
    re.compile(rf"(?<![\d.,:])\b{_DAY}\s+(?:of\s+)?{_NAME}"),
)
_ISO = re.compile(r"\b\d{4}-(?P<month>\d\d)-(?P<day>\d\d)\b")
_SLASHED = re.compile(r"\b(?P<a>\d{1,2})(?P<mark>[/.])(?P<b>\d{1,2})(?P=mark)(?:\d{4}|\d\d)\b")
_DAYS = (
    rf"(?P<days>{_DAY.replace('(?P<day>', '(?:')}(?:\s*(?:,|and|or|to|until|through|-|–|/|&)\s*\d{{1,2}}(?:st|nd|rd|th)?){{0,9}})"
)
_SEVERAL = (
    re.compile(rf"\b{_NAME}\s+{_DAYS}(?!\d)"),
    re.compile(rf"(?<![\d.,:]){_DAYS}\s+(?:of\s+)?{_NAME}"),
)

Day = tuple[int, int]
"""Month, day."""


@dataclass(frozen=True)
class Date:
    """A day of a month as it stands in a text, with what it may mean (3/5/1999: two days)."""

    text: str
    days: frozenset[Day]
    start: int
    end: int


def read_dates(text: str) -> list[Date]:
    """All dates that have a day and a month, in order."""
    found = [
        Date(m.group(), frozenset({(_month(m["month"]), int(m["day"]))}), *m.span())
        for pattern in _NAMED
        for m in pattern.finditer(text)
    ]
    for match in _ISO.finditer(text):
        found.append(Date(match.group(), frozenset({(int(match["month"]), int(match["day"]))}), *match.span()))
    for match in _SLASHED.finditer(text):
        a, b = int(match["a"]), int(match["b"])
        days = frozenset(day for day in ((a, b), (b, a)) if 1 <= day[0] <= 12 and 1 <= day[1] <= 31)
        if days:
            found.append(Date(match.group(), days, *match.span()))
    return sorted(found, key=lambda date: (date.start, date.end))


def days_of(text: str) -> frozenset[Day]:
    """Every day that the text names: each date, and each day of "from 3 to 5 March", "March 3–5" or "the 3rd and 5th of March"."""
    days = {day for date in read_dates(text) for day in date.days}
    for pattern in _SEVERAL:
        for match in pattern.finditer(text):
            days.update((_month(match["month"]), int(number)) for number in re.findall(r"\d+", match["days"]))
    return frozenset(days)


def _month(name: str) -> int:
    return next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(name[:3]))
