"""What a local model sees: messages or ids in, prompt token ids out; the same ids on every local backend.

    messages --chat template--> text (+ prefill) --tokenizer--> ids        ScoreRequest.continuation --> ids, offsets

The rendered prompt and the prefill are tokenised together, so that the model continues the tokens it would have
written itself; a continuation to be scored is tokenised on its own, so that its first token never depends on the
prompt. Nothing adds special tokens: the template writes them.
"""

from pathlib import Path
from typing import Any

from pipeline.engines.engine import EngineSpec, GenerateRequest, ScoreRequest
from pipeline.errors import EngineError, RequestRefused


def load_tokenizer(spec: EngineSpec) -> Any:
    """The fast tokenizer of `spec`, with the template of `spec.chat_template` where one is given."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(spec.model, revision=spec.revision or None)
    except (OSError, ValueError, LookupError) as error:
        raise EngineError(f"the tokenizer of {spec.model} cannot be loaded: {_first_line(error)}") from error
    if spec.chat_template:
        tokenizer.chat_template = Path(spec.chat_template).read_text(encoding="utf-8")
    return tokenizer


class Renderer:
    """`max_model_len` is the context in tokens; a prompt that leaves no room for one token is refused."""

    def __init__(self, tokenizer: Any, max_model_len: int) -> None:
        self.tokenizer = tokenizer
        self.max_model_len = max_model_len

    def prompt_ids(self, request: GenerateRequest | ScoreRequest) -> list[int]:
        ids = list(request.prompt_token_ids) or self._encode(self._text(request))
        if len(ids) >= self.max_model_len:
            raise RequestRefused(
                f"the prompt has {len(ids)} tokens, the context {self.max_model_len}; shorten it or raise max_model_len"
            )
        return ids

    def continuation(self, request: ScoreRequest) -> tuple[list[int], tuple[int, ...]]:
        """Ids to score, and the character at which each starts (empty where ids were given)."""
        if bool(request.continuation) == bool(request.continuation_token_ids):
            raise EngineError("a score request needs either `continuation` or `continuation_token_ids`")
        if request.continuation_token_ids:
            return list(request.continuation_token_ids), ()
        encoded = self.tokenizer(request.continuation, add_special_tokens=False, return_offsets_mapping=True)
        return encoded["input_ids"], tuple(start for start, _ in encoded["offset_mapping"])

    def text_of(self, ids: list[int], ends_itself: bool, stops: tuple[str, ...]) -> str:
        """Text of generated `ids` before the first of `stops`, without the last id where that one ended the text."""
        text = self.decode(ids[:-1] if ends_itself else ids)
        return text[: min(cuts)] if (cuts := [text.index(stop) for stop in stops if stop in text]) else text

    def decode(self, ids: list[int]) -> str:
        """Exact text of `ids`, special tokens included: thinking marks are special tokens in some vocabularies."""
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _text(self, request: GenerateRequest | ScoreRequest) -> str:
        messages = [message.model_dump() for message in request.messages]
        if self.tokenizer.chat_template is None:
            raise EngineError("the model has no chat template; name one in `chat_template` or send token ids")
        rendered = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return rendered + request.prefill

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
