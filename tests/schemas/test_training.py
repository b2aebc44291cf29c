"""Settings of training from `key=value` strings."""

from __future__ import annotations

import pytest

from schemas.errors import SettingsError
from schemas.evaluation import EvaluateSettings, VerdictSettings
from schemas.settings import Settings
from schemas.settings.loading import section_from_sets
from schemas.training import TrainSettings


def test_values_are_read_as_toml_or_text() -> None:
    found = section_from_sets(TrainSettings, ["epochs=3", "learning_rate = 1e-4", "device=cpu", 'data="pairs"'])
    assert found == TrainSettings(epochs=3, learning_rate=1e-4, device="cpu", data="pairs")
    assert section_from_sets(EvaluateSettings, []) == EvaluateSettings()


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        section_from_sets(VerdictSettings, ["min_gain=-1", "nonsense=1", "no equals sign"])
    assert caught.value.what == (
        "--set no equals sign: write it as key=value, for example --set epochs=3; "
        "min_gain: Input should be greater than or equal to 0; nonsense: no such setting"
    )


def test_builds_know_nothing_of_training() -> None:
    assert not {"train", "evaluate", "verdict"} & set(Settings.model_fields)


@pytest.mark.parametrize("model", [TrainSettings, EvaluateSettings, VerdictSettings])
def test_every_setting_is_described(model: type) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []
