"""Engines that run pure batch functions: in this process, or over worker processes with the same results in the same order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

IN_PROCESS_ITEMS = 8
"""So many items are done before worker processes are worth their second of start-up."""


class ProcessEngine:
    """Runs over `workers` processes (1: in this process). Close it, or use it as a context manager."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> ProcessEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the worker processes; unfinished work is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """`function` over `items`, in order; at most twice as many items as workers are in flight."""
        remaining = iter(items)
        if self.workers == 1:
            yield from map(function, remaining)
            return
        first = list(islice(remaining, IN_PROCESS_ITEMS))
        yield from map(function, first)
        if len(first) < IN_PROCESS_ITEMS:
            return
        waiting: deque[Future[B]] = deque()
        for item in remaining:
            waiting.append(self._started().submit(function, item))
            if len(waiting) >= 2 * self.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start_worker)
        return self._pool


def _start_worker() -> None:
    # Ctrl-C belongs to the parent; a parent that was killed must not leave workers behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
