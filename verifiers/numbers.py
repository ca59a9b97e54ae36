"""Exact numbers: reads integers, decimals, fractions, mixed and scientific numbers as `Fraction` and compares them.

Two numbers that were read decide a comparison for good, except that grouped digits such as `1,234` may also be a list:
they can prove equality, never inequality. Policies, strict for training data:

  percent   a missing sign is forgiven: 5% equals 5 and 0.05; 5% never equals 5.5%.
  units     a missing unit is forgiven, two different known units are wrong (10 m against 10 cm).
  bases     1010_2 equals 1010 and 1010_2, never 1010_3.
  rounding  a decimal gold with at least 3 significant digits is met by any value that rounds to it.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from verifiers.decision import Decision, correct, incorrect

MAX_DIGITS = 1_000
"""Longer numbers are compared as text only: int() of a hostile million digits takes seconds."""

_DECIMAL = r"(?:\d+(?:\.\d+)?|\.\d+)"
_GROUPED = r"\d{1,3}(?:(?:,[ ]?|[ ])\d{3})+(?:\.\d+)?"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\s?
    (?P<currency>\\?\$|€|£)?\s?
    (?P<body>(?:
        (?P<grouped>{_GROUPED})(?!\d)
      | (?P<whole>\d+)(?:\s?\\frac\{{(?P<mixed_n>\d+)\}}\{{(?P<mixed_d>\d+)\}}|\ (?P<mixed_a>\d+)/(?P<mixed_b>\d+))
      | \\frac\{{(?P<frac_n>-?{_DECIMAL})\}}\{{(?P<frac_d>-?{_DECIMAL})\}}
      | (?P<slash_n>\d+)\s?/\s?(?P<slash_d>\d+)
      | (?P<mantissa>{_DECIMAL})\s?(?:\\times|\\cdot|\*|x)\s?10\s?\^\s?\{{?(?P<exponent>-?\d{{1,3}})\}}?
      | (?P<decimal>{_DECIMAL})(?:_\{{?(?P<base>\d{{1,2}})\}}?)?
    ))
    \s?(?P<percent>\\?%|percent)?
    (?P<unit>.*)""",
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"\\?[A-Za-z]{1,7}(?:_\w)?(?:\([A-Za-z]\))?\s?=\s?")

KNOWN_UNITS = {
    "cm": "cm", "centimeter": "cm", "mm": "mm", "millimeter": "mm", "m": "m", "meter": "m", "metre": "m", "km": "km",
    "kilometer": "km", "in": "in", "inch": "in", "inche": "in", "ft": "ft", "foot": "ft", "feet": "ft",
    "yd": "yd", "yard": "yd",
    "mi": "mi", "mile": "mi", "s": "s", "sec": "s", "second": "s", "min": "min", "minute": "min",
    "h": "h", "hr": "h", "hour": "h",
    "day": "day", "week": "week", "month": "month", "year": "year", "g": "g", "gram": "g",
    "kg": "kg", "kilogram": "kg", "mg": "mg",
    "lb": "lb", "pound": "lb", "oz": "oz", "ounce": "oz", "l": "l", "liter": "l", "litre": "l",
    "ml": "ml", "dollar": "$", "cent": "cent",
    "mph": "mph", "degree": "deg", r"^\circ": "deg", "radian": "rad", "rad": "rad",
}  # fmt: skip
_NOT_A_UNIT = re.compile(
    r"\b(?:pi|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|or|and|mod|modulo|times|over|infinity|inf|to|minus|plus|choose|percent"
    r"|factorial|squared|cubed|half|halves|thirds?|hundred|thousand|million|billion|trillion|dozen|not|if|wait)\b"
)


@dataclass(frozen=True)
class ExactNumber:
    value: Fraction
    is_percent: bool
    is_grouped: bool
    unit: str
    """A known unit in its short form, other words as written, or empty."""
    base: int | None
    n_decimals: int
    """Digits after the point; 0 for integers and fractions."""
    n_significant: int


