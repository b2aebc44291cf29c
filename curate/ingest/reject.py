"""How a reader says that a file or a row is not kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from curate.ingest.clean import clean
from curate.stage import Rejection
from schemas.reasons import Reason

SHOWN = 300
"""Characters of a value that a rejected row shows."""


class NotKept(Exception):  # noqa: N818 (data, not a fault of the run; never leaves this package)
    """This file or row is not kept, for this reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def reject(key: str, cause: NotKept, row: Mapping[str, Any] | None = None) -> Rejection:
    """The rejection of a file or row; values of the row are shortened to what JSON and people can read."""
    return Rejection(key, cause.reason, clean(cause.detail), {clean(str(k)): shown(v) for k, v in (row or {}).items()})


def shown(value: Any) -> Any:
    """The value if it is short and plain JSON, else the beginning of its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        text = clean(value[: 2 * SHOWN] if isinstance(value, str) else repr(value)[: 2 * SHOWN])
    except RecursionError:
        return "(nested too deep to show)"
    return text if len(text) <= SHOWN else text[:SHOWN] + " …"
