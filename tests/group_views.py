"""Small groups of rollouts for the tests of the trainer's rewards, budgets and shapers."""

import numpy as np
from hypothesis import strategies as st

from trainer.group_view import GroupView


def view(n_tokens, correct, **changes) -> GroupView:
    """A view of groups given as nested lists; a flat list is one group. Other fields are neutral unless named."""
    lengths, right = np.atleast_2d(np.array(n_tokens, dtype=np.int64)), np.atleast_2d(np.array(correct, dtype=bool))
    right = np.broadcast_to(right, lengths.shape).copy()
    n_prompts = lengths.shape[0]
    fields = {
        "row_ids": tuple(f"row {i}" for i in range(n_prompts)),
        "correct": right,
        "n_tokens": lengths,
        "truncated": np.zeros(lengths.shape, dtype=bool),
        "budgets": np.full(lengths.shape, np.nan),
        "modes": np.full(lengths.shape, "", dtype="<U8"),
        "formatted": np.ones(lengths.shape),
        "pass_rates": np.full(n_prompts, np.nan),
        "reference_n_tokens": np.full(n_prompts, np.nan),
        "token_ids": [[0] * n for n in lengths.ravel().tolist()],
        "step": 0,
        "max_tokens": 8192,
    }
    for name, value in changes.items():
        old = fields.get(name)
        fields[name] = np.broadcast_to(np.array(value), old.shape).copy() if isinstance(old, np.ndarray) else value
    return GroupView(**fields)


def values(array) -> list:
    """The numbers of one group, rounded to 3 places."""
    return np.round(np.asarray(array, dtype=float).reshape(-1), 3).tolist()


@st.composite
def views(draw, max_length: int = 60) -> GroupView:
    """Any view of one to three groups, with every kind of budget, mode and cut; filled from one drawn seed."""
    shape, random = (draw(st.integers(1, 3)), draw(st.integers(1, 6))), np.random.default_rng(draw(st.integers(0)))
    n_tokens = random.choice([0, 1, max_length // 2, max_length], shape) + random.integers(0, 2, shape)
    n_tokens = np.minimum(n_tokens, max_length)
    return view(
        n_tokens,
        random.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0])),
        truncated=random.random(shape) < 0.2,
        budgets=np.where(random.random(shape) < 0.3, np.nan, random.integers(1, max_length, shape)),
        modes=random.choice(["", "short", "medium", "long", "easy", "hard"], shape),
        formatted=random.choice([0.0, 0.5, 1.0], shape),
        token_ids=[random.integers(0, 2, n).tolist() for n in n_tokens.ravel().tolist()],
        max_tokens=max_length,
    )
