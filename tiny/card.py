"""The model card of the tiny teacher, with the accuracy measured after training."""

from pathlib import Path

from tiny.evaluate import Score, report

CARD = """---
license: cc0-1.0
library_name: transformers
pipeline_tag: text-generation
tags: [toy, reasoning, arithmetic]
---

# Tiny teacher

A Qwen2 model of {n_parameters:,} parameters that solves little arithmetic problems and reasons about them at too great
length, as large reasoning models do: it restates, hesitates, checks what it has just computed, states the answer and
goes on checking. It exists so that tests, previews and the demonstration can run a real model on a laptop's processor.

## Use

Chat messages `[{{"role": "user", "content": problem}}]`; a system message is optional, and it also knows the
usual request to put the final answer within `\\boxed{{}}`. Sample at temperature 0.8, at most 700 tokens. It writes

    <think>
    ...steps, separated by blank lines...
    </think>

    The answer is \\boxed{{N}}.

The problems it knows are those of `tiny/world.py`: a start value and 2 to 7 operations, in three forms. Load it in
float32.

## Training

From nothing, by `python -m tiny.train_teacher`: {n_tokens:,} tokens of generated problems and traces, {cpu_s:.0f}
seconds of processor time. Muon for the matrices, AdamW for the rest; single equations and short problems first, verbose
traces after a million tokens; the weights are a running average. No text from people or other models was used.

## Accuracy on held-out problems

Greedy:

{greedy}

Sampled at temperature 0.8:

{sampled}

`look-up right`: share of operations copied from the right line of the problem. `equations right`: share of the
equations written that are true. `tokens`: mean length of a response.

## Limits

It can do nothing else. Other wordings, numbers above 99, more than seven operations and any other question give
nonsense, usually in the right format. Its checks are habits: most of them repeat a mistake instead of finding it.
Measurements about reasoning made with it say nothing about large models.
"""


def write_card(
    out: Path,
    *,
    n_parameters: int,
    n_tokens: int,
    cpu_s: float,
    greedy: dict[int, Score],
    sampled: dict[int, Score],
) -> None:
    text = CARD.format(
        n_parameters=n_parameters,
        n_tokens=n_tokens,
        cpu_s=cpu_s,
        greedy=report(greedy),
        sampled=report(sampled),
    )
    (out / "README.md").write_text(text, encoding="utf-8")
