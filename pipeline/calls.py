"""The call ledger: every answer of a model, kept under the digest of everything that the model saw.

Stages hold a `RecordingEngine`. It looks a request up before it asks the engine behind it, and keeps each new answer,
so a changed stage pays only for calls that it never made: other parsing code costs nothing, 4 -> 8 samples costs 4.
Two equal requests at the same time are one call. Without an engine behind it, a request that is not on record raises
`EngineNeeded`; that is how the runner finds out, before it starts a model, whether one is needed at all.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.engines.engine import Completion, Engine, GenerateRequest, ScoreRequest, Scores
from pipeline.fingerprint import digest
from pipeline.ledger import FLUSH_S, Cost
from pipeline.store import Store

FLUSH_CALLS = 256
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("text", pa.string()),
        pa.field("token_ids", pa.list_(pa.int32())),
        pa.field("n_prompt_tokens", pa.int32()),
        pa.field("n_completion_tokens", pa.int32()),
        pa.field("seconds", pa.float32()),
        pa.field("backend", pa.string()),
        pa.field("rest", pa.string()),  # JSON of what is mostly absent: reasoning field, log-probabilities
    ]
)
IN_COLUMNS = {"text", "token_ids", "n_prompt_tokens", "n_completion_tokens", "backend"}

current_cost: ContextVar[Cost] = ContextVar("current_cost")
"""The meter of the row being worked on; the runner sets one per row."""


class EngineNeeded(Exception):
    """A call is not on record and there is no engine to make it."""


@dataclass
class CallStats:
    n_recalled: int = 0
    n_made: int = 0
    n_new_tokens: int = 0
    """Completion tokens generated (or scored) by the calls made."""
    n_new_prompt_tokens: int = 0


def call_key(engine_identity: Mapping[str, str], request: GenerateRequest | ScoreRequest) -> str:
    """Settings at their default are left out, so requests can gain fields; a default itself must never change."""
    return digest([type(request).__name__, dict(engine_identity), request.model_dump(exclude_defaults=True)])


@dataclass
class RecordingEngine:
    """An `Engine` for stages, on one partition of the call ledger of one model."""

    store: Store
    folder: str
    engine_identity: Mapping[str, str]
    engine: Engine | None
    model: str = ""
    revision: str = ""
    stats: CallStats = field(default_factory=CallStats)
    _index: dict[str, tuple[str, int]] | None = None
    _parts: dict[str, pa.Table] = field(default_factory=dict)
    _pending: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    _flushed: float = field(default_factory=time.monotonic)

    async def generate(self, request: GenerateRequest) -> Completion:
        return Completion.model_validate(await self._answer(request))

    async def score(self, request: ScoreRequest) -> Scores:
        line = await self._answer(request)
        return Scores.model_validate({k: v for k, v in line.items() if k not in ("text", "n_completion_tokens")})

    async def close(self) -> None:
        self.flush()

    async def settle(self) -> None:
        """Waits for calls under way whose row has already failed: they are paid for, so their answers are kept."""
        await asyncio.gather(*self._pending.values(), return_exceptions=True)

    async def _answer(self, request: GenerateRequest | ScoreRequest) -> dict[str, Any]:
        key = call_key(self.engine_identity, request)
        answer = self._recall(key)
        if answer is None:
            answer = await self._share(key, request)
        cost = current_cost.get()
        cost.n_calls += 1
        cost.n_prompt_tokens += answer["n_prompt_tokens"]
        cost.n_completion_tokens += answer["n_completion_tokens"]
        return answer

    async def _share(self, key: str, request: GenerateRequest | ScoreRequest) -> dict[str, Any]:
        """Makes the call, or waits for the same call made by another row at this moment."""
        if key in self._pending:
            return await asyncio.shield(self._pending[key])
        if self.engine is None:
            raise EngineNeeded
        future = self._pending[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._call(key, request, self.engine)
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # marks it as seen: there may be nobody else waiting
            raise
        finally:
            del self._pending[key]
        future.set_result(answer)
        return answer

    async def _call(self, key: str, request: GenerateRequest | ScoreRequest, engine: Engine) -> dict[str, Any]:
        started = time.monotonic()
        if isinstance(request, GenerateRequest):
            answer = (await engine.generate(request)).model_dump()
        else:
            answer = (await engine.score(request)).model_dump()
            answer |= {"text": "", "n_completion_tokens": len(answer["token_ids"])}
        self.stats.n_made += 1
        self.stats.n_new_tokens += answer["n_completion_tokens"]
        self.stats.n_new_prompt_tokens += answer["n_prompt_tokens"]
        self._record(key, answer, time.monotonic() - started)
        return answer

    def _record(self, key: str, answer: dict[str, Any], seconds: float) -> None:
        rest = {name: value for name, value in answer.items() if name not in IN_COLUMNS}
        line = {name: answer[name] for name in IN_COLUMNS}
        self._lines[key] = {"key": key, "seconds": seconds, "rest": json.dumps(rest), **line}
        if len(self._lines) >= FLUSH_CALLS or time.monotonic() - self._flushed > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            table = pa.Table.from_pylist(list(self._lines.values()), schema=SCHEMA)
            name = self.store.append_part(self.folder, table)
            self._add_to_index(name, list(self._lines))
        self._lines, self._flushed = {}, time.monotonic()

    def _recall(self, key: str) -> dict[str, Any] | None:
        index = self._load_index()
        if key in index:
            name, row = index[key]
            line = self._part(name).slice(row, 1).to_pylist()[0]
        else:
            line = self._lines.get(key)
            if line is None:
                return None
        self.stats.n_recalled += 1
        return {name: line[name] for name in IN_COLUMNS} | json.loads(line["rest"])

    def _load_index(self) -> dict[str, tuple[str, int]]:
        if self._index is None:
            self._index = {}
            for name in self.store.names(self.folder):
                path = f"{self.folder}/{name}"
                self._add_to_index(path, self.store.read_table(path, ["key"])["key"].to_pylist())
        return self._index

    def _add_to_index(self, name: str, keys: list[str]) -> None:
        index = self._load_index()
        for row, key in enumerate(keys):
            index.setdefault(key, (name, row))

    def _part(self, name: str) -> pa.Table:
        if name not in self._parts:
            if len(self._parts) >= 4:  # parts are read in the order they were written: few are needed at once
                self._parts.pop(next(iter(self._parts)))
            self._parts[name] = self.store.read_table(name)
        return self._parts[name]
