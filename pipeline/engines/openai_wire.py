"""The wire format of the OpenAI API: what a request becomes, and what is read from a reply.

Everything that is not in the public API is vLLM's and is only sent to vLLM's server.
"""

from typing import Any, Literal, cast

from pipeline.engines.engine import Completion, GenerateRequest, Sampling, ScoreRequest, TokenLogprob
from pipeline.errors import EngineError, RequestRefused

BACKEND = "openai"
EXACT_TEXT = {"skip_special_tokens": False, "spaces_between_special_tokens": False}
NEEDS_VLLM = {
    "prefill": "continues an opened answer",
    "bad_words": "forbids words",
    "choices": "constrains an answer to choices",
    "n_logprobs": "gives log-probabilities by token id",
    "stop_token_ids": "stops at token ids",
}


def generate_call(model: str, request: GenerateRequest, to_vllm: bool) -> tuple[str, dict[str, Any]]:
    """Path and body. Raises `EngineError` for what this server would not understand."""
    if not to_vllm:
        _refuse_extensions(request)
    body = {"model": model, **_public(request)}
    if to_vllm:
        body |= _vllm_only(request.sampling) | EXACT_TEXT | {"return_token_ids": True}
    if request.prompt_token_ids:
        return "completions", body | {"prompt": list(request.prompt_token_ids)} | _text_logprobs(request.sampling)
    return "chat/completions", body | chat(request) | _chat_logprobs(request.sampling)


def chat(request: GenerateRequest | ScoreRequest) -> dict[str, Any]:
    """Messages; a prefill goes last, as an answer that is to be continued."""
    messages = [message.model_dump() for message in request.messages]
    if not request.prefill:
        return {"messages": messages}
    messages.append({"role": "assistant", "content": request.prefill})
    return {"messages": messages, "add_generation_prompt": False, "continue_final_message": True}


def completion(reply: dict[str, Any], sampling: Sampling) -> Completion:
    """Raises KeyError, TypeError and their kin for a reply of another shape."""
    choice, usage = reply["choices"][0], reply["usage"]
    message = choice.get("message") or {"content": choice["text"]}
    if choice["finish_reason"] not in ("stop", "length"):
        raise RequestRefused(f"the server ended the answer with {choice['finish_reason']!r}")
    return Completion(
        text=message["content"] or "",
        reasoning=message.get("reasoning_content") or message.get("reasoning"),
        token_ids=tuple(choice.get("token_ids") or ()),
        finish_reason=cast(Literal["stop", "length"], choice["finish_reason"]),
        n_prompt_tokens=usage["prompt_tokens"],
        n_completion_tokens=usage["completion_tokens"],
        n_cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        logprobs=_logprobs(choice["logprobs"]) if sampling.n_logprobs >= 0 else (),
        backend=BACKEND,
    )


def _public(request: GenerateRequest) -> dict[str, Any]:
    """`top_k` and `min_p` are no part of the public API, but widely understood, and refused with 400 elsewhere."""
    sampling = request.sampling
    optional = {
        "seed": request.seed,
        "stop": list(sampling.stop) or None,
        "top_k": sampling.top_k or None,
        "min_p": sampling.min_p or None,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias} or None,
    }
    fixed = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
    return fixed | {name: value for name, value in optional.items() if value is not None}


def _vllm_only(sampling: Sampling) -> dict[str, Any]:
    optional = {
        "bad_words": list(sampling.bad_words),
        "stop_token_ids": list(sampling.stop_token_ids),
        "structured_outputs": {"choice": list(sampling.choices)} if sampling.choices else None,
    }
    return {name: value for name, value in optional.items() if value}


def _refuse_extensions(request: GenerateRequest) -> None:
    sampling = request.sampling
    asked = {
        "prefill": request.prefill,
        "bad_words": sampling.bad_words,
        "choices": sampling.choices,
        "n_logprobs": sampling.n_logprobs >= 0,
        "stop_token_ids": sampling.stop_token_ids,
    }
    for name, value in asked.items():
        if value:
            raise EngineError(f"{name}: only vLLM's server {NEEDS_VLLM[name]}, and this is another one")


def _chat_logprobs(sampling: Sampling) -> dict[str, Any]:
    if sampling.n_logprobs < 0:
        return {}
    return {"logprobs": True, "top_logprobs": sampling.n_logprobs, "return_tokens_as_token_ids": True}


def _text_logprobs(sampling: Sampling) -> dict[str, Any]:
    if sampling.n_logprobs < 0:
        return {}
    return {"logprobs": sampling.n_logprobs, "return_tokens_as_token_ids": True}


def _logprobs(found: dict[str, Any]) -> tuple[TokenLogprob, ...]:
    if "content" in found:
        return tuple(_entry(e["token"], e["logprob"], _pairs(e["top_logprobs"])) for e in found["content"])
    tops = found["top_logprobs"] or [None] * len(found["tokens"])
    rows = zip(found["tokens"], found["token_logprobs"], tops, strict=True)
    return tuple(_entry(token, logprob, list((top or {}).items())) for token, logprob, top in rows)


def _pairs(entries: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(entry["token"], entry["logprob"]) for entry in entries]


def _entry(token: str, logprob: float, top: list[tuple[str, float]]) -> TokenLogprob:
    return TokenLogprob(token_id=_id(token), logprob=logprob, top=tuple((_id(name), value) for name, value in top))


def _id(token: str) -> int:
    """`token_id:17` -> 17."""
    return int(token.removeprefix("token_id:"))
