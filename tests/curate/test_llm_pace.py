"""How the client meets an endpoint that takes only so many calls: at once, a second, or none for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from curate.llm import AnswerStore, Assignment, Client, Request, verdict
from curate.llm.faults import meaning, retry_after_s
from curate.llm.pace import Pace
from curate.llm.scripted import Reply, ScriptedServer, error_reply
from schemas.errors import ProviderError
from schemas.settings import RoleSettings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda body: Reply(asked(body))) as running:
        yield running


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path) as opened:
        yield opened


def asked(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def client(server: ScriptedServer, store: AnswerStore, **settings: Any) -> Client:
    role = RoleSettings(model="m", base_url=server.url, **settings)
    return Client(Assignment("generator", role, "generate"), store, backoff_s=0.01)


def requests(count: int) -> list[Request]:
    return [Request(({"role": "user", "content": str(number)},)) for number in range(count)]


def test_a_sign_of_load_halves_the_limit_once_a_round_trip() -> None:
    pace = Pace(64, 0.5)
    pace.slow_down(began=0.0, now=1.0, asked_s=None)
    # Sent before the first sign came back: the same sign.
    pace.slow_down(began=0.5, now=1.1, asked_s=None)
    assert pace.limit == 32
    pace.slow_down(began=1.2, now=2.0, asked_s=None)
    assert pace.limit == 16


def test_a_round_of_answers_raises_the_limit_by_one_and_never_above_the_setting() -> None:
    pace = Pace(4, 0.5)
    pace.slow_down(0.0, 1.0, None)
    assert pace.limit == 2
    reached = []
    for _ in range(12):
        pace.answered()
        reached.append(pace.limit)
    assert reached == [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]


def test_a_sign_of_load_between_answers_starts_the_round_again() -> None:
    pace = Pace(4, 0.5)
    pace.slow_down(0.0, 1.0, None)
    pace.answered()
    pace.slow_down(1.5, 2.0, None)
    pace.slow_down(2.5, 3.0, None)
    assert pace.limit == 1
    pace.answered()
    assert pace.limit == 2


def test_below_one_call_at_a_time_all_calls_pause_twice_as_long_each_time_until_an_answer() -> None:
    pace = Pace(1, 0.5)
    held = []
    for second in (10.0, 20.0, 30.0):
        pace.slow_down(second - 1, second, None)
        held.append(pace.hold_s(second))
    assert held == [0.5, 1.0, 2.0]
    assert (pace.room(31.9), pace.room(32.0)) == (False, True)
    pace.answered()
    pace.slow_down(39.0, 40.0, None)
    assert pace.hold_s(40.0) == 0.5


def test_the_wait_the_endpoint_asks_for_is_kept_by_all_calls() -> None:
    pace = Pace(8, 0.5)
    pace.slow_down(0.0, 1.0, 20.0)
    pace.slow_down(0.5, 2.0, 5.0)
    assert (pace.room(20.9), pace.hold_s(20.0), pace.room(21.0)) == (False, 1.0, True)


def test_calls_under_way_fill_the_limit() -> None:
    pace = Pace(2, 0.5)
    pace.begin()
    assert pace.room(0.0)
    pace.begin()
    assert not pace.room(0.0)
    pace.end()
    assert pace.room(0.0)


class AtOnce:
    """An endpoint that answers `most` calls at a time and tells the others, without saying when, that they are too many."""

    def __init__(self, most: int) -> None:
        self.most, self.inside, self.refused = most, 0, 0
        self.lock = threading.Lock()

    @contextmanager
    def seat(self) -> Iterator[bool]:
        with self.lock:
            free = self.inside < self.most
            self.inside += free
            self.refused += not free
        try:
            yield free
        finally:
            with self.lock:
                self.inside -= free

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self.seat() as free:
            if free:
                time.sleep(0.01)
            return Reply(asked(body)) if free else error_reply(429, "too many at once")


class ASecond:
    """An endpoint that answers so many calls in each `period_s`."""

    def __init__(self, most: int, period_s: float) -> None:
        self.most, self.period_s = most, period_s
        self.period = -1
        self.answered = self.refused = 0
        self.lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self.lock:
            period = int(time.monotonic() / self.period_s)
            self.answered = 0 if period != self.period else self.answered
            self.period = period
            if self.answered >= self.most:
                self.refused += 1
                return error_reply(429, "too many a second")
            self.answered += 1
            return Reply(asked(body))


@pytest.mark.parametrize(
    "limited",
    [lambda: AtOnce(1), lambda: AtOnce(3), lambda: ASecond(1, 0.02), lambda: ASecond(10, 0.2)],
    ids=["1 at once", "3 at once", "1 in 20 ms", "10 in 200 ms"],
)
def test_a_steady_rate_limit_loses_no_request_even_without_retries(
    server: ScriptedServer, answers: AnswerStore, limited: Callable[[], AtOnce | ASecond]
) -> None:
    server.default = endpoint = limited()
    asking = client(server, answers, concurrency=32, retries=0)
    found = list(asking.settle(requests(60)))
    assert sorted(int(answer.text) for answer in found) == list(range(60))
    assert endpoint.refused > 0
    assert asking.calls == 60 + endpoint.refused


def test_fewer_calls_at_once_are_refused_once_the_limit_is_known(server: ScriptedServer, answers: AnswerStore) -> None:
    server.default = endpoint = AtOnce(4)
    asking = client(server, answers, concurrency=64)
    list(asking.settle(requests(300)))
    # Without a limit that adapts, most of each crowd would be refused, again and again.
    assert endpoint.refused < 300


def test_a_request_that_is_always_too_many_is_owed_in_the_end(
    server: ScriptedServer, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "MOST_RATE_LIMITS", 6)
    server.default = lambda body: error_reply(429, "not this one") if asked(body) == "1" else Reply("fine")
    asking = client(server, answers, concurrency=4, retries=0)
    found = {answer.key: answer for answer in asking.settle(requests(4))}
    assert sorted((answer.text, answer.owed) for answer in found.values()) == [("", True), *[("fine", False)] * 3]
    assert asking.calls == 3 + 7
    assert [("not this one" in answer.failure) for answer in found.values() if answer.owed] == [True]


def test_an_endpoint_that_only_ever_says_too_many_is_an_error_after_a_while(
    server: ScriptedServer, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "PATIENCE_S", 0.1)
    server.default = lambda _: error_reply(429, "slow down")
    with pytest.raises(ProviderError, match=r"(?s)too many.*slow down.*llm\.generator\.concurrency"):
        list(client(server, answers, concurrency=2).settle(requests(20)))


def test_an_endpoint_that_stops_for_good_leaves_the_rest_owed(
    server: ScriptedServer, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "PATIENCE_S", 0.1)
    server.enqueue(Reply("0"))
    server.default = lambda _: error_reply(429, "no more today")
    asking = client(server, answers, concurrency=1)
    found = list(asking.settle(requests(50)))
    assert [answer.owed for answer in found] == [False] + [True] * 49
    assert found[-1].failure == "not asked: the endpoint had stopped answering"
    assert asking.calls < 30


def test_a_long_wait_asked_for_by_an_endpoint_that_then_stops_is_not_waited_for_again_by_the_rest(
    server: ScriptedServer, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "PATIENCE_S", -1.0)
    server.enqueue(Reply("0"))
    server.default = lambda _: error_reply(429, retry_after="500")
    found = list(client(server, answers, concurrency=1).settle(requests(5)))
    assert [answer.owed for answer in found] == [False, True, True, True, True]


def test_a_quota_that_comes_back_within_the_minute_is_a_rate_limit() -> None:
    class RefusalError(Exception):
        status_code = 429

    limit = RefusalError("You exceeded your current quota. Please retry in 34.07s.")
    assert (meaning(limit), retry_after_s(limit)) == ("passing", 34.07)
    assert meaning(RefusalError("You exceeded your current quota, please check your plan.")) == "hard"
    assert retry_after_s(RefusalError("Rate limit reached. Please try again in 250ms.")) == 0.25
    assert retry_after_s(RefusalError("Please try again in 2m")) == 120.0
    assert retry_after_s(RefusalError("Please try again later")) is None


def test_calls_under_way_bring_their_answers_home_when_the_build_has_to_stop(
    server: ScriptedServer, answers: AnswerStore
) -> None:
    server.default = lambda body: Reply("paid for", delay_s=0.3) if asked(body) == "0" else error_reply(401)
    with pytest.raises(ProviderError):
        list(client(server, answers, concurrency=2).settle(requests(9)))
    assert sorted(map(asked, server.history)) == ["0", "1"]
    again = client(server, answers)
    assert [answer.text for answer in again.settle(requests(1))] == ["paid for"]
    assert (again.calls, again.hits) == (0, 1)


def test_requests_that_the_store_answers_are_taken_as_their_answers_are_used(
    server: ScriptedServer, answers: AnswerStore
) -> None:
    list(client(server, answers).settle(requests(1)))
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield requests(1)[0]

    again = client(server, answers)
    with closing(again.settle(endless())) as stream:
        assert [next(stream).text for _ in range(3)] == ["0", "0", "0"]
    assert taken <= 256
    assert again.calls == 0
