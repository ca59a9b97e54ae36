"""Gathers what is asked at about the same time and answers it in one call on one worker thread.

    ask(item) --WINDOW_S--> [item, item, ...] --answer, in the thread--> [result, result, ...] --> each asker

A batch closes when its window is over and the thread is free, so batches grow by themselves under load.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WINDOW_S = 0.003


class Batcher(Generic[Item, Result]):
    """`answer` maps a list of items to results in the same order; what it raises reaches every asker of that batch.

    May serve one event loop after the other, not two at once. An asker that is cancelled leaves the others alone.
    """

    def __init__(self, answer: Callable[[list[Item]], list[Result]], thread: Executor, max_batch: int) -> None:
        self._answer = answer
        self._thread = thread
        self._max_batch = max_batch
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forming: list[Item] | None = None

    async def ask(self, item: Item) -> Result:
        self._follow(asyncio.get_running_loop())
        if self._forming is None:
            self._forming = []
            self._answers = asyncio.ensure_future(self._run(self._forming))
        batch, answers, place = self._forming, self._answers, len(self._forming)
        batch.append(item)
        if len(batch) == self._max_batch:
            self._forming = None
        return (await asyncio.shield(answers))[place]

    async def _run(self, batch: list[Item]) -> list[Result]:
        await asyncio.sleep(WINDOW_S)
        async with self._free:
            if self._forming is batch:
                self._forming = None
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, batch)

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            self._loop, self._forming, self._free = loop, None, asyncio.Lock()
