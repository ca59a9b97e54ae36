"""The form in which two texts are compared: case, spacing and LaTeX wrappers folded, everything with meaning kept.

    text -> words -> normal_form                               equality (`dedup_exact`)
              ├----> shingles (`stages.minhash_kernel`)        similarity (`dedup_minhash`)
              └----> numbers                                   the number guard

Two texts have the same normal form exactly if they differ only in case, white space, LaTeX spacing (`\\,`, `\\quad`),
delimiters (`$`, `\\(`, `\\left`), font wrappers (`\\text{..}`) and equal spellings (`\\dfrac`, `x^2` for `x^{2}`).
Numbers, operators and other punctuation stay. Signatures on record depend on all of it: VERSION rises with each change.

Blind spots: number words above twelve, numerals of other scripts, units, nested font wrappers, synonyms of any kind.
"""

import re
import unicodedata
from collections.abc import Iterable

VERSION = 1

_PLAIN = tuple({"’": "'", "‘": "'", "“": '"', "”": '"', "−": "-", "–": "-", "—": "-", "×": "*", "·": "*"}.items())
_THOUSANDS = re.compile(r"(\d)(?:\{,\}|,?\\[,!]|\\!,)(?=\d{3}(?!\d))")
_SPACING = re.compile(
    r"""\\(?: \\(?:\[[^\]\n]*\])?       # a line break, with its distance
            | [,;:>\s$()\[\]]           # space and delimiters
            | (?:q?quad|left|right|bigg?[lr]?|displaystyle|textstyle)(?![a-z]) )""",
    re.VERBOSE,
)
_WRAPPER = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it|sf)|operatorname|mbox)\*?\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-z])")
_BARE_FRACTION = re.compile(r"(\\frac)\s*(\d)\s*(\d)")
_BARE_SCRIPT = re.compile(r"([\^_])\s*([a-z0-9])")
_BARE_ROOT = re.compile(r"(\\sqrt)\s*([a-z0-9])")
_WORD = re.compile(r"[^\W\d_぀-ヿ㐀-鿿]+|\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|\.\d+|\\[a-z]+|\S")
# The last case makes a word of each Chinese or Japanese character: those scripts put no space between words.

_NUMBER_WORDS = {
    "half": "0.5", "twice": "2", "double": "2", "thrice": "3", "triple": "3", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
"""Without 'one', which is a pronoun too often."""


def words(text: str) -> list[str]:
    """Words, numbers, LaTeX commands and single symbols, folded and in order; empty for a blank text."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        for sign, plain in _PLAIN:
            text = text.replace(sign, plain)
    return _WORD.findall(_fold_latex(text.casefold()))


def normal_form(text: str) -> str:
    return " ".join(words(text))


def numbers(words: Iterable[str]) -> tuple[str, ...]:
    """The multiset of numbers, sorted and in one spelling: `1,000` is `1000`, `2.50` is `2.5`, `three` is `3`."""
    return tuple(sorted(_NUMBER_WORDS.get(word) or _plain_number(word) for word in words if _is_number(word)))


def _fold_latex(text: str) -> str:
    if "\\" in text:
        text = _THOUSANDS.sub(r"\1,", text).replace("\\!", "")
        text = _WRAPPER.sub(r" \1 ", _SPACING.sub(" ", text))
        text = _BARE_FRACTION.sub(r"\1{\2}{\3}", _FRACTION.sub(r"\\frac", text))
        text = _BARE_ROOT.sub(r"\1{\2}", text)
    return _BARE_SCRIPT.sub(r"\1{\2}", text.replace("$", " ").replace("~", " "))


def _is_number(word: str) -> bool:
    return word[-1].isdecimal() or word in _NUMBER_WORDS


def _plain_number(word: str) -> str:
    whole, _, decimals = word.replace(",", "").partition(".")
    return (whole.lstrip("0") or "0") + ("." + decimals.rstrip("0") if decimals.rstrip("0") else "")
