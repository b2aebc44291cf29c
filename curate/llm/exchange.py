"""A file of answers that a team can share: JSON lines, packed where its name ends in .gz; in it no key of an endpoint and no address."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate.llm.answers import AnswerStore
from schemas.errors import InputError, SettingsError

FORMAT = 1
LONGEST_LINE = 8_000_000
"""Bytes; no answer is that long, and a file of one endless line must not fill the memory."""
_SHOWN = 5
_COUNT = Annotated[int, Field(ge=0, lt=2**53)]
_NAME = Annotated[str, Field(max_length=1000)]


class _First(BaseModel):
    """The first line says what the file is."""

    model_config = ConfigDict(extra="forbid", strict=True)
    curate_answers: Literal[1]


class _Line(BaseModel):
    """One answer, with what was asked only as its key."""

    model_config = ConfigDict(extra="forbid", strict=True)
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    role: _NAME
    stage: _NAME
    model: _NAME
    answer: str
    prompt_tokens: _COUNT | None
    completion_tokens: _COUNT | None
    finish_reason: _NAME
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    channel: Literal["live", "batch", "local"]
    attempt: _COUNT
    prompt_estimate: _COUNT | None
    completion_estimate: _COUNT | None


_FIELDS = tuple(_Line.model_fields)
_INSERT = f"INSERT OR IGNORE INTO answers ({', '.join(_FIELDS)}, imported) VALUES ({', '.join('?' * len(_FIELDS))}, 1)"  # noqa: S608


@dataclass(frozen=True)
class Imported:
    """Answers that are new here, and those that were here already and stayed as they were."""

    new: int
    known: int


def export_answers(store: AnswerStore, file: Path) -> int:
    """Write all answers, in the order of their keys, through a temporary name; returns their number.

    The same answers give the same bytes. Raises SettingsError when the file cannot be written.
    """
    temporary = file.with_name(file.name + ".tmp")
    count = 0
    try:
        with _writing(temporary, packed=file.suffix == ".gz") as out:
            out.write(json.dumps({"curate_answers": FORMAT}).encode() + b"\n")
            for row in store.each(f"SELECT {', '.join(_FIELDS)} FROM answers ORDER BY key"):  # noqa: S608
                out.write(json.dumps(dict(zip(_FIELDS, row, strict=True)), ensure_ascii=False).encode() + b"\n")
                count += 1
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SettingsError(
            f"cannot write {file}: {error}", where="--export", next_step="name a file in a folder that exists"
        ) from error
    return count


def import_answers(store: AnswerStore, file: Path) -> Imported:
    """Take the answers of an exported file into the store, all or none; what is there already is never overwritten.

    They are found like any other answer, and count as imported: they cost nothing here.
    Raises InputError naming the lines that are no answers; nothing is imported then.
    """
    total = new = 0
    faults: list[str] = []
    with store.transaction() as connection:
        for number, line in _lines(file):
            try:
                if number == 1:
                    _First.model_validate_json(line)
                    continue
                answer = _Line.model_validate_json(line)
                new += connection.execute(_INSERT, tuple(getattr(answer, name) for name in _FIELDS)).rowcount
                total += 1
            except (ValidationError, sqlite3.DataError, UnicodeEncodeError) as error:
                faults.append(f"line {number}: {_fault(error)}")
                if number == 1:
                    break
        if faults:
            more = f", and {len(faults) - _SHOWN:,} more lines" if len(faults) > _SHOWN else ""
            raise InputError(
                f"not a file of answers: {'; '.join(faults[:_SHOWN])}{more}",
                where=str(file),
                next_step="nothing was imported; export it again with `curate llm DIR --export FILE`, or take these lines out",
            )
    return Imported(new, total - new)


def _fault(error: Exception) -> str:
    # What stands in the line is left out: it is not ours, and may be long.
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
    return "text that cannot be stored"


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, blank ones left out; at least a first one. A line that is too long comes cut, and so is no JSON."""
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            source: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            number = 0
            while line := source.readline(LONGEST_LINE):
                number += 1
                if number == 1 or line.strip():
                    yield number, line
            if number == 0:
                yield 1, b""
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"cannot read it: {error}",
            where=str(file),
            next_step="nothing was imported; check the file's name and that it is whole",
        ) from error


@contextmanager
def _writing(file: Path, *, packed: bool) -> Iterator[IO[bytes]]:
    with file.open("wb") as raw:
        if not packed:
            yield raw
            return
        # No name and no time in the head: equal answers, equal bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as inner, io.BufferedWriter(inner) as out:
            yield out
