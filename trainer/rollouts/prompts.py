"""Renders prompts as text, since a prefix inside the answer cannot be said in messages.

    messages, opening ──chat template──> text + prefix ──tokenizer──> the ids that the template itself would give
                                               └──> opened: the part of the answer that the prompt already holds

Two traps are checked before training. TRL tokenises text prompts with special tokens: a template that writes the BOS
token would get it twice. And a judge that does not see the opening tag of a thought, because the template or the
prefix wrote it, cannot tell a cut thought from an answer without one.
"""

from dataclasses import dataclass
from typing import Any

from trainer.errors import TrainError
from trainer.rollouts.rollout import Opening, Row

OPEN_TAG = "<think>"


@dataclass(frozen=True)
class Prompt:
    text: str
    opened: str
    """What of the answer stands in the prompt, from the opening tag of the thought on; '' for nothing."""


class Renderer:
    """Prompts of one model."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._adds_bos = bool(tokenizer.bos_token) and tokenizer("")["input_ids"] == [tokenizer.bos_token_id]

    def prompt(self, row: Row, opening: Opening) -> Prompt:
        messages = _with_note(row["prompt"], opening.note)
        text = self._render(messages, add_generation_prompt=True)
        opened = _opened(text, self._render(messages, add_generation_prompt=False))
        prefix = f"{OPEN_TAG}\n{opening.prefix}" if opening.in_thought and not opened else opening.prefix
        text = text.removeprefix(self._tokenizer.bos_token) if self._adds_bos else text
        return Prompt(text + prefix, opened + prefix)

    def check(self, row: Row) -> None:
        """That tokenising the text gives what the template gives. Raises TrainError."""
        expected = self._tokenizer.apply_chat_template(
            row["prompt"], add_generation_prompt=True, tokenize=True, return_dict=True
        )["input_ids"]
        found = self._tokenizer(text=self.prompt(row, Opening()).text)["input_ids"]
        if found != expected:
            raise TrainError(
                "the tokenizer adds tokens to a rendered prompt that the chat template does not write "
                f"({len(found)} tokens instead of {len(expected)}); switch `add_eos_token` or the like off"
            )

    def n_tokens(self, row: Row, opening: Opening) -> int:
        return len(self._tokenizer(text=self.prompt(row, opening).text)["input_ids"])

    def _render(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=add_generation_prompt, tokenize=False
        )
        return text


def _with_note(messages: list[dict[str, str]], note: str) -> list[dict[str, str]]:
    if not note:
        return messages
    *before, last = messages
    return [*before, {**last, "content": f"{last['content']}\n{note}"}]


def _opened(with_header: str, without_header: str) -> str:
    """From the opening tag on, where the template's start of an answer holds one."""
    header = with_header.removeprefix(without_header) if with_header.startswith(without_header) else ""
    return header[header.find(OPEN_TAG) :] if OPEN_TAG in header else ""
