"""Problems beyond the tiny teacher's range, each with a gold answer that SymPy computes from the numbers in the text.

    beyond_problems(rng) -> (topic, text, answer), N_PER_TOPIC for every topic

A maker draws numbers and returns the text and what SymPy has to evaluate or solve; it never states the answer itself.
The teacher has seen nothing like these texts (except shorter lists of operations), so it should fail on nearly all.
"""

import random
from collections.abc import Callable

import sympy
from sympy import Rational, Symbol

from tiny.world import Problem, sample_problem

N_PER_TOPIC = {"more_operations": 10, "two_unknowns": 8, "fractions": 8, "percentages": 7, "algebra": 7}

x, y = Symbol("x"), Symbol("y")

Drawn = tuple[str, sympy.Expr]


def nested_expression(problem: Problem) -> sympy.Expr:
    """The operations of a list problem, applied by SymPy instead of by `tiny.world`."""
    value = sympy.Integer(problem.start)
    for symbol, operand in problem.ops:
        value = sympy.sympify(f"(value) {symbol} Integer({operand})", locals={"value": value})
    return value


def more_operations(rng: random.Random) -> Drawn:
    problem = sample_problem(rng, 5, held_out=True, n_ops=rng.randint(8, 10))
    return problem.text, nested_expression(problem)


def two_unknowns(rng: random.Random) -> Drawn:
    small, more = rng.randint(3, 20), rng.randint(2, 15)
    total = 2 * small + more
    first, second = rng.choice((("pen", "book"), ("cup", "plate"), ("hat", "scarf"), ("lamp", "chair")))
    text = (
        f"A {first} and a {second} together cost {total} coins. The {second} costs {more} coins more than the {first}. "
        f"How many coins does the {second} cost?"
    )
    return text, sympy.solve([x + y - total, y - x - more], [x, y])[y]


def fractions(rng: random.Random) -> Drawn:
    left, right = (Rational(rng.randint(1, below - 1), below) for below in (rng.randint(2, 9), rng.randint(2, 9)))
    word, value = rng.choice((("sum", left + right), ("product", left * right)))
    return f"What is the {word} of {left} and {right}? Give a whole number or a fraction in lowest terms.", value


def percentages(rng: random.Random) -> Drawn:
    price, percent = 20 * rng.randint(2, 15), 5 * rng.randint(1, 9)
    falls = rng.random() < 0.5
    thing = rng.choice(("jacket", "bicycle", "table", "radio"))
    change = Rational(-percent if falls else percent, 100)
    verb = "falls" if falls else "rises"
    text = f"A {thing} costs {price} coins. The price {verb} by {percent} percent. What is the new price in coins?"
    return text, price * (1 + change)


def algebra(rng: random.Random) -> Drawn:
    factor, root, shift = rng.randint(2, 9), rng.randint(2, 15), rng.randint(1, 20)
    total = factor * root + shift
    return f"Solve {factor}x + {shift} = {total} for x.", sympy.solve(factor * x + shift - total, x)[0]


MAKERS: dict[str, Callable[[random.Random], Drawn]] = {
    "more_operations": more_operations,
    "two_unknowns": two_unknowns,
    "fractions": fractions,
    "percentages": percentages,
    "algebra": algebra,
}


def beyond_problems(rng: random.Random) -> list[tuple[str, str, str]]:
    """Topic, text and answer of every problem; no text twice."""
    made: dict[str, tuple[str, str, str]] = {}
    for topic, n_wanted in N_PER_TOPIC.items():
        n_before = len(made)
        while len(made) - n_before < n_wanted:
            text, value = MAKERS[topic](rng)
            made.setdefault(text, (topic, text, str(value)))
    return list(made.values())
