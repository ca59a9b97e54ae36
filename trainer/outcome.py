r"""Which completions are right, by Laconic's verifiers, and how much of the expected format each one has.

    completion text ──markup──> reasoning, response ──verifier of the problem's kind──> outcome ──> right or not
                                                   └──> marks: closed thought, marked answer ──> share

A training step must never wait for a judge: verifiers run in killable processes under their own limits, and whatever
takes longer than `timeout_s` all the same is given up. Only `correct` is right. A time-out, a crash and an answer that
nobody can read are wrong here, unlike in a curated dataset where they are no statement, and so is what was cut at the
token limit; each is counted by name, so that a rising share is seen. Equal answers to a problem are judged once.
"""

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from schemas.markup import Flag, Markup, ParsedCompletion, parse_completion
from schemas.problem import Kind
from schemas.verdict import Outcome
from verifiers import Verifier, for_kind
from verifiers.code import CodeVerifier

TRUNCATED = "truncated"
"""Name, beside the six outcomes, of a completion that was cut at the token limit and not judged."""
_OPEN_MARKUPS = (Markup.NONE, Markup.THINK_UNCLOSED, Markup.SKY_UNCLOSED, Markup.S1_UNCLOSED)
_BOX = re.compile(r"\\boxed\s*\{")
_FENCE = re.compile(r"^```", re.MULTILINE)

Row = dict[str, Any]


@dataclass(frozen=True)
class Completion:
    """One rollout to be judged. `text` begins with the opening tag of the thought, even if that stood in the prompt."""

    row: Row
    text: str
    truncated: bool


@dataclass(frozen=True)
class Judged:
    outcome: str
    """One of the six outcomes, or `truncated`."""
    formatted: float
    """Share of the two marks that are there, 0 to 1."""

    @property
    def correct(self) -> bool:
        return self.outcome == Outcome.CORRECT


class OutcomeJudge:
    """Judges batches of completions in threads; each verifier keeps its own processes."""

    def __init__(
        self, timeout_s: float = 300.0, n_threads: int = 4, verifiers: dict[str, Verifier] | None = None
    ) -> None:
        self.timeout_s, self.n_threads = timeout_s, n_threads
        self._verifiers = verifiers or {}
        self._threads = self._new_threads()

    def judge(self, completions: Sequence[Completion]) -> list[Judged]:
        """In the order given. Takes at most `timeout_s` seconds for each round of `n_threads` verdicts."""
        parsed = [parse_completion(one.text, "length" if one.truncated else "stop") for one in completions]
        asked: dict[tuple[str, str], Future[str]] = {}
        for one, parts in zip(completions, parsed, strict=True):
            key = (one.row["problem_id"], parts.response)
            if not one.truncated and key not in asked:
                asked[key] = self._threads.submit(self._outcome, one.row, parts.response)
        found = self._within_time(asked)
        return [
            Judged(
                TRUNCATED if one.truncated else found[one.row["problem_id"], parts.response],
                format_share(parts, one.row["kind"]),
            )
            for one, parts in zip(completions, parsed, strict=True)
        ]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _within_time(self, asked: dict[tuple[str, str], Future[str]]) -> dict[tuple[str, str], str]:
        """The outcomes; `timeout` for what is not there in time, and new threads in place of those that hang."""
        n_rounds = -(-len(asked) // self.n_threads)
        _, late = wait(asked.values(), self.timeout_s * n_rounds)
        if late:
            self.close()
            self._threads = self._new_threads()
        return {key: Outcome.TIMEOUT.value if one in late else one.result() for key, one in asked.items()}

    def _new_threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.n_threads, thread_name_prefix="verify")

    def _outcome(self, row: Row, response: str) -> str:
        verifier = self._verifiers.get(row["kind"]) or verifier_of(row)
        return verifier.verify(row, response).outcome.value if verifier else Outcome.UNGRADABLE.value


def verifier_of(row: Row) -> Verifier | None:
    """Tests decide where there is no gold answer; otherwise the kind does. None where nothing can judge the row."""
    if row.get("tests") and not row.get("answer"):
        return CodeVerifier()
    return for_kind(row["kind"]) if row.get("answer") or row.get("tests") else None


def format_share(parts: ParsedCompletion, kind: str) -> float:
    """Half for a thought that is closed exactly once, half for an answer that is marked as one (a box, `<answer>`
    tags, the option's sentence for choices; for code a fenced block): the two format credits of Curriculum GRPO."""
    thought = parts.markup not in _OPEN_MARKUPS and Flag.MULTI_CLOSE not in parts.flags
    if kind == Kind.CODE:
        answer = bool(_FENCE.search(parts.response))
    elif kind == Kind.MATH:
        answer = Flag.ANSWER_TAGS in parts.flags or bool(_BOX.search(parts.response))
    else:
        answer = bool(parts.response)
    return (thought + answer) / 2


def shares(judged: Sequence[Judged]) -> dict[str, float]:
    """Share of each outcome that occurs, by name, for the log."""
    counts = Counter(one.outcome for one in judged)
    return {name: n / len(judged) for name, n in sorted(counts.items())}
