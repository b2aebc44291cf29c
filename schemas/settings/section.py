"""What every section of settings is, and the marks its fields may carry."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

HOW: dict[str, JsonValue] = {"shapes_rows": False}
"""Marks a field that changes how rows are got, not what they are: no part of a fingerprint."""
FILE: dict[str, JsonValue] = {"names_file": True}
"""Marks a field that names a file whose content shapes rows."""
PRIVATE: dict[str, JsonValue] = {"private": True}
"""Marks a field that no dataset shows: an address inside somebody's network."""
PLACE: dict[str, JsonValue] = {"may_be_path": True}
"""Marks a field that may hold a path, of which datasets show the name alone."""


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused, and numbers that JSON cannot hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
