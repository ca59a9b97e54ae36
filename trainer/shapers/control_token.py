"""The token that chooses the mode gets a weight of its own, whatever the length of what follows.

position 0: advantage * alpha * mean length of the batch        all others: unchanged

Source: Fang et al., DeGRPO in Thinkless (arXiv 2505.13379): loss = alpha * mean over rollouts at token 0 + mean over
all other tokens. Under a mean over all tokens (`loss_type: dapo`) the gradient of token 0 is matched exactly, the
others are scaled by 1 - 1 / mean length. With `normalise: none`, as there.
"""

from typing import ClassVar, Literal

from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import Shaper, per_token


class ControlToken(Shaper):
    loss_type: ClassVar[str] = "dapo"
    shaper: Literal["control_token"] = "control_token"

    alpha: float = Field(default=0.001, gt=0)
    """Weight of the control tokens' mean loss; at 5,000 tokens on average 0.001 is a factor of 5 for that token."""

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        shaped = per_token(advantages, view).copy()
        shaped[:, :, 0] *= self.alpha * view.n_tokens.mean()
        return shaped
