"""Pure judges: a problem and a response in, a `Verdict` out. They know nothing of stages, stores or models.

`for_kind` names the judge of a kind of problem. Whatever a judge runs on text that a model wrote happens in processes
that can be killed (`verifiers.pool`), so a verdict always comes back, from any thread, task or actor.
"""

from verifiers.math import MathVerifier


def for_kind(kind: str) -> type[MathVerifier] | None:
    """The judge of problems of this kind, or None where there is none."""
    return MathVerifier if kind == "math" else None
