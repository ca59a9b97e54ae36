"""Every answer is paid for once: recalled by what the model saw, shared while it is under way, kept when rows fail."""

import asyncio

import pytest

from pipeline.calls import EngineNeeded, RecordingEngine, call_key, current_cost
from pipeline.engines.engine import Completion, EngineSpec, GenerateRequest, Message, Sampling, ScoreRequest, Scores
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import EngineLost
from pipeline.ledger import Cost
from pipeline.store import Store

IDENTITY = {"model": "one"}


class Counting(ScriptedEngine):
    """The scripted engine, counting what it is asked; loses itself after `n_calls`."""

    def __init__(self, n_calls: int = 1000) -> None:
        super().__init__(EngineSpec(model="scripted:pipeline.engines.scripted:arithmetic"))
        self.n_asked, self.n_calls = 0, n_calls

    async def generate(self, request: GenerateRequest) -> Completion:
        self.n_asked += 1
        if self.n_asked > self.n_calls:
            raise EngineLost("gone")
        await asyncio.sleep(0.01)
        return await super().generate(request)

    async def score(self, request: ScoreRequest) -> Scores:
        self.n_asked += 1
        return await super().score(request)


def ask(text: str, **settings) -> GenerateRequest:
    return GenerateRequest(messages=(Message(role="user", content=text),), **settings)


def recorder(folder, engine=None) -> RecordingEngine:
    return RecordingEngine(Store.open(str(folder), 1), "calls/one/00000", IDENTITY, engine)


def together(calls, *requests):
    async def all_at_once():
        current_cost.set(Cost())
        return await asyncio.gather(*(calls.generate(request) for request in requests)), current_cost.get()

    return asyncio.run(all_at_once())


def test_an_answer_on_record_comes_back_equal_without_an_engine(tmp_path):
    request = ask("What is 1 + 2?", sampling=Sampling(n_logprobs=2), seed=3)
    first = recorder(tmp_path, Counting())
    (answer,), _ = together(first, request)
    first.flush()
    second = recorder(tmp_path)
    (recalled,), cost = together(second, request)
    assert recalled == answer
    assert (second.stats.n_recalled, second.stats.n_made) == (1, 0)
    assert cost.n_completion_tokens == answer.n_completion_tokens > 0


def test_scores_on_record_come_back_equal(tmp_path):
    request = ScoreRequest(messages=(Message(role="user", content="2 + 2"),), continuation="It is 4.")
    first, second = recorder(tmp_path, Counting()), recorder(tmp_path)

    async def score(calls):
        current_cost.set(Cost())
        return await calls.score(request)

    scores = asyncio.run(score(first))
    first.flush()
    assert asyncio.run(score(second)) == scores


def test_equal_requests_at_the_same_time_are_one_call_and_cost_each_row_its_tokens(tmp_path):
    engine = Counting()
    answers, cost = together(recorder(tmp_path, engine), *[ask("What is 1 + 2?", seed=1)] * 5)
    assert engine.n_asked == 1
    assert len({answer.text for answer in answers}) == 1
    assert cost.n_calls == 5


def test_a_lost_engine_is_passed_on_to_all_that_wait_and_never_remembered(tmp_path):
    lost = recorder(tmp_path, Counting(n_calls=0))
    for _ in range(2):
        with pytest.raises(EngineLost):
            together(lost, *[ask("What is 1 + 2?")] * 3)
    lost.flush()
    engine = Counting()
    together(recorder(tmp_path, engine), ask("What is 1 + 2?"))
    assert engine.n_asked == 1


def test_without_an_engine_an_unknown_request_says_that_one_is_needed(tmp_path):
    with pytest.raises(EngineNeeded):
        together(recorder(tmp_path), ask("What is 1 + 2?"))


@pytest.mark.parametrize(
    "other",
    [
        ask("What is 1 + 3?", seed=1),
        ask("What is 1 + 2?", seed=2),
        ask("What is 1 + 2?", seed=1, prefill="<think>"),
        ask("What is 1 + 2?", seed=1, sampling=Sampling(temperature=0.7)),
        ask("What is 1 + 2?", seed=1, sampling=Sampling(stop=("4",))),
    ],
    ids=["messages", "seed", "prefill", "temperature", "stop"],
)
def test_all_that_the_model_sees_is_in_the_key_of_a_call(other):
    one = ask("What is 1 + 2?", seed=1)
    assert call_key(IDENTITY, one) == call_key(IDENTITY, ask("What is 1 + 2?", seed=1, sampling=Sampling()))
    assert call_key(IDENTITY, one) != call_key(IDENTITY, other)
    assert call_key(IDENTITY, one) != call_key({"model": "two"}, one)


def test_many_answers_are_written_before_the_end(tmp_path):
    calls = recorder(tmp_path, Counting())
    together(calls, *(ask(f"What is {number} + 2?") for number in range(300)))
    assert len(recorder(tmp_path)._load_index()) == 256
    calls.flush()
    assert len(recorder(tmp_path)._load_index()) == 300


def test_calls_whose_row_has_failed_meanwhile_are_waited_for_and_kept(tmp_path):
    calls = recorder(tmp_path, Counting())

    async def fail_early():
        current_cost.set(Cost())
        task = asyncio.create_task(calls.generate(ask("What is 1 + 2?")))
        await asyncio.sleep(0)
        await calls.settle()
        assert task.done()

    asyncio.run(fail_early())
    assert calls.stats.n_made == 1
