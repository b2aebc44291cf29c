"""What is spent: prices, usage with corrections, and limits that hold while calls are under way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from curate.llm import AnswerStore, Purpose, Request, Run, Spending, StoredAnswer, stop_note
from curate.llm.asking import estimated_prompt_tokens
from curate.llm.prices import cost, dollars, price_line, price_of
from curate.llm.usage import Correction, Spent, Usage, correction, keys_under_way, last_answer, seconds_per_call, spent, usage
from schemas.errors import SettingsError, StoreError
from schemas.prices import LIST_PRICES, Price
from schemas.settings import JudgeSettings, LlmSettings, PriceSettings, RoleSettings

MILLION = 1_000_000
REQUEST = Request(({"role": "user", "content": "What is a lighthouse?"},), expected_tokens=100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path) as opened:
        yield opened


def priced(**settings: Any) -> LlmSettings:
    """A dollar a prompt token, two a completion token."""
    price = PriceSettings(prompt=1.0 * MILLION, completion=2.0 * MILLION, batch=0.25)
    return LlmSettings(generator=RoleSettings(model="m", **settings.pop("generator", {})), prices={"m": price}, **settings)


def put(store: AnswerStore, key: str, tokens: tuple[int | None, int | None], **purpose: Any) -> None:
    asked = {"model": "m", "prompt_estimate": 10, "completion_estimate": 20, **purpose}
    store.put(key, StoredAnswer("text", "stop", 2.0, *tokens), Purpose("generator", "generate", **asked))


def imported(store: AnswerStore, key: str) -> None:
    put(store, key, (1000, 1000))
    with store.transaction() as connection:
        connection.execute("UPDATE answers SET imported = 1 WHERE key = ?", (key,))


# Prices


def test_settings_stand_over_the_list_and_unset_parts_stay() -> None:
    listed = LIST_PRICES["gpt-4.1-mini"]
    assert price_of(LlmSettings(), "gpt-4.1-mini") == listed
    own = LlmSettings(prices={"gpt-4.1-mini": PriceSettings(prompt=9.0, as_of=date(2026, 11, 1))})
    assert price_of(own, "gpt-4.1-mini") == Price(9.0, listed.completion, listed.batch, date(2026, 11, 1))


def test_an_unknown_model_has_no_price_even_on_this_machine() -> None:
    assert price_of(LlmSettings(), "gpt-4.1-mini-2025-04-14") is None
    assert price_of(LlmSettings(generator=RoleSettings(model="q", base_url="http://127.0.0.1:8089/v1")), "q") is None


def test_a_model_in_this_process_costs_nothing() -> None:
    assert price_of(LlmSettings(), "any", "local") == Price(0.0, 0.0)
    assert price_line(Price(0.0, 0.0), "local") == "on this machine, so it costs nothing"


def test_the_batch_api_asks_its_share() -> None:
    price = Price(2.0, 8.0, 0.25)
    assert cost(price, "live", 500_000, 250_000) == 3.0
    assert cost(price, "batch", 500_000, 250_000) == 0.75


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "unknown"), (0.0, "$0.00"), (1234.567, "$1,234.57"), (0.4, "$0.40"), (0.1234, "$0.123"), (0.00001234, "$0.0000123")],
)
def test_amounts_for_people(amount: float | None, text: str) -> None:
    assert dollars(amount) == text


def test_a_price_tells_its_age() -> None:
    assert price_line(Price(0.4, 1.6, 0.5, date(2026, 6, 21)), "batch") == (
        "$0.40 + $1.60 per million prompt and completion tokens, as of 2026-06-21, the batch API asks 50% of it"
    )
    assert price_line(Price(0.4, 1.6), "live").endswith("tokens, undated, from your settings")
    assert price_line(None, "live") == "price unknown"


# Usage


def test_usage_is_summed_by_stage_model_and_channel(store: AnswerStore) -> None:
    put(store, "a", (11, 30))
    put(store, "b", (9, 50))
    put(store, "c", (None, None), channel="batch")
    imported(store, "d")
    assert usage(store) == [
        Usage("generate", "generator", "m", "batch", False, 1, 0, 0, 10, 20, 1, 2.0),
        Usage("generate", "generator", "m", "live", False, 2, 20, 80, 0, 0, 0, 4.0),
        Usage("generate", "generator", "m", "live", True, 1, 1000, 1000, 0, 0, 0, 2.0),
    ]


def test_estimates_are_corrected_by_real_usage_weighed_against_five_calls(store: AnswerStore) -> None:
    assert correction(store, "generator", "m") == Correction(1.0, 1.0, 0.0, 0)
    for number in range(45):
        put(store, str(number), (12, 10))
    put(store, "silent", (None, None))
    put(store, "without estimate", (500, 500), prompt_estimate=0, completion_estimate=0)
    put(store, "again", (12, 10), attempt=1)
    put(store, "other model", (1, 1), model="n")
    found = correction(store, "generator", "m")
    assert found.prompt == pytest.approx((46 * 12 + 5 * 10) / (46 * 10 + 5 * 10))
    assert found.completion == pytest.approx((46 * 10 + 5 * 20) / (46 * 20 + 5 * 20))
    assert found.repeats == pytest.approx(1 / 47)
    assert found.known == 48


def test_money_leaves_out_imported_answers_and_names_unpriced_models(store: AnswerStore) -> None:
    put(store, "a", (10, 20))
    put(store, "b", (8, 16), channel="batch")
    put(store, "c", (7, 7), channel="local")
    put(store, "d", (5, 5), model="nobody knows")
    imported(store, "e")
    assert spent(store, priced()) == Spent(4, 30, 48, 50.0 + 0.25 * 40 + 0.0, ("nobody knows",))


def test_usage_after_a_bookmark_is_what_came_since(store: AnswerStore) -> None:
    put(store, "a", (10, 20))
    before = last_answer(store)
    assert spent(store, priced(), before) == Spent()
    put(store, "b", (1, 2))
    assert spent(store, priced(), before) == Spent(1, 1, 2, 5.0)


def test_usage_that_was_not_told_is_its_corrected_estimate(store: AnswerStore) -> None:
    for number in range(5):
        put(store, str(number), (30, 20))
    put(store, "silent", (None, None))
    # Five answers of three times the estimate against five of the estimate itself: twice the estimate.
    assert spent(store, priced()).prompt_tokens == 150 + 20


def test_the_rate_is_that_of_the_last_runs_else_of_the_answers(store: AnswerStore) -> None:
    def rate(channel: str = "live", concurrency: int = 4) -> float | None:
        return seconds_per_call(store, "generator", "m", channel, concurrency)

    assert rate() is None
    put(store, "a", (1, 1))
    assert rate() == 0.5
    for seconds in (1000.0, 10.0, 10.0, 10.0, 10.0, 30.0):
        store.record_run(Run("generate", "generator", "m", "live", 10, 3, 1, seconds))
    store.record_run(Run("generate", "generator", "m", "live", 0, 10, 0, 1.0))
    store.record_run(Run("generate", "generator", "other", "live", 1, 0, 0, 99.0))
    assert rate() == pytest.approx(70 / 50)
    assert rate("batch") is None
    put(store, "b", (1, 1), channel="local")
    assert rate("local") == 2.0


# Limits


def test_calls_under_way_count_against_max_calls(store: AnswerStore) -> None:
    put(store, "a", (1, 1))
    imported(store, "b")
    spending = Spending(LlmSettings(max_calls=3), store)
    assert [spending.take(REQUEST) for _ in range(3)] == ["", "", "llm.max_calls = 3 is reached"]
    spending.give_back(REQUEST)
    assert spending.take(REQUEST) == ""
    spending.paid(REQUEST, StoredAnswer("x", "stop", 1.0, 1, 1))
    assert spending.take(REQUEST) == "llm.max_calls = 3 is reached"


def test_money_under_way_is_reserved_by_estimate_and_settled_by_usage(store: AnswerStore) -> None:
    prompt = estimated_prompt_tokens(REQUEST)
    one = prompt + 2.0 * 100
    spending = Spending(priced(budget=2.5 * one), store)
    assert [spending.take(REQUEST) for _ in range(3)] == ["", "", f"llm.budget = {dollars(2.5 * one)} is used up"]
    # Half as dear as thought: there is room for more.
    spending.paid(REQUEST, StoredAnswer("x", "stop", 1.0, prompt // 2, 50))
    assert spending.take(REQUEST) == ""
    assert spending.take(REQUEST) != ""


def test_an_answer_without_usage_costs_its_estimate(store: AnswerStore) -> None:
    one = estimated_prompt_tokens(REQUEST) + 2.0 * 100
    spending = Spending(priced(budget=1.5 * one), store)
    assert spending.take(REQUEST) == ""
    spending.paid(REQUEST, StoredAnswer("x", "stop", 1.0, None, None))
    assert spending.take(REQUEST) != ""


def test_what_comes_back_costs_nothing(store: AnswerStore) -> None:
    one = estimated_prompt_tokens(REQUEST) + 2.0 * 100
    spending = Spending(priced(budget=1.01 * one), store)
    for _ in range(100):
        assert spending.take(REQUEST) == ""
        spending.give_back(REQUEST)


def test_a_job_of_an_earlier_run_is_held_without_asking(store: AnswerStore) -> None:
    spending = Spending(LlmSettings(max_calls=1), store)
    spending.hold(REQUEST)
    spending.hold(REQUEST)
    assert spending.take(REQUEST) == "llm.max_calls = 1 is reached"


def test_without_an_expectation_the_longest_answer_is_reserved(store: AnswerStore) -> None:
    vague = Request(REQUEST.messages)
    settings = priced(budget=2.0 * 300, generator={"max_output_tokens": 300})
    assert Spending(settings, store).take(vague) != ""
    assert Spending(settings, store).take(REQUEST) == ""


@pytest.mark.parametrize(("true_share", "in_flight"), [(0.5, 16), (1.0, 16), (3.0, 16), (3.0, 1)])
def test_a_budget_is_passed_by_no_more_than_the_calls_under_way(store: AnswerStore, true_share: float, in_flight: int) -> None:
    """However wrong the estimates are; and when they are right it is not passed at all."""
    prompt = estimated_prompt_tokens(REQUEST)
    real = StoredAnswer("x", "stop", 1.0, round(prompt * true_share), round(100 * true_share))
    price = float(real.prompt_tokens or 0) + 2.0 * (real.completion_tokens or 0)
    budget = 200 * price
    spending = Spending(priced(budget=budget), store)
    paid, flying = 0.0, 0
    while True:
        while flying < in_flight and spending.take(REQUEST) == "":
            flying += 1
        if not flying:
            break
        spending.paid(REQUEST, real)
        flying, paid = flying - 1, paid + price
    assert budget - 2 * price * max(1.0, 1 / true_share) <= paid <= budget + in_flight * price
    if true_share == 1.0:
        assert paid <= budget


def test_a_budget_without_a_price_is_a_settings_error(store: AnswerStore) -> None:
    unpriced = LlmSettings(generator=RoleSettings(model="nobody knows"), budget=5.0)
    with pytest.raises(SettingsError, match=r"(?s)llm\.budget.*nobody knows.*llm\.prices.*--max-calls") as raised:
        Spending(unpriced, store)
    assert raised.value.exit_code == 2
    judge = LlmSettings(judge=JudgeSettings(model="nobody knows"), budget=5.0)
    with pytest.raises(SettingsError):
        Spending(judge, store)
    local = LlmSettings(generator=RoleSettings(model="nobody knows", provider="transformers"), budget=5.0)
    assert Spending(local, store).take(REQUEST) == ""


def test_a_budget_needs_the_price_of_every_answer_there_is(store: AnswerStore) -> None:
    put(store, "a", (1, 1), model="old model")
    with pytest.raises(SettingsError, match=r"'old model' has answers in this folder, but no known price"):
        Spending(priced(budget=5.0), store)
    assert Spending(priced(max_calls=2), store).take(REQUEST) == ""


def test_the_note_of_a_stop_says_how_far_the_money_went_and_how_to_go_on(store: AnswerStore) -> None:
    put(store, "a", (10, 20))
    assert stop_note(priced(budget=51.0), store, 1200) == (
        "llm.budget = $51.00 is used up: 1 call was paid for $50.00 in all, and 1,200 requests were not made; "
        "run the same command with a larger --budget to go on from here."
    )
    assert "llm.max_calls = 1 is used up" in stop_note(LlmSettings(max_calls=1), store, 1)
    assert "larger --max-calls" in stop_note(priced(max_calls=1, budget=99.0), store, 1)


# The store


def test_a_read_only_store_makes_and_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no answers of language models here"):
        AnswerStore(tmp_path / "nowhere", read_only=True)
    assert not (tmp_path / "nowhere").exists()
    with AnswerStore(tmp_path) as made:
        put(made, "a", (1, 2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with AnswerStore(tmp_path, read_only=True) as looked:
        assert spent(looked, priced()) == Spent(1, 1, 2, 5.0)
        with pytest.raises(StoreError, match="readonly"):
            put(looked, "b", (1, 2))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_store_of_an_earlier_version_is_read_without_being_changed(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "llm.sqlite")
    connection.execute(
        "CREATE TABLE answers (key TEXT PRIMARY KEY, role TEXT NOT NULL, stage TEXT NOT NULL, model TEXT NOT NULL, answer TEXT NOT NULL, "
        "prompt_tokens INTEGER, completion_tokens INTEGER, finish_reason TEXT NOT NULL, seconds REAL NOT NULL, created TEXT NOT NULL)"
    )
    connection.execute(
        "INSERT INTO answers VALUES ('k', 'generator', 'generate', 'm', 'text', 3, 4, 'stop', 2.0, '2026-01-01T00:00:00Z')"
    )
    connection.commit()
    connection.close()
    before = (tmp_path / "llm.sqlite").read_bytes()
    with AnswerStore(tmp_path, read_only=True) as old:
        assert usage(old) == [Usage("generate", "generator", "m", "live", False, 1, 3, 4, 0, 0, 0, 2.0)]
        assert correction(old, "generator", "m") == Correction(known=1)
        assert (last_answer(old), keys_under_way(old), old.get("k")) == (1, frozenset(), StoredAnswer("text", "stop", 2.0, 3, 4))
        assert seconds_per_call(old, "generator", "m", "live", 1) == 2.0
    assert (tmp_path / "llm.sqlite").read_bytes() == before
    with AnswerStore(tmp_path) as upgraded:
        put(upgraded, "n", (1, 1))
        assert spent(upgraded, priced()).calls == 2


def test_all_of_a_transaction_or_none(store: AnswerStore) -> None:
    with pytest.raises(KeyError), store.transaction() as connection:
        connection.execute("INSERT INTO endpoints VALUES ('e', 'seed')")
        raise KeyError
    assert store.untaken("e") == frozenset()
