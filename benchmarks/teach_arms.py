"""Which trace of each problem a student is shown: one data set per arm of `benchmarks.teach`, from one bank.

    bank of `benchmarks.shorteners` ── audit ──┬─ TakeTrace(arm) ── shard ──> data set of that arm
                                               └─ ... one pair of nodes for each arm

All arms have the same problems: those with a correct, complete trace. A base trace is drawn for each by the seed, the
same for all arms. An arm of a method takes what the method made of the base trace if that is verified and shorter,
and the base trace itself if not, as a recipe with that method would. `shortest_of_k` and `laconic` choose among all
traces of the problem.
"""

from typing import ClassVar, Literal, get_args

from benchmarks.shorteners import best_pairs, first_traces, pairs_of, recipe_of
from pipeline.recipe import Node, Recipe
from pipeline.seeds import derive_seed
from pipeline.stage import Group, Row
from schemas.columns import REJECTED_BY, Column
from stages.audit_steps import AuditSteps
from stages.shard import Shard

Arm = Literal["raw", "shortest_of_k", "first_correct", "retro_search", "dap", "asap", "random", "laconic"]
ARMS: tuple[Arm, ...] = get_args(Arm)
ABOUT = {
    "none": "no training: the teacher as it is",
    "raw": "a random correct trace",
    "shortest_of_k": "the shortest correct trace",
    "first_correct": "the base trace up to the first statement of the answer",
    "retro_search": "the base trace, revised by the teacher",
    "dap": "the base trace, rewritten in frames by a script",
    "asap": "the base trace without unsurprising steps",
    "random": "the base trace without random steps, as long as that of ASAP",
    "laconic": "the shortest of all traces, cuts and revisions, those without a false equation first",
}
LACONIC_METHODS = ("first_correct", "retro_search")
"""What a recipe of ours would ship here: every step of the way is kept. Pruning is left out, since the answer survives
it and the skill does not (`asap`, `random`), and frames are a script's."""


class TakeTrace(Group):
    """Selects one trace per problem; what is not taken carries the arm's name as its reason."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = (
        *("problem_id", "trace_id", "parent_id", "method", "outcome", "finish_reason", "reasoning", "response"),
        *("n_reasoning_tokens", "n_false_statements"),
    )
    reads_if_present: ClassVar[tuple[str, ...]] = (REJECTED_BY.name,)
    writes: ClassVar[tuple[Column, ...]] = (REJECTED_BY,)

    arm: Arm
    """What the student is taught."""
    seed: int = 0
    """Draws the base trace."""

    def run(self, rows: list[Row]) -> list[Row]:
        taken = self.taken(rows)
        return [{REJECTED_BY.name: None if row is taken else f"not for {self.arm}"} for row in rows]

    def taken(self, rows: list[Row]) -> Row | None:
        """The trace to learn from; None where no trace of the problem is correct and complete."""
        sources = list(first_traces(rows).values())
        if not sources:
            return None
        if self.arm == "shortest_of_k":
            return min(sources, key=_length)
        base = min(sources, key=lambda row: derive_seed(self.seed, row["trace_id"]))
        if self.arm == "raw":
            return base
        if self.arm == "laconic":
            made = [pair.candidate for method in LACONIC_METHODS for pair in best_pairs(pairs_of(rows, method))]
            return min((*sources, *made), key=lambda row: (row["n_false_statements"] > 0, *_length(row)))
        pairs = best_pairs(pairs_of(rows, self.arm))
        return next((pair.candidate for pair in pairs if pair.source is base), base)


def _length(row: Row) -> tuple[int, str]:
    return row["n_reasoning_tokens"], row["trace_id"]


def arms_recipe(models: dict[str, str], problems: str, n_samples: int, seed: int) -> Recipe:
    """The bank with all candidates, and for each arm the nodes `<arm>` and `<arm>_set`."""
    shorteners = recipe_of(models, 0, n_samples)
    names = list(shorteners.nodes)
    nodes = {name: shorteners.nodes[name] for name in names[: names.index("candidates") + 1]}
    source = nodes["problems"].stage.model_copy(update={"path": problems})
    nodes |= {"problems": Node(stage=source), "audited": Node(stage=AuditSteps())}
    for arm in ARMS:
        nodes[f"take_{arm}"] = Node(stage=TakeTrace(arm=arm, seed=seed), after=("audited",))
        nodes[f"{arm}_set"] = Node(stage=Shard(), after=(f"take_{arm}",))
    return shorteners.model_copy(update={"name": "teach", "nodes": nodes})
