"""What the runner compares to see whether the sources changed: a hash over names and contents."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from curate.ingest.discover import SourceFile, discover
from curate.ingest.hub import hub_digest
from schemas.settings import IngestSettings


def source_digest(sources: Sequence[str], settings: IngestSettings) -> str:
    """Hex sha256 over the relative names and contents of every file that ingest would read, and the names of those it would not.

    Where the sources lie, the order in which they are listed and the times of the files do not matter.
    Raises InputError when a source does not exist or holds nothing to read.
    """
    found = discover(sources, settings)
    lines = sorted([file.name, file.kind, _content(file)] for file in found.files)
    lines += sorted([rejection.key, str(rejection.reason), rejection.detail] for rejection in found.rejected)
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def _content(file: SourceFile) -> str:
    if file.kind == "hub":
        return hub_digest(file.path)
    if file.kind == "saved":
        parts = [[path.relative_to(file.path).as_posix(), _sha256(path)] for path in _files_below(file.path)]
        return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()
    return _sha256(Path(file.path))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _files_below(folder: str) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        yield from (Path(path, name) for name in names)
