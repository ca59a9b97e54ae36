"""Pure judges: a problem and a response in, a `Verdict` out. They know nothing of stages, stores or models.

`for_kind` names the judge of a kind of problem. Whatever a judge runs on text that a model wrote happens in processes
that can be killed (`verifiers.pool`), so a verdict always comes back, from any thread, task or actor.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from schemas.verdict import Verdict


class Verifier(Protocol):
    """`version` names the judge and everything it delegates to; it enters the identity of what was judged."""

    name: str

    @property
    def version(self) -> str: ...

    def verify(self, problem: Mapping[str, Any], response: str, *, truncated: bool = False) -> Verdict: ...


def for_kind(kind: str) -> type[Verifier] | None:
    """The judge of problems of this kind, or None where there is none."""
    if kind != "math":
        return None
    from verifiers.math import MathVerifier

    return MathVerifier
