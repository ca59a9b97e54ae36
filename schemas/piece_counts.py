"""Tokens of a text under a byte-level BPE, each distinct piece encoded once: the counts of `tokenizers`, sooner.

    text ── the tokenizer's own split pattern ──> pieces ── number of tokens of each, looked up ──> sum
                                                  a new piece ── bytes ── the tokenizer's BPE ──> number, remembered

A byte-level BPE (GPT-2, Llama 3, Qwen, DeepSeek) cuts a text into pieces and merges within each, so the number of
tokens of a text is the sum over its pieces, and a trace of 3,000 pieces has some 600 different ones. What makes
`tokenizers` slow is the rest of its answer: texts, offsets and masks of each token. An added token, such as `<think>`,
counts one, and what stands around it is cut by itself. A text that is not composed (NFC) under a tokenizer that
composes is counted by the tokenizer; so are all texts of another kind of tokenizer. Pieces are cut by `regex`, whose
Unicode tables may know a letter that those of `tokenizers` do not yet.
"""

import json
from collections.abc import Callable
from typing import Any
from unicodedata import is_normalized

import regex
from tokenizers import Tokenizer

MAX_PIECES = 1 << 20
"""Pieces remembered, some 150 MB at most; then all are forgotten at once, which costs one slow text."""
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What `ByteLevel` with `use_regex` splits by (Radford et al. 2019, released code)."""


class PieceCounts(dict[str, int]):
    """Number of tokens by piece; a piece that is asked for the first time is encoded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenize = tokenizer.model.tokenize

    def __missing__(self, piece: str) -> int:
        if len(self) >= MAX_PIECES:
            self.clear()
        n_tokens = self[piece] = len(self._tokenize(piece.encode().decode("latin-1").translate(_LETTER_OF_BYTE)))
        return n_tokens


def piece_counter(tokenizer: Tokenizer) -> Callable[[str], int] | None:
    """Text -> number of tokens without special ones; null for a tokenizer that is no plain byte-level BPE."""
    settings = json.loads(tokenizer.to_str())
    pattern = _split_pattern(settings["pre_tokenizer"])
    normalizer = (settings["normalizer"] or {}).get("type")
    if pattern is None or normalizer not in (None, "NFC") or not _is_plain_bpe(settings["model"]):
        return None
    if any(token[flag] for token in settings["added_tokens"] for flag in ("single_word", "lstrip", "rstrip")):
        return None  # such a token takes in what stands around it
    pieces, counts = regex.compile(pattern).findall, PieceCounts(tokenizer)
    added = sorted((token["content"] for token in settings["added_tokens"]), key=len, reverse=True)
    at_added = regex.compile("|".join(map(regex.escape, added)) or "(?!)").split

    def count(text: str) -> int:
        if normalizer and not is_normalized(normalizer, text):
            return len(tokenizer.encode(text, add_special_tokens=False).ids)
        if not any(token in text for token in added):  # twenty times as fast as to look for a pattern
            return sum(map(counts.__getitem__, pieces(text)))
        parts = at_added(text)
        return len(parts) - 1 + sum(counts[piece] for part in parts for piece in pieces(part))

    return count


def _split_pattern(pre_tokenizer: dict[str, Any] | None) -> str | None:
    """The pattern that cuts pieces; null where the pre-tokenizer does anything else."""
    parts = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer])
    match [part and (part["type"], part) for part in parts]:
        case [("ByteLevel", {"use_regex": True, "add_prefix_space": False})]:
            return GPT2_PATTERN
        case [
            ("Split", {"pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}),
            ("ByteLevel", {"use_regex": False, "add_prefix_space": False}),
        ] if not regex.compile(pattern).groups:
            return rf"{pattern}|[\s\S]"  # what the pattern leaves out stands alone
    return None


def _is_plain_bpe(model: dict[str, Any]) -> bool:
    decorated = (model.get(name) for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
    return model["type"] == "BPE" and not any(decorated) and not model.get("byte_fallback")


def _letter_of_byte() -> dict[int, int]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others follow from U+0100 on."""
    plain = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in plain)
    return {byte: byte for byte in plain} | {byte: 0x100 + place for place, byte in enumerate(others)}


_LETTER_OF_BYTE = _letter_of_byte()
