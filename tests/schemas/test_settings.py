from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import SettingsError
from schemas.settings import Settings, load_settings


def test_defaults_then_file_then_set(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('seed = 7\n[chunk]\nmax_tokens = 128\nmin_tokens = 20\n[llm.generator]\nmodel = "m"\n')
    settings = load_settings(path, ["chunk.max_tokens=512", "ingest.columns.anchor=Frage", "validate.fail=false"])
    assert (settings.seed, settings.chunk.max_tokens, settings.chunk.min_tokens) == (7, 512, 20)
    assert settings.llm.generator.model == "m"
    assert settings.ingest.columns.anchor == "Frage"
    assert settings.section("validate.fail") is False


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, ["chunk.max_tokens=many", "chunks.x=1", "no-equals", "mine.negatives=0"])
    for part in ("chunk.max_tokens:", "chunks: no such setting", "--set no-equals:", "mine.negatives:"):
        assert part in caught.value.what


def test_a_value_is_never_repeated_in_a_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, ["llm.generator.concurrency=sk-secret"])
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["a = ", "\xff"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"c\.toml"):
        load_settings(path)


def test_a_section_cannot_be_put_below_a_value() -> None:
    with pytest.raises(SettingsError, match="seed is a value, not a section"):
        load_settings(None, ["seed=1", "seed.x=2"])


def test_settings_over_tables_of_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[mine]\nnegatives = 3\n[generate.weights]\nnatural = 5\n")
    base = {"mine": {"negatives": 2, "teacher": "t"}, "generate": {"weights": None}, "export": {"name": "x"}}
    settings = load_settings(path, ["mine.last_rank=20"], base)
    assert (settings.mine.negatives, settings.mine.teacher, settings.mine.last_rank) == (3, "t", 20)
    assert settings.generate.weights is not None
    assert settings.generate.weights.natural == 5
    assert settings.export.name == "x"
    assert base["mine"] == {"negatives": 2, "teacher": "t"}


def test_a_key_without_a_value_is_unset() -> None:
    settings = load_settings(None, ["mine.teacher=t", "mine.teacher=", "mine.relative_margin="])
    assert (settings.mine.teacher, settings.mine.relative_margin) == (None, None)
    with pytest.raises(SettingsError, match=r"mine\.negatives: Input should be a valid integer"):
        load_settings(None, ["mine.negatives="])


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().chunk.max_tokens = 1


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(SettingsError, match="split"):
        load_settings(None, ["split.train=0.5"])
    assert load_settings(None, ["split.train=1.0", "split.dev=0.0", "split.test=0.0"]).split.test == 0


@pytest.mark.parametrize("address", ["http://me:secret@host/v1", "http://me@host/v1", "https://host/v1?key=secret"])
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(SettingsError, match=r"llm\.judge\.base_url: an address .*api_key_env") as caught:
        load_settings(None, [f"llm.judge.base_url={address}"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "one", ["generate.weights.natural=inf", "filter.duplicate_threshold=nan", "llm.generator.temperature=inf"]
)
def test_numbers_that_json_cannot_hold_are_refused(one: str) -> None:
    with pytest.raises(SettingsError, match=one.split("=", maxsplit=1)[0]):
        load_settings(None, [one])
