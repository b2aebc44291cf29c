from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipelines.fingerprint import used_settings
from schemas.errors import SettingsError
from schemas.prices import LIST_PRICES
from schemas.settings import PriceSettings, Settings, load_settings


@pytest.mark.parametrize(
    "key",
    [
        'llm.prices."gpt-4.1-mini".prompt',
        "llm.prices.'gpt-4.1-mini'.prompt",
        "llm.prices.gpt-4.1-mini.prompt",  # the shell took the quotes away
    ],
)
def test_a_model_name_with_dots_is_one_name(key: str) -> None:
    assert load_settings(None, [f"{key}=0.3"]).llm.prices == {"gpt-4.1-mini": PriceSettings(prompt=0.3)}


def test_prices_come_from_a_file_and_are_overridden(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[llm.prices."my/model:7b"]\nprompt = 1.0\ncompletion = 2.5\nbatch = 0.4\nas_of = 2026-10-01\n')
    found = load_settings(file, ['llm.prices."my/model:7b".prompt=1.5']).llm.prices["my/model:7b"]
    assert found == PriceSettings(prompt=1.5, completion=2.5, batch=0.4, as_of=date(2026, 10, 1))


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["llm.prices.m.prompt=1"], 'prices."m".completion is missing'),
        (["llm.prices.m.completion=1"], 'prices."m".prompt is missing'),
        (["llm.prices.gpt-4o.prompt=-1"], "llm.prices.gpt-4o.prompt"),
        (["llm.prices.gpt-4o.batch=1.5"], "llm.prices.gpt-4o.batch"),
        (["llm.prices.gpt-4o.prompt=inf"], "llm.prices.gpt-4o.prompt"),
        (["llm.prices.gpt-4o.promt=1"], "llm.prices.gpt-4o.promt: no such setting"),
        (["llm.prices.gpt-4o.as_of=soon"], "llm.prices.gpt-4o.as_of"),
        (["llm.budget=-1"], "llm.budget"),
        (["llm.budget=nan"], "llm.budget"),
        (["llm.max_calls=1.5"], "llm.max_calls"),
    ],
)
def test_wrong_prices_and_limits_are_named(sets: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(None, sets)
    assert says in raised.value.what


def test_keys_without_dots_in_names_are_read_as_before() -> None:
    settings = load_settings(None, ["chunk.max_tokens=99", "llm . generator . model=m"])
    assert (settings.chunk.max_tokens, settings.llm.generator.model) == (99, "m")


def test_no_price_and_no_limit_is_part_of_a_fingerprint() -> None:
    dear = load_settings(None, ["llm.prices.m.prompt=1", "llm.prices.m.completion=2", "llm.budget=3", "llm.max_calls=4"])
    assert used_settings(dear, ("llm",)) == used_settings(Settings(), ("llm",))


def test_every_built_in_price_is_dated_and_whole() -> None:
    for name, price in LIST_PRICES.items():
        assert price.as_of is not None, name
        assert 0 < price.prompt < price.completion, name
        assert price.batch == 0.5, name
