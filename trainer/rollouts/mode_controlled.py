"""Modes of thinking: told to parts of a group, told by the row, or chosen by the model and read off its first tag.

row, assign ──> opening with the mode's tag or instruction        completion ──its first tag──> mode

Sources: Thinkless (arXiv 2505.13379): control tokens, chosen by the model. AdaCtrl (arXiv 2505.18822): tags [Easy] and
[Hard], chosen by the model or forced by the user. Adaptive Deep Reasoning (arXiv 2505.20101): half of a group is told
to think long, half short. A tag that is forced stands in the prompt and gets no loss, so only a chosen one is learnt. A
model must know the tags from supervised training before it can choose between them.
"""

from typing import ClassVar, Literal

from pydantic import Field

from trainer.config import Part
from trainer.group_view import Floats
from trainer.rollouts.rollout import Opening, RolloutPolicy, Row


class Mode(Part):
    tag: str = ""
    """First words of an answer in this mode, e.g. `[Easy]`."""
    instruction: str = ""
    """Sentence behind the problem that asks for this mode, where it is assigned."""


class ModeControlled(RolloutPolicy):
    rollout: Literal["mode_controlled"] = "mode_controlled"
    is_heterogeneous: ClassVar[bool] = True

    modes: dict[str, Mode] = Field(min_length=1)
    """Modes by name, as reward terms and gates know them."""
    assign_by: Literal["model", "turns", "column"] = "model"
    """`model`: the model chooses; `turns`: the rollouts of a group take turns; `column`: the row's `mode`."""

    def assign(self, row: Row, budgets: Floats) -> list[Opening]:
        names = list(self.modes)
        if self.assign_by == "turns":
            return [self._opening(names[place * len(names) // len(budgets)]) for place in range(len(budgets))]
        told = row.get("mode") or "" if self.assign_by == "column" else ""
        return [self._opening(told) if told in self.modes else Opening()] * len(budgets)

    def mode_of(self, opening: Opening, completion: str) -> str:
        start = completion.lstrip()
        tagged = [name for name, mode in self.modes.items() if mode.tag and start.startswith(mode.tag)]
        return opening.mode or (tagged[0] if tagged else "")

    def _opening(self, name: str) -> Opening:
        mode = self.modes[name]
        return Opening(note=mode.instruction, prefix="" if mode.instruction else mode.tag, mode=name)