def read_number(cleaned: str) -> ExactNumber | None:
    """The number that a cleaned answer is, or None if it is anything else (a list, a formula, prose)."""
    assignment = _ASSIGNMENT.match(cleaned)
    match = _NUMBER.fullmatch(cleaned, assignment.end() if assignment else 0)
    if match is None or len(match["body"]) > MAX_DIGITS:
        return None
    unit, value = _unit(match["unit"], bool(match["currency"])), _value(match)
    if unit is None or value is None:
        return None
    digits = match["decimal"] or match["mantissa"] or ""
    return ExactNumber(
        value=-value if match["sign"] == "-" else value,
        is_percent=match["percent"] is not None,
        is_grouped=match["grouped"] is not None,
        unit=unit,
        base=int(match["base"]) if match["base"] else None,
        n_decimals=len(digits.partition(".")[2]) if match["decimal"] else 0,
        n_significant=len(digits.replace(".", "").lstrip("0")),
    )


def compare_numbers(gold: ExactNumber, answer: ExactNumber) -> Decision | None:
    """Right or wrong; None where grouped digits or a letter leave it open."""
    if _known(gold.unit) and _known(answer.unit) and gold.unit != answer.unit:
        return incorrect(f"the unit is {answer.unit}, the gold answer has {gold.unit}")
    if gold.unit != answer.unit and len(gold.unit + answer.unit) == 1 and answer.unit + gold.unit != "$":
        return None  # `5m` may as well be a product
    if gold.base and answer.base and gold.base != answer.base:
        return incorrect(f"the base is {answer.base}, the gold answer has base {gold.base}")
    if gold.value == answer.value:
        return correct("equal as exact numbers")
    if gold.is_percent != answer.is_percent and _equal_up_to_percent(gold, answer):
        return correct("equal as exact numbers up to a percent sign")
    if gold.is_grouped or answer.is_grouped:
        return None
    if _rounds_to(answer.value, gold) and gold.is_percent == answer.is_percent:
        return correct("rounds to the gold answer")
    return incorrect("differs from the gold answer as an exact number")


def _equal_up_to_percent(gold: ExactNumber, answer: ExactNumber) -> bool:
    percent, plain = (gold, answer) if gold.is_percent else (answer, gold)
    return percent.value / 100 == plain.value


def _rounds_to(value: Fraction, gold: ExactNumber) -> bool:
    """Half a unit in the last place of the gold, which must be a decimal of at least 3 significant digits."""
    if not gold.n_decimals or gold.n_significant < 3:
        return False
    return abs(value - gold.value) <= Fraction(1, 2 * 10**gold.n_decimals)


def _value(match: re.Match[str]) -> Fraction | None:
    """The absolute value; None for a zero denominator."""
    part = match.groupdict()
    if part["grouped"]:
        return Fraction(re.sub("[, ]", "", part["grouped"]))
    if part["whole"]:
        fraction = _ratio(part["mixed_n"] or part["mixed_a"], part["mixed_d"] or part["mixed_b"])
        return None if fraction is None else int(part["whole"]) + fraction
    if part["frac_n"]:
        return _ratio(part["frac_n"], part["frac_d"])
    if part["slash_n"]:
        return _ratio(part["slash_n"], part["slash_d"])
    if part["mantissa"]:
        return Fraction(part["mantissa"]) * Fraction(10) ** int(part["exponent"])
    return Fraction(part["decimal"])


def _ratio(numerator: str, denominator: str) -> Fraction | None:
    bottom = Fraction(denominator)
    return Fraction(numerator) / bottom if bottom else None


def _known(unit: str) -> bool:
    return unit in KNOWN_UNITS.values()


def _unit(rest: str, has_currency: bool) -> str | None:
    """The unit in what follows a number, or None if what follows is more than a unit (`5x`, `5 or 6`, `5 million`)."""
    rest = rest.strip()
    if not rest:
        return "$" if has_currency else ""
    singular = rest.lower().removesuffix(".").removesuffix("s") or rest
    if known := KNOWN_UNITS.get(rest) or (len(rest) > 2 and KNOWN_UNITS.get(singular)):
        return known
    words = re.fullmatch(r"[A-Za-z]{2,20}(?:[ /][A-Za-z]{1,20}){0,4}(?:\^[23])?", rest)
    return rest if words and not _NOT_A_UNIT.search(rest.lower()) else None
