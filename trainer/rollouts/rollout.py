"""What every rollout policy decides: how a row becomes G prompts, and whether TRL's own generation is enough.

row, budgets [G] ──assign──> G openings (note to the user, first words of the answer, mode) ──Renderer──> prompts
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from trainer.config import Part
from trainer.group_view import Floats

Row = dict[str, Any]
Generate = Callable[[list[str], Any], dict[str, Any]]
"""TRL's `rollout_func`: gets one prompt per completion, groups already repeated, whatever its documentation says."""


@dataclass(frozen=True)
class Opening:
    """What one rollout gets beside the problem."""

    note: str = ""
    """Sentence put behind the user's last message, on a line of its own."""
    prefix: str = ""
    """First words of the answer, written for the model; they are part of the prompt and get no loss."""
    in_thought: bool = False
    """The prefix belongs inside the thought, which is opened first where the template does not open it."""
    mode: str = ""
    """Mode that the rollout is told to use; '' leaves it to the model."""


class RolloutPolicy(Part):
    """How prompts become completions."""

    is_heterogeneous: ClassVar[bool] = False
    """Whether members of a group may have different prompts. vLLM's server mode as TRL drives it asks for n = G
    samples of every G-th prompt only, and silently gives them to the whole group; the trainer then asks one by one."""

    def assign(self, row: Row, budgets: Floats) -> list[Opening]:
        """One opening for each rollout of a group; `budgets` [G] in tokens, nan for none."""
        raise NotImplementedError

    def mode_of(self, opening: Opening, completion: str) -> str:
        """The mode for the view: the one that was told, else the one that the completion says it chose."""
        return opening.mode

    def max_new_tokens(self) -> int:
        """Tokens that a completion may have by this policy's own limits; 0 where it sets none."""
        return 0

    def generate(self, budgets: Callable[[], Sequence[float]]) -> Generate | None:
        """A rollout function, or None for TRL's generation. `budgets()` gives those of the prompts in hand."""
        return None
