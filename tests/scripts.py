"""What the engine tests share: a tiny random model, scripts for the scripted engine, and a few requests."""

import os
from pathlib import Path

from pipeline.engines.engine import GenerateRequest, Message, Sampling

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]


def save_tiny_model(folder: Path) -> Path:
    """A Qwen2 of 0.1 M random weights whose tokens are bytes; answers are noise, but always the same noise."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2TokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    raw.add_special_tokens(SPECIAL)
    tokenizer = Qwen2TokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=288, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, tie_word_embeddings=True, initializer_range=0.15,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def ask(text: str, seed: int | None = 1, **sampling: object) -> GenerateRequest:
    settings = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 24, **sampling}
    return GenerateRequest(
        messages=(Message(role="user", content=text),), sampling=Sampling.model_validate(settings), seed=seed
    )


def echo(request: GenerateRequest) -> str:
    """A script: the last message again, with the seed."""
    return f"{request.messages[-1].content} (seed {request.seed})"


def fails_on_odd(request: GenerateRequest) -> str:
    """A script with a mistake for some inputs."""
    text = request.messages[-1].content
    if int(text) % 2:
        raise ValueError(f"{text} is odd")
    return text


def die(request: GenerateRequest) -> str:
    """A script that takes its process with it."""
    os._exit(1)
