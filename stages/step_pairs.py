"""Pairs of single steps: what stood in front of both, the step that goes wrong, and a right one in its place.

wrong trace, index of its wrong step ──> Fork ── correct traces with the same beginning ──> their next step
                                             └── `step_pair` ──> prefix, chosen and rejected text
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pipeline.stage import Row
from schemas import tokens
from schemas.trace import Step, segment
from stages.preferences import n_tokens
from stages.surprisal import PREFILL
from verifiers.audit import audit


@dataclass(frozen=True)
class Fork:
    """A wrong trace and the step at which it goes wrong."""

    row: Row
    index: int
    """Steps in front of the wrong one."""

    @cached_property
    def steps(self) -> list[Step]:
        return segment(self.row["reasoning"])

    @property
    def prefix(self) -> str:
        """The reasoning in front of the wrong step, with its blank lines."""
        text: str = self.row["reasoning"][: self.steps[self.index].start]
        return text

    def next_step(self, reasoning: str) -> str | None:
        """The first step of `reasoning` behind the prefix: another one than the wrong step, without a false statement.

        None where there is no such step.
        """
        if not reasoning.startswith(self.prefix):
            return None
        behind = segment(reasoning[len(self.prefix) :])
        step = behind[0].text if behind else ""
        if not step.strip() or step.split() == self.steps[self.index].text.split():
            return None
        return None if audit(step).false_statements else step

    def step_of_sibling(self, correct: Iterable[Row]) -> tuple[str, Row] | None:
        """The next step of the shortest correct trace that begins in the same way, and that trace."""
        for row in sorted(correct, key=lambda row: (n_tokens(row), row["trace_id"])):
            if (step := self.next_step(row["reasoning"] or "")) is not None:
                return step, row
        return None

    def pair(self, chosen: str, chosen_id: str | None) -> Row:
        """The pair, carried by the wrong trace."""
        count, rejected = tokens.counter(self.row["token_counter"]), self.steps[self.index].text
        return {
            "pair_kind": "step",
            "chosen_id": chosen_id,
            "rejected_id": self.row["trace_id"],
            "prefix": PREFILL + self.prefix,
            "chosen_text": chosen,
            "rejected_text": rejected,
            "n_chosen_tokens": count(chosen),
            "n_rejected_tokens": count(rejected),
        }
