"""The OpenAI backend against a real HTTP server on loopback that answers well, badly, late or not at all."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pipeline.engines.build import probe
from pipeline.engines.engine import EngineConfig, EngineSpec, GenerateRequest, Sampling, ScoreRequest
from pipeline.engines.openai_http import OpenAIEngine
from pipeline.errors import EngineError, EngineLost, RequestRefused
from tests.scripts import ask

SPEC = EngineSpec(model="little")


class LittleServer:
    """Answers /chat/completions with the last message; `script` holds what to do instead, one entry a request."""

    def __init__(self, owner: str = "vllm", script: list = ()) -> None:
        self.owner, self.script, self.bodies, self.at_once, self.most = owner, list(script), [], 0, 0

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "little", "owned_by": self.owner}]})

    async def complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        step = self.script.pop(0) if self.script else "answer"
        if step == "drop":
            request.transport.close()
        if step == "slow":
            await asyncio.sleep(1.0)
        if isinstance(step, web.Response):
            return step
        return web.json_response(reply(body))


def reply(body: dict) -> dict:
    messages = body.get("messages") or [{"content": str(body.get("prompt"))}]
    message = {"content": messages[-1]["content"], "reasoning_content": "I think", "role": "assistant"}
    head = {"message": message} if "messages" in body else {"text": message["content"]}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    return {"choices": [{**head, "finish_reason": "stop", "token_ids": [1, 2, 3], "logprobs": None}], "usage": usage}


@asynccontextmanager
async def serving(server: LittleServer):
    app = web.Application()
    app.router.add_get("/v1/models", server.models)
    app.router.add_post("/v1/chat/completions", server.complete)
    app.router.add_post("/v1/completions", server.complete)
    running = web.AppRunner(app)
    await running.setup()
    site = web.TCPSite(running, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{running.addresses[0][1]}/v1"
    finally:
        await running.cleanup()


def settings(url: str, **changes) -> EngineConfig:
    return EngineConfig.model_validate({"backend": "openai", "base_url": url, "timeout_s": 0.5, **changes})


def answers(server: LittleServer, requests: list, **changes) -> list:
    async def run():
        async with serving(server) as url:
            engine = OpenAIEngine(SPEC, settings(url, **changes))
            try:
                return await asyncio.gather(*(engine.generate(request) for request in requests))
            finally:
                await engine.close()
                await engine.close()

    return asyncio.run(run())


def test_an_answer_holds_text_reasoning_ids_and_counts():
    (answer,) = answers(LittleServer(), [ask("two words")])
    assert (answer.text, answer.reasoning, answer.token_ids) == ("two words", "I think", (1, 2, 3))
    assert (answer.n_prompt_tokens, answer.n_completion_tokens, answer.n_cached_tokens) == (7, 3, 4)


def test_a_request_says_everything_that_shapes_the_text():
    server = LittleServer()
    answers(server, [ask("Q", seed=5, stop=("X",), top_k=4, min_p=0.1, bad_words=("no",), logit_bias=((3, 1.5),))])
    (body,) = server.bodies
    assert {key: body[key] for key in ("model", "seed", "stop", "top_k", "min_p", "bad_words", "logit_bias")} == {
        "model": "little", "seed": 5, "stop": ["X"], "top_k": 4, "min_p": 0.1, "bad_words": ["no"],
        "logit_bias": {"3": 1.5},
    }  # fmt: skip
    assert (body["temperature"], body["max_tokens"]) == (1.0, 24)


def test_a_prefill_is_an_open_turn_and_ids_go_to_completions():
    server = LittleServer()
    opened = ask("Q").model_copy(update={"prefill": "<think>\n"})
    answers(server, [opened])
    (answer,) = answers(server, [GenerateRequest(prompt_token_ids=(4, 5), sampling=Sampling(max_tokens=3))])
    assert server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "<think>\n"}
    assert server.bodies[0]["continue_final_message"] and not server.bodies[0]["add_generation_prompt"]
    assert (server.bodies[1]["prompt"], answer.text) == ([4, 5], "[4, 5]")


@pytest.mark.parametrize(
    "trouble",
    [
        web.Response(status=429, headers={"Retry-After": "0.1"}, text="slow down"),
        web.Response(status=500, text="oops"),
        web.Response(status=503, text="<html>"),
        web.Response(status=200, text="{not json"),
        "drop",
        "slow",
    ],
    ids=["429", "500", "503", "garbage", "dropped", "slow"],
)
def test_a_passing_trouble_is_outlived(trouble):
    server = LittleServer(script=[trouble])
    assert answers(server, [ask("hello")])[0].text == "hello"
    assert len(server.bodies) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_final_and_quotes_the_server(status):
    body = json.dumps({"error": {"message": "no such thing", "type": "x"}})
    server = LittleServer(script=[web.Response(status=status, text=body, content_type="application/json")])
    error = RequestRefused if status in (400, 422) else EngineError
    with pytest.raises(error, match=f"{status} no such thing") as caught:
        answers(server, [ask("hello")])
    assert not isinstance(caught.value, EngineLost)
    assert len(server.bodies) == 1


def test_a_trouble_that_stays_loses_the_engine():
    server = LittleServer(script=[web.Response(status=500, text="oops") for _ in range(3)])
    with pytest.raises(EngineLost, match="no answer in 3 attempts, last: 500 oops"):
        answers(server, [ask("hello")], max_retries=2)


def test_an_answer_of_another_shape_is_refused_not_crashed():
    server = LittleServer(script=[web.json_response({"choices": []})])
    with pytest.raises(EngineError, match="not as the API says"):
        answers(server, [ask("hello")])


def test_requests_per_minute_spread_the_starts():
    server = LittleServer()
    loop_time = asyncio.run(timed(server, n=4, requests_per_minute=1200))
    assert 0.19 <= loop_time < 5  # the list of models and four requests, 50 ms apart
    assert len(server.bodies) == 4


async def timed(server: LittleServer, n: int, **changes) -> float:
    async with serving(server) as url:
        engine = OpenAIEngine(SPEC, settings(url, **changes))
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(engine.generate(ask(str(k))) for k in range(n)))
        await engine.close()
        return asyncio.get_running_loop().time() - start


def test_no_more_than_max_in_flight_are_open_at_once():
    server = LittleServer()
    found = answers(server, [ask(f"question {n}") for n in range(30)], max_in_flight=4, timeout_s=30)
    assert [answer.text for answer in found] == [f"question {n}" for n in range(30)]
    assert server.most <= 4


@pytest.mark.parametrize(
    ("change", "name"),
    [({"choices": ("a", "b")}, "choices"), ({"bad_words": ("a",)}, "bad_words"), ({"n_logprobs": 1}, "n_logprobs")],
)
def test_what_another_server_would_not_understand_is_refused(change, name):
    server = LittleServer(owner="somebody")
    with pytest.raises(EngineError, match=f"{name}: only vLLM's server"):
        answers(server, [ask("hello", **change)])
    assert server.bodies == []


def test_scores_need_a_vllm_server():
    async def run():
        async with serving(LittleServer(owner="somebody")) as url:
            engine = OpenAIEngine(SPEC, settings(url))
            try:
                await engine.score(ScoreRequest(prompt_token_ids=(1,), continuation="a"))
            finally:
                await engine.close()

    with pytest.raises(EngineError, match="scores need vLLM's server"):
        asyncio.run(run())


def test_the_probe_tells_a_dead_service_from_a_wrong_model():
    async def run():
        async with serving(LittleServer()) as url:
            alive = await probe(SPEC, settings(url))
            other = await probe(EngineSpec(model="big"), settings(url))
        return alive, other, await probe(SPEC, settings(url))

    alive, other, dead = asyncio.run(run())
    assert alive == []
    assert "model big is not served" in other[0] and "little" in other[0]
    assert "does not answer" in dead[0]
