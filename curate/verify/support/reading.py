"""The numbers of a text, each with all the values it may mean and its unit: "1,000", "three million", "20th century", "5 km", "50%"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from curate.text import is_unspaced

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen""".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
sixteenth seventeenth eighteenth nineteenth""".split()
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_SHORT_SCALES = {
    "k": 1000,
    "m": 10**6,
    "mn": 10**6,
    "bn": 10**9,
    "b": 10**9,
    "tn": 10**12,
    "万": 10**4,
    "萬": 10**4,
    "亿": 10**8,
    "億": 10**8,
}

NUMBER_WORDS = {word: i for i, word in enumerate(ONES)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
NUMBER_WORDS |= {word: i for i, word in enumerate(_ORDINALS)} | {word[:-1] + "ieth": 20 + 10 * i for i, word in enumerate(_TENS)}
_LAST = frozenset(_ORDINALS) | frozenset(word[:-1] + "ieth" for word in _TENS)

_UNITS: dict[str, str] = {
    form: forms.split()[0]
    for forms in (
        "% percent pct percentage",
        "$ dollar dollars usd",
        "€ euro euros eur",
        "£ gbp sterling",
        "¥ yen yuan jpy",
        "km kilometre kilometres kilometer kilometers",
        "mile miles mi",
        "metre metres meter meters",
        "cm centimetre centimetres centimeter centimeters",
        "mm millimetre millimetres millimeter millimeters",
        "feet foot ft",
        "inch inches",
        "yard yards",
        "kg kilogram kilograms",
        "mg milligram milligrams",
        "gram grams",
        "tonne tonnes ton tons",
        "acre acres",
        "hectare hectares ha",
        "ms millisecond milliseconds",
        "second seconds sec secs",
        "minute minutes min mins",
        "hour hours hr hrs",
        "day days",
        "week weeks",
        "month months",
        "year years",
        "decade decades",
        "byte bytes",
        "kb kilobyte kilobytes kib",
        "mb megabyte megabytes mib",
        "gb gigabyte gigabytes gib",
        "tb terabyte terabytes tib",
        "°c",
        "°f",
    )
    for form in forms.split()
}

_SUFFIX = r"(?:st|nd|rd|th|er|e|o|a|'?s)"
_DIGITS = re.compile(
    r"(?P<sign>[$€£¥])?\s?(?P<digits>\d{1,3}(?: \d{3})+(?![\d.,]\d)|\d+(?:[.,']\d+)*|\.\d+)"
    rf"(?P<suffix>{_SUFFIX}(?![^\W\d_]))?(?:[\s-]?(?P<scale>{'|'.join(_SCALES)})s?\b|\s?(?P<short>(?:[kKmMbB]|mn|bn|tn)\b|[万萬亿億]))?"
)
_WORD = re.compile(r"[^\W\d_]+")
_UNIT = re.compile(r"\s?(?P<per>per\s+cent)\b|[\s-]?(?P<unit>%|°[CcFf]\b|[^\W\d_]+)")
_RANGE = re.compile(
    rf"\s*(?:to|and|or|-|–|—|,)\s*[$€£¥]?(?:\d[\d.,]*|{'|'.join(ONES[1:])})[\s-]?(?P<scale>{'|'.join(_SCALES)})\b"
)
_CENTURY = re.compile(r"\s*-?\s*(?:century|centuries)\b|(?:\s*(?:,|and|or|to|-|–)\s*\w+)?\s+(?:century|centuries)\b", re.I)
_V = re.compile(r"(?:^|[^\w])[vV]$")
_A = re.compile(r"\b(?:a|one|per)\s$", re.I)
_ROMAN = re.compile(r"(?<=[^\W\d_] )(?:X{0,3}(?:IX|IV|V?I{0,3}))\b")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_HAN = re.compile("[〇零一二三四五六七八九十百千万萬两兩亿億]+")
_HAN_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000}
_HAN_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}


@dataclass(frozen=True)
class Number:
    """One number of a text."""

    text: str
    values: frozenset[str]
    """Every value it may stand for, as decimal digits; a decade is "1990s", a century "c20"."""
    unit: str | None
    start: int
    end: int
    written: bool
    """In words."""
    in_name: bool
    """Part of an identifier or name, such as HTTP_404, python3 or F-16."""


def read_numbers(text: str) -> list[Number]:
    """All numbers in order, in digits, words and Roman numerals; dates as their parts."""
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    found = [*_in_digits(text), *_in_words(text), *_in_roman(text)]
    return sorted(found, key=lambda number: (number.start, number.end))


def han_values(text: str) -> frozenset[str]:
    """Values of the runs of Chinese numerals in a text."""
    return frozenset(str(_han(run)) for run in _HAN.findall(text))


def decimal_values(digits: str, *, money: bool = False) -> frozenset[str]:
    """What a run of digits, dots and commas may mean: "1.000" is 1000 or 1, "3,5" is 3.5, "3.10" is not 3.1 unless it is money."""
    digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in digits).replace("'", ",").replace(" ", ",")
    parts = re.split(r"[.,]", digits)
    marks = re.findall(r"[.,]", digits)
    if len(parts) == 1:
        return frozenset((_whole(digits),))
    values: set[str] = set()
    if 1 <= len(parts[0]) <= 3 and parts[0] != "0" and all(len(part) == 3 for part in parts[1:]) and len(set(marks)) == 1:
        values.add(_whole("".join(parts)))
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        values.add(_fraction(_whole("".join(parts[:-1])), parts[-1], money))
    elif len(parts) == 2 and not (marks == [","] and len(parts[1]) == 3):
        values.add(_fraction(_whole(parts[0] or "0"), parts[1], money))
        if not parts[1].strip("0"):
            values.add(_whole(parts[0] or "0"))
    elif len(parts) > 2 and marks[0] == ",":
        indian = len(parts[-1]) == 3 and all(len(part) in (2, 3) for part in parts[1:])
        values |= {_whole("".join(parts))} if indian else {_whole(part) for part in parts}
    elif len(parts) > 2 and not values:
        values.add(".".join(parts))
    return frozenset(values)


def _whole(digits: str) -> str:
    return digits.lstrip("0") or "0"


def _fraction(whole: str, part: str, money: bool) -> str:
    part = part.rstrip("0") if money else part
    return f"{whole}.{part}" if part else whole


def _scaled(values: frozenset[str], factor: int) -> frozenset[str]:
    return frozenset(_times(value, factor) for value in values if value.count(".") < 2)


def _times(value: str, factor: int) -> str:
    product = f"{Decimal(value) * factor:f}"
    return product.rstrip("0").rstrip(".") if "." in product else product


def _in_digits(text: str) -> Iterator[Number]:
    for match in _DIGITS.finditer(text):
        start, end = match.start("digits"), match.end()
        before = text[max(0, start - 2) : start]
        letter = before[-1:].isalpha() and not is_unspaced(before[-1:]) and _V.search(before) is None
        glued = letter or before[-1:] == "_" or text[end : end + 1] == "_"
        hyphened = len(match["digits"]) < 3 and before[-1:] == "-" and before[0].isalpha()
        unit, unit_end = _unit(text, end)
        shown = text[match.start() : max(end, unit_end)].strip()
        yield Number(shown, _digit_values(match, text, unit), match["sign"] or unit, start, end, False, glued or hyphened)


def _digit_values(match: re.Match[str], text: str, unit: str | None) -> frozenset[str]:
    values = decimal_values(match["digits"], money=bool(match["sign"] or unit == "%" or match["scale"]))
    if match["scale"]:
        return _scaled(values, _SCALES[match["scale"]])
    if match["short"]:
        # "5m" may be five metres.
        scaled = _scaled(values, _SHORT_SCALES[match["short"].lower()])
        return values | scaled if match["short"] in "mMbB" else scaled
    following = _RANGE.match(text, match.end())
    if following:
        values |= _scaled(values, _SCALES[following["scale"]])
    suffix = (match["suffix"] or "").strip("'")
    number = match["digits"]
    if suffix == "s" and number[-1] == "0" and len(number) in (2, 4):
        century = {f"c{int(number) // 100 + 1}"} if number.endswith("00") else set()
        return frozenset({f"{number[-2:]}s", f"{number}s"} | century)
    if len(number) == 2 and text[max(0, match.start("digits") - 1) : match.start("digits")] == "'":
        return frozenset((f"'{number}",))
    if (suffix and _CENTURY.match(text, match.end())) or (suffix == "th" and "century" in text[: match.start()][-200:]):
        values |= {f"c{number}"}
    years = re.search(r"\b(\d\d)\d\d\s?[-–/]$", text[max(0, match.start("digits") - 8) : match.start("digits")])
    return values | {years[1] + number} if years and len(number) == 2 else values


def _unit(text: str, end: int) -> tuple[str | None, int]:
    match = _UNIT.match(text, end)
    if match is None:
        return None, 0
    unit = "%" if match["per"] else _UNITS.get(match["unit"].lower())
    return unit, match.end() if unit else 0


def _in_words(text: str) -> Iterator[Number]:
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        word = match.group().lower()
        gap = text[run[-1].end() : match.start()] if run else ""
        if run and (gap.strip(" \n") not in ("", "-") or len(gap) > 2 or not _continues(run, word)):
            yield from _written(run, text)
            run = []
        if (
            word in NUMBER_WORDS
            or (word in _SCALES and run)
            or (word == "and" and run)
            or (
                word in ("hundred", "thousand", "million", "billion")
                and _A.search(text[max(0, match.start() - 5) : match.start()])
            )
        ):
            run.append(match)
    yield from _written(run, text)


def _continues(run: list[re.Match[str]], word: str) -> bool:
    """Whether the word goes on with the number: "twenty" "five", "two" "hundred" "and" "six"; not "two" "three"."""
    last = run[-1].group().lower()
    if word in _SCALES:
        return last != "and"
    if word == "and":
        return last in _SCALES
    if word not in NUMBER_WORDS or last in _LAST:
        return False
    if last in _SCALES or last == "and":
        return _SCALES.get(last, 0) != 12
    return 20 <= NUMBER_WORDS[last] < 100 and 0 < NUMBER_WORDS[word] < 10


def _written(run: list[re.Match[str]], text: str) -> Iterator[Number]:
    if run and run[-1].group().lower() == "and":
        run = run[:-1]
    if not run:
        return
    total = current = 0
    for match in run:
        word = match.group().lower()
        scale = _SCALES.get(word, 0)
        if word in NUMBER_WORDS:
            current += NUMBER_WORDS[word]
        elif scale in (12, 100):
            current = max(current, 1) * scale
        elif scale:
            total, current = total + max(current, 1) * scale, 0
    start, end = run[0].start(), run[-1].end()
    values = frozenset((str(total + current),))
    if len(run) == 1 and run[0].group().lower() in NUMBER_WORDS:
        following = _RANGE.match(text, end)
        values |= _scaled(values, _SCALES[following["scale"]]) if following else frozenset()
    if run[-1].group().lower() in _LAST and _CENTURY.match(text, end):
        values |= {f"c{total + current}"}
    unit, unit_end = _unit(text, end)
    yield Number(text[start : max(end, unit_end)], values, unit, start, end, True, False)


def _in_roman(text: str) -> Iterator[Number]:
    """ "Henry VIII", "Class I"; a lone I, V or X is a letter as often as a number, so it counts as part of a name."""
    for match in _ROMAN.finditer(text):
        if match.group():
            digits = [_ROMAN_VALUES[c] for c in match.group()]
            value = sum(-a if a < b else a for a, b in zip(digits, [*digits[1:], 0], strict=True))
            yield Number(
                match.group(), frozenset((str(value),)), None, match.start(), match.end(), False, len(match.group()) == 1
            )


def _han(run: str) -> int:
    if not any(c in _HAN_SCALES or c in _HAN_LARGE for c in run):
        return int("".join(str(_HAN_DIGITS[c]) for c in run))
    total = section = digit = 0
    for c in run:
        if c in _HAN_DIGITS:
            digit = _HAN_DIGITS[c]
        elif c in _HAN_SCALES:
            section, digit = section + (digit or 1) * _HAN_SCALES[c], 0
        else:
            total, section, digit = total + (section + digit or 1) * _HAN_LARGE[c], 0, 0
    return total + section + digit
