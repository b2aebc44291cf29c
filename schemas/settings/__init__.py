"""All settings, one section a stage: default < TOML file < `--set`. Secrets come from the environment only.

Every field's description is what the settings reference in docs/ prints.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from schemas.errors import SettingsError
from schemas.settings.filter import CombinerSettings, FilterSettings
from schemas.settings.generate import ExtractiveStyle, GenerateSettings, StyleWeights
from schemas.settings.llm import JudgeSettings, LlmSettings, PriceSettings, RoleSettings
from schemas.settings.loading import fault, lay_over, put_sets, toml_value
from schemas.settings.mine import MineSettings
from schemas.settings.section import Section
from schemas.settings.stages import (
    ChunkSettings,
    ColumnSettings,
    DeduplicateSettings,
    ExportSettings,
    IngestSettings,
    SplitSettings,
    ValidateSettings,
)
from schemas.settings.verify import VerifySettings

__all__ = [
    "ChunkSettings",
    "ColumnSettings",
    "CombinerSettings",
    "DeduplicateSettings",
    "ExportSettings",
    "ExtractiveStyle",
    "FilterSettings",
    "GenerateSettings",
    "IngestSettings",
    "JudgeSettings",
    "LlmSettings",
    "MineSettings",
    "PriceSettings",
    "RoleSettings",
    "Section",
    "Settings",
    "SplitSettings",
    "StyleWeights",
    "ValidateSettings",
    "VerifySettings",
    "fault",
    "load_settings",
    "toml_value",
]


class Settings(Section):
    """Everything that shapes a dataset."""

    seed: int = Field(13, ge=0, description="Seed of every random choice.")
    ingest: IngestSettings = IngestSettings()
    deduplicate: DeduplicateSettings = DeduplicateSettings()
    split: SplitSettings = SplitSettings()
    chunk: ChunkSettings = ChunkSettings()
    generate: GenerateSettings = GenerateSettings()
    verify: VerifySettings = VerifySettings()
    filter: FilterSettings = FilterSettings()
    mine: MineSettings = MineSettings()
    validate_: ValidateSettings = Field(ValidateSettings(), alias="validate")
    export: ExportSettings = ExportSettings()
    llm: LlmSettings = LlmSettings()

    def section(self, name: str) -> Any:
        """The value at a dotted name: a section ("chunk", "llm.generator") or the seed."""
        value: Any = self
        for part in name.split("."):
            value = getattr(value, "validate_" if part == "validate" else part)
        return value


def load_settings(file: Path | None = None, sets: Sequence[str] = (), base: Mapping[str, Any] | None = None) -> Settings:
    """Settings from defaults, then nested tables, then a TOML file, then `key=value` strings (values as TOML, else as plain text; none: unset).

    Raises SettingsError naming every fault of the file and of the strings at once.
    """
    tree: dict[str, Any] = deepcopy(dict(base or {}))
    if file is not None:
        try:
            lay_over(tree, tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"cannot read settings: {error}", where=str(file), next_step="correct the TOML file") from error
    faults = put_sets(tree, sets, example="chunk.max_tokens=512")
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        faults += [fault(e) for e in error.errors()]
    if faults:
        where = str(file) if file else "settings"
        raise SettingsError("; ".join(faults), where=where, next_step="`curate settings` lists every key with its default")
    return settings
