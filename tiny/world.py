"""The little arithmetic world: problems with a start value and 1 to 10 operations, in three surface forms.

Every operation stands on its own line behind a tag (a letter, an ordinal or a weekday). A solver finds the operation of
a step by looking up the tag, which is one token at the start of the line both in the problem and in a trace, directly
followed by the text to copy. In trials the form of this look-up mattered most for a small model's accuracy.

    Problem.sample -> a random problem of one level -> text, operations in words, running values, answer

One problem in eight is held out, by a hash of its numbers (not of its wording): training skips those; evaluation and
the shipped problem file use only those.
"""

import random
import zlib
from dataclasses import dataclass

LETTERS = tuple("ABCDEFGHIJ")
ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TAGS = {"letters": LETTERS, "ordinals": ORDINALS, "diary": WEEKDAYS}

WORDS = {
    "letters": {"+": ("plus",), "-": ("minus",), "*": ("times",), "/": ("divided by",)},
    "ordinals": {"+": ("add",), "-": ("subtract",), "*": ("multiply by",), "/": ("divide by",)},
    "diary": {
        "+": ("gained", "found", "won"),
        "-": ("lost", "spent", "gave away"),
        "*": ("grew by a factor of",),
        "/": ("shrank by a factor of",),
    },
}

NAMES = ("Mia", "Ben", "Lena", "Omar", "Ruth", "Ivan", "Noor", "Tom")
THINGS = ("shells", "coins", "points", "cards", "stamps", "beads")

HELD_OUT_ONE_IN = 8


@dataclass(frozen=True)
class Level:
    """Bounds from which the problems of one level are drawn."""

    n_ops: tuple[int, int]
    add_max: int
    factor_max: int
    value_max: int


LEVELS = {
    1: Level(n_ops=(2, 2), add_max=9, factor_max=5, value_max=20),
    2: Level(n_ops=(3, 3), add_max=9, factor_max=5, value_max=30),
    3: Level(n_ops=(4, 4), add_max=9, factor_max=9, value_max=40),
    4: Level(n_ops=(5, 6), add_max=9, factor_max=9, value_max=60),
    5: Level(n_ops=(6, 7), add_max=20, factor_max=9, value_max=99),
}


def apply(value: int, symbol: str, operand: int) -> int | None:
    """The next running value, or None if it would be below 1 or no whole number."""
    if symbol == "/":
        return value // operand if value % operand == 0 else None
    result = {"+": value + operand, "-": value - operand, "*": value * operand}[symbol]
    return result if result >= 1 else None


@dataclass(frozen=True)
class Problem:
    """A start value and operations, with the words in which they are told."""

    level: int
    form: str
    start: int
    ops: tuple[tuple[str, int], ...]
    words: tuple[str, ...]
    name: str
    thing: str

    @property
    def tags(self) -> tuple[str, ...]:
        return TAGS[self.form][: len(self.ops)]

    @property
    def op_texts(self) -> tuple[str, ...]:
        """What stands behind each tag, for example 'multiply by 3'."""
        return tuple(f"{word} {operand}" for word, (_, operand) in zip(self.words, self.ops, strict=True))

    @property
    def values(self) -> tuple[int, ...]:
        """Running values, the start first and the answer last."""
        values = [self.start]
        for symbol, operand in self.ops:
            value = apply(values[-1], symbol, operand)
            if value is None:
                raise ValueError(f"{values[-1]} {symbol} {operand} leaves the world of whole positive numbers")
            values.append(value)
        return tuple(values)

    def fits(self, largest: int) -> bool:
        """True if all running values are whole numbers from 1 to `largest`."""
        try:
            return max(self.values) <= largest
        except ValueError:
            return False

    @property
    def answer(self) -> int:
        return self.values[-1]

    @property
    def text(self) -> str:
        lines = "\n".join(f"{tag} {text}" for tag, text in zip(self.tags, self.op_texts, strict=True))
        opening, question = {
            "letters": (f"Start with {self.start} and apply these steps in order.", "What is the result?"),
            "ordinals": (f"Take the number {self.start} and do the following.", "Which number do you get?"),
            "diary": (
                f"{self.name} has {self.start} {self.thing} and keeps a diary for the next days.",
                f"How many {self.thing} does {self.name} have in the end?",
            ),
        }[self.form]
        return f"{opening}\n{lines}\n{question}"

    @property
    def held_out(self) -> bool:
        """True for the problems that training must never see, whatever their wording."""
        skeleton = f"{self.start} " + " ".join(f"{symbol}{operand}" for symbol, operand in self.ops)
        return zlib.crc32(skeleton.encode()) % HELD_OUT_ONE_IN == 0

    @classmethod
    def sample(cls, rng: random.Random, level: int, n_ops: int | None = None) -> "Problem":
        """A random problem of a level; `n_ops` overrides the level's number of operations."""
        bounds = LEVELS[level]
        n_ops = rng.randint(*bounds.n_ops) if n_ops is None else n_ops
        form = rng.choice([form for form, tags in TAGS.items() if len(tags) >= n_ops])
        start = rng.randint(2, bounds.add_max)
        ops = sample_ops(rng, start, n_ops, bounds)
        words = tuple(rng.choice(WORDS[form][symbol]) for symbol, _ in ops)
        return cls(level, form, start, ops, words, rng.choice(NAMES), rng.choice(THINGS))


def sample_ops(rng: random.Random, start: int, n_ops: int, bounds: Level) -> tuple[tuple[str, int], ...]:
    """Operations that keep every running value within 1 and the level's largest value."""
    value, ops = start, []
    for _ in range(n_ops):
        symbol, operand = rng.choice(feasible_ops(rng, value, bounds))
        value = apply(value, symbol, operand) or 0
        ops.append((symbol, operand))
    return tuple(ops)


def feasible_ops(rng: random.Random, value: int, bounds: Level) -> list[tuple[str, int]]:
    """One candidate for each symbol that is possible at this value."""
    candidates = []
    if value < bounds.value_max:
        candidates.append(("+", rng.randint(1, min(bounds.add_max, bounds.value_max - value))))
    if value > 1:
        candidates.append(("-", rng.randint(1, min(bounds.add_max, value - 1))))
    factors = [factor for factor in range(2, bounds.factor_max + 1) if value * factor <= bounds.value_max]
    if factors:
        candidates.append(("*", rng.choice(factors)))
    divisors = [divisor for divisor in range(2, bounds.factor_max + 1) if value % divisor == 0]
    if divisors:
        candidates.append(("/", rng.choice(divisors)))
    return candidates


def sample_problem(rng: random.Random, level: int, *, held_out: bool, n_ops: int | None = None) -> Problem:
    """A random problem from the wanted side of the hold-out."""
    while True:
        problem = Problem.sample(rng, level, n_ops)
        if problem.held_out == held_out:
            return problem
