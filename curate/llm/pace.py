"""How many calls run at once: one more after each round of answers, half as many when the endpoint says it is too many."""

from __future__ import annotations

_LONGEST_PAUSE_S = 60.0


class Pace:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989) of calls under way, from `most` down to one and back.

    One call at a time can still be too many for an endpoint that counts calls a minute: from there on all calls pause,
    for twice as long each time until an answer comes. Times are seconds of a monotonic clock, given by the caller.
    """

    def __init__(self, most: int, pause_s: float) -> None:
        self.limit = self._most = most
        self.under_way = 0
        self._pause_s = pause_s
        self._pauses = self._answers = 0
        self._slowed_at = self._not_before = float("-inf")

    def begin(self) -> None:
        """A call goes out."""
        self.under_way += 1

    def end(self) -> None:
        """A call came back, whatever it brought."""
        self.under_way -= 1

    def room(self, now: float) -> bool:
        """Whether another call may go out."""
        return self.under_way < self.limit and now >= self._not_before

    def hold_s(self, now: float) -> float:
        """Seconds until any call may go out."""
        return max(0.0, self._not_before - now)

    def answered(self) -> None:
        """A call brought an answer: a whole round of them is worth one more call at once."""
        self._pauses = 0
        self._answers += 1
        if self._answers >= self.limit:
            self._answers = 0
            self.limit = min(self._most, self.limit + 1)

    def slow_down(self, began: float, now: float, asked_s: float | None) -> None:
        """The endpoint refused a call for its load: `began` is when it went out, `asked_s` how long the endpoint wants quiet.

        Calls that were out together are refused together, and that is one sign, not many.
        """
        if asked_s is not None:
            self._not_before = max(self._not_before, now + asked_s)
        if began < self._slowed_at:
            return
        self._slowed_at = now
        self._answers = 0
        if self.limit == 1 and asked_s is None:
            self._not_before = max(self._not_before, now + min(self._pause_s * 2**self._pauses, _LONGEST_PAUSE_S))
            self._pauses += 1
        self.limit = max(1, self.limit // 2)
