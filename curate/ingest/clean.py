"""One form for all text: NFC, LF line ends, no control characters, no blanks at line ends."""

from __future__ import annotations

import re
import unicodedata

_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text in NFC; CR, form feed and Unicode breaks as LF; no-break spaces as spaces; lone surrogates as U+FFFD."""
    text = _CONTROLS.sub("", _BREAKS.sub("\n", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", _SURROGATES.sub("\ufffd", text).replace("\xa0", " "))
    return "\n".join(line.rstrip() for line in text.split("\n"))


def printable(name: str) -> str:
    """A file name as valid text on one line: undecodable bytes and control characters as backslash escapes."""
    if name.isprintable():
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
