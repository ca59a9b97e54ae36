"""What all advantage shapers share: they are applied one after the other, the first one to the rewards themselves.

rewards [P, G] ──shape──> [P, G] or [P, G, T] ──shape──> ... ──> TRL's loss
"""

from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from trainer.group_view import Bools, Floats, GroupView

EPSILON = 1e-4
"""Added to standard deviations, as TRL does."""


class Shaper(BaseModel):
    """A frozen configuration that is also the formula."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss_type: ClassVar[str] = ""
    """TRL's `loss_type` under which the formula is that of its source; empty goes with any."""
    needs_budget: ClassVar[tuple[str, ...]] = ()
    """Budgets that the formula can work with, as for a reward term."""
    reads_rewards: ClassVar[bool] = True
    """False where the formula makes its own advantages from correctness and length."""

    @property
    def name(self) -> str:
        """The shaper's name in configurations."""
        return str(type(self).model_fields["shaper"].default)

    @property
    def needs_logps(self) -> bool:
        """Whether `mean_logps` must be given."""
        return False

    @property
    def needs_steps(self) -> bool:
        """Whether the view must have `step_ends` and `step_scores`."""
        return False

    @property
    def cancels_weights(self) -> bool:
        """Whether dividing by a group's own spread takes the weight out of a length term (see `trainer.advantages`)."""
        return False

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        """[P, G] or [P, G, T] from either. `rewards` [P, G] are the unshaped ones, `mean_logps` [P, G] in nats."""
        raise NotImplementedError


def is_token(view: GroupView) -> Bools:
    """[P, G, T] which positions hold a token."""
    lengths = np.array([len(ids) for ids in view.token_ids]).reshape(*view.correct.shape, 1)
    return np.arange(view.n_positions) < lengths


def per_token(advantages: Floats, view: GroupView) -> Floats:
    """[P, G, T]: a rollout's advantage at each of its tokens, 0 behind them; what has tokens already stays."""
    if advantages.ndim == 3:
        return advantages
    return np.where(is_token(view), advantages[:, :, None].astype(np.float32), np.float32(0))


def added_to(advantages: Floats, of_rollout: Floats, view: GroupView) -> Floats:
    """`of_rollout` [P, G] added to each rollout, or to each of its tokens."""
    return advantages + (per_token(of_rollout, view) if advantages.ndim == 3 else of_rollout)


def scaled(advantages: Floats, of_rollout: Floats) -> Floats:
    """Each rollout's advantages times `of_rollout` [P, G]."""
    return advantages * (of_rollout[:, :, None] if advantages.ndim == 3 else of_rollout)


def spread(values: Floats, axis: int | None = None) -> Floats:
    """Standard deviation with Bessel's correction, as in TRL; 0 for a single value."""
    n_values = values.size if axis is None else values.shape[axis]
    ddof = min(1, n_values - 1)
    return np.asarray(values.std(axis=axis, ddof=ddof, keepdims=True))
