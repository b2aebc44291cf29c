"""Bytes to text: byte order mark, then UTF-8, then what the bytes look like."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable
from itertools import chain
from typing import BinaryIO

from curate.ingest.reject import NotKept
from schemas.errors import SettingsError
from schemas.reasons import Reason

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a ZIP archive or office document",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x7fELF": "a program",
    b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "a Parquet file",
}
_CONTROL_BYTES = bytes([*range(9), *range(14, 27), *range(28, 32)])  # without tab, LF, VT, FF, CR and ESC
MAX_CONTROL_SHARE = 0.02
"""More control characters than this in the first 64 KB are not text; terminal logs have about 1%."""
SAMPLE = 65_536
_CANDIDATES = "cp1252 cp1250 cp1251 koi8_r cp866 cp1253 cp1254 cp1255 cp1256 cp1257 cp874 iso8859_2 cp850 cp932 euc_jp gb18030 big5 cp949".split()
"""Encodings that text is found in; charset-normalizer's full list makes short texts look like UTF-16 or Mac Latvian."""
_DECLARED = re.compile(rb"""<(?:meta\b[^>]*?charset|\?xml\b[^>]*?encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)


def check_encoding(encoding: str | None) -> None:
    """Raise SettingsError when `ingest.encoding` names no text encoding."""
    if encoding is not None and not _knows(encoding):
        raise SettingsError(
            f"ingest.encoding: no text encoding {encoding!r}", next_step="for example utf-8, cp1252, shift_jis or gb18030"
        )


def decode(data: bytes, encoding: str | None = None, *, markup: bool = False) -> str:
    """The text of a file. `markup`: believe a charset declared in HTML before guessing. Raises NotKept."""
    if encoding is not None:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise NotKept(Reason.FILE_BROKEN, f"byte {error.start} is not {encoding}, which ingest.encoding says") from error
    return data.decode(detect(data, markup=markup), "replace")


def detect(data: bytes, *, markup: bool = False) -> str:
    """The encoding of the bytes; where it is not certain, decode with replacement characters. Raises NotKept for binary data."""
    return detect_stream(io.BytesIO(data), markup=markup)


def detect_stream(stream: BinaryIO, *, markup: bool = False) -> str:
    """The same for an open file of any size: all of it is tried as UTF-8, anything else is told from a sample."""
    head = stream.read(SAMPLE)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return "utf-8-sig" if name == "utf-8" else name
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise NotKept(Reason.FILE_BINARY, f"the bytes are {kind}, whatever the name says")
    if _controls(head) > MAX_CONTROL_SHARE:
        return _wide(head)
    bad = _first_not_utf8(chain((head,), iter(lambda: stream.read(1 << 20), b"")))
    if bad is None:
        return "utf-8"
    start = max(0, bad - SAMPLE // 2)
    stream.seek(start)
    sample = stream.read(SAMPLE)
    if start:
        sample = sample[sample.find(b"\n", 0, SAMPLE // 4) + 1 :]  # not from inside a character
    return _guess(
        sample[: sample.rfind(b"\n") + 1 or None] if len(sample) > SAMPLE // 2 else sample,
        _DECLARED.search(head[:4096]) if markup else None,
    )


def _first_not_utf8(blocks: Iterable[bytes]) -> int | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    position = 0
    try:
        for block in blocks:
            decoder.decode(block)
            position += len(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        return position + error.start
    return None


def _guess(sample: bytes, declared: re.Match[bytes] | None) -> str:
    if _controls(sample) > MAX_CONTROL_SHARE:
        return _wide(sample)
    if declared:
        name = declared.group(1).decode("ascii")
        if _knows(name) and codecs.lookup(name).name != "utf-8":
            return name
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if sum(1 for character in text if character > "\x7f") - bad > 10 * bad:
        return "utf-8"  # UTF-8 with a few damaged bytes, not another encoding
    return _by_looks(sample)


def _by_looks(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    candidates = from_bytes(sample, cp_isolation=list(_CANDIDATES))
    best = candidates.best()
    if best is None:
        raise NotKept(Reason.FILE_BINARY, "no encoding gives readable text; name it in ingest.encoding if it is text")
    # Short Western texts read almost as well in its neighbours, which are far rarer.
    for match in candidates:
        western = match.encoding == "cp1252" or "cp1252" in match.could_be_from_charset
        if western and match.chaos <= best.chaos + 0.1 and match.coherence >= best.coherence - 0.02:
            return "cp1252"
    return str(best.encoding)


def _controls(sample: bytes) -> float:
    return (len(sample) - len(sample.translate(None, _CONTROL_BYTES))) / max(1, len(sample))


def _wide(sample: bytes) -> str:
    """UTF-16 without a byte order mark: every other byte of most text is zero. Raises NotKept for anything else."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = max(1, len(sample) // 2)
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > half * 0.7 and others < half * 0.1:
            return name
    raise NotKept(Reason.FILE_BINARY, "control characters and zero bytes all over; no text")


def _knows(name: str) -> bool:
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True
