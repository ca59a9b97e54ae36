"""Samples k teacher traces per problem (docs/methods.md, Generate).

    problem -> k requests, each with its own derived seed -> completions -> reasoning and response -> k trace rows

Each call is kept by what the model saw, so raising `samples` from 4 to 8 pays for 4, and a change in the parsing pays
for none. A completion that was cut off is a row like any other, with finish_reason `length`; selection rejects it.
"""

import asyncio
from typing import ClassVar

from pydantic import Field

from pipeline.engines.engine import Completion, GenerateRequest, Message, NamedEngine, Sampling
from pipeline.fingerprint import digest
from pipeline.seeds import derive_seed
from pipeline.stage import Fan, Row
from schemas.columns import TRACE_COLUMNS, Column
from schemas.markup import parse_completion
from schemas.tokens import ESTIMATE, counter
from schemas.trace import trace_id


class Generate(Fan):
    version: ClassVar[int] = 1
    beside: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ("problem_id", "problem")
    writes: ClassVar[tuple[Column, ...]] = TRACE_COLUMNS

    engine: str
    """Name of the teacher in the recipe's `engines`."""
    samples: int = Field(default=4, ge=1, le=1024)
    """Traces per problem."""
    system: str = ""
    """System message; empty sends none."""
    prompt: str = "{problem}"
    """User message; `{problem}` stands for the problem's text."""
    prefill: str = ""
    """Text that opens the assistant's turn, e.g. `<think>` for models that would otherwise skip thinking."""
    temperature: float = Field(default=0.6, ge=0, le=2)
    """0 is greedy and makes sense for a single sample only."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Samples from the smallest set of tokens with this much probability."""
    top_k: int = Field(default=0, ge=0)
    """Samples from the k most likely tokens; 0 considers all."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Leaves out tokens below this share of the most likely one's probability."""
    max_tokens: int = Field(default=8192, ge=1)
    """Longest completion, in tokens."""
    stop: tuple[str, ...] = ()
    """A completion ends before the first of these texts."""
    token_counter: str = ESTIMATE
    """Tokenizer (folder or Hub id) that counts reasoning and response; the default is an estimate."""
    seed: int = 0
    """Seed that the calls' seeds are derived from; the recipe's, unless set here."""

    def prompts(self) -> dict[str, str]:
        return {"system": self.system, "prompt": self.prompt, "prefill": self.prefill}

    def problems(self) -> list[str]:
        found = [] if "{problem}" in self.prompt else ["`prompt` must hold {problem}, the place of the problem's text"]
        if self.temperature == 0 and self.samples > 1:
            found.append("`temperature: 0` gives the same trace every time; set `samples: 1` or a temperature above 0")
        try:
            counter(self.token_counter)
        except ValueError as error:
            found.append(str(error))
        return found

    async def run(self, row: Row, engine: NamedEngine) -> list[Row]:  # type: ignore[override]
        calls = (engine.generate(self._request(row, index)) for index in range(self.samples))
        completions = await asyncio.gather(*calls)
        return [self._trace(row, index, completion, engine) for index, completion in enumerate(completions)]

    def sampling(self) -> Sampling:
        names = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop")
        return Sampling(**{name: getattr(self, name) for name in names})

    def _request(self, row: Row, index: int) -> GenerateRequest:
        user = Message(role="user", content=self.prompt.replace("{problem}", row["problem"]))
        system = (Message(role="system", content=self.system),) if self.system else ()
        seed = derive_seed(self.seed, row["problem_id"], index)
        return GenerateRequest(messages=(*system, user), prefill=self.prefill, sampling=self.sampling(), seed=seed)

    def _trace(self, row: Row, index: int, completion: Completion, engine: NamedEngine) -> Row:
        parsed = parse_completion(self.prefill + completion.text, completion.finish_reason, completion.reasoning)
        count = counter(self.token_counter)
        n_reasoning_tokens = count(parsed.reasoning)
        return {
            "trace_id": trace_id(
                row["problem_id"], None, "teacher", engine.model, index, parsed.reasoning, parsed.response
            ),
            "parent_id": None,
            "method": "teacher",
            "lineage": ["teacher"],
            "model": engine.model,
            "model_revision": engine.revision,
            "prompt_digest": digest(self.prompts())[:16],
            "sampling": self.sampling().model_dump_json(),
            "sample_index": index,
            "seed": derive_seed(self.seed, row["problem_id"], index),
            "reasoning": parsed.reasoning,
            "response": parsed.response,
            "finish_reason": completion.finish_reason,
            "token_counter": self.token_counter,
            "n_reasoning_tokens": n_reasoning_tokens,
            "n_response_tokens": count(parsed.response),
            "n_source_reasoning_tokens": n_reasoning_tokens,
        }
