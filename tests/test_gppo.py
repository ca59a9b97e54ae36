"""GPPO: the value of clip-higher, and a gradient where clip-higher has none."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.gppo import gppo_token_loss

CLIP = {"epsilon_low": 0.2, "epsilon_high": 0.28}


def loss_and_gradient(ratio: float, advantage: float) -> tuple[float, float]:
    """Loss and its derivative by log pi, in units of -advantage for the gradient."""
    logps = torch.tensor([[float(torch.log(torch.tensor(ratio)))]], dtype=torch.float64, requires_grad=True)
    loss = gppo_token_loss(logps, torch.zeros(1, 1, dtype=torch.float64), torch.tensor([[advantage]]), **CLIP)
    loss.sum().backward()
    return loss.item(), logps.grad.item() / -advantage


@pytest.mark.parametrize(
    ("ratio", "advantage", "coefficient"),
    [
        (1.0, 1.0, 1.0),
        (2.0, 1.0, 1.28),
        (0.5, 1.0, 0.5),
        (0.5, -1.0, 0.8),
        (2.0, -1.0, 2.0),
        (3.5, -1.0, 0.0),
    ],
)
def test_the_gradient_is_bounded_and_only_a_runaway_wrong_token_has_none(ratio, advantage, coefficient):
    assert loss_and_gradient(ratio, advantage)[1] == pytest.approx(coefficient, abs=1e-6)


@given(st.floats(0.05, 2.9), st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0]))
def test_the_value_is_that_of_clip_higher(ratio, advantage):
    loss = gppo_token_loss(
        torch.log(torch.tensor([[ratio]], dtype=torch.float64)), torch.zeros(1, 1), torch.tensor([[advantage]]), **CLIP
    )
    assert loss.item() == pytest.approx(-min(ratio * advantage, min(max(ratio, 0.8), 1.28) * advantage), rel=1e-6)


def test_inside_the_clip_the_gradient_is_that_of_the_plain_ratio():
    logps = torch.tensor([[0.1, -0.1]], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([[0.7, -1.3]], dtype=torch.float64)
    (plain,) = torch.autograd.grad(-(torch.exp(logps) * advantages).sum(), logps)
    (ours,) = torch.autograd.grad(gppo_token_loss(logps, torch.zeros(1, 2), advantages, **CLIP).sum(), logps)
    assert torch.allclose(plain, ours)


def test_one_advantage_per_completion_reaches_all_its_tokens():
    loss = gppo_token_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([[1.0], [-1.0]]), **CLIP)
    assert loss.tolist() == [[-1.0] * 3, [1.0] * 3]
