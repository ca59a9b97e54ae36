"""One spelling for one formula: `clean` for a parser, `key` for comparing as text.

Only typography changes here (spacing commands, unicode signs, shorthand fractions, text wrappers, math delimiters),
never the value: commas stay where they are, units, percent signs and brackets too.
"""

import re

_SIGNS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "π": r"\pi ", "∞": r"\infty ",
        "∪": r"\cup ", "∩": r"\cap ", "√": r"\sqrt ", "°": r"^\circ ", "²": "^2", "³": "^3", "½": r"\frac{1}{2}",
        "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∈": r"\in ",
        "∅": r"\emptyset ", "θ": r"\theta ", "α": r"\alpha ", "…": r"\ldots ",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "，": ",",
        "（": "(", "）": ")", "％": "%",
    }
)  # fmt: skip

_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\\\(?=(?:[dt]?frac|sqrt|pi|text|left|right|cdot|times|infty)(?![a-z]))", r"\\"),  # escaped twice
        (r"\\(?:m?left|m?right|[bB]ig{1,2}[lrm]?)(?![A-Za-z])\.?", ""),
        (r"\\(?:displaystyle|textstyle|limits|nolimits|rm|bf)(?![A-Za-z])", ""),
        (r"(?<!\\)\\!", ""),
        (r"(?<!\\)\\(?:q?quad(?![A-Za-z])|[,;: ])|~", " "),
        (r"(?<=\d) ?\{,\} ?(?=\d{3})", ","),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s*([0-9])\s*([0-9])", r"\\frac{\1}{\2}"),
        (r"\\frac\s*([0-9])\s*\{", r"\\frac{\1}{"),
        (r"\\frac\s*\{([0-9a-zA-Z]{1,20})\}\s*([0-9])", r"\\frac{\1}{\2}"),
        (r"\\sqrt\s*([0-9a-zA-Z])", r"\\sqrt{\1}"),
        (r"\\(?:geq|geqslant)(?![A-Za-z])", r"\\ge"),
        (r"\\(?:leq|leqslant)(?![A-Za-z])", r"\\le"),
        (r"\\neq(?![A-Za-z])", r"\\ne"),
        (r"\\(?:varnothing|O)(?![A-Za-z])", r"\\emptyset"),
        (r"\\operatorname\s*\{(sin|cos|tan|cot|sec|csc|log|ln|exp|gcd|min|max|arcsin|arccos|arctan)\}", r"\\\1"),
        (r"\\(?:mathrm|text|mathit)\s*\{\s*([a-zA-Z])\s*\}", r"\1"),
        (r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}\\$]*)\}", r" \1 "),
        (r"\^\s*\{?\s*\\(?:circ|degree)(?![A-Za-z])\s*\}?|\\degree(?![A-Za-z])", r"^\\circ "),
        (r"([_^])\{([0-9a-zA-Z])\}", r"\1\2"),
        (r"\s+", " "),
    )
)
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))


def clean(text: str) -> str:
    """The formula in one typography, delimiters and closing full stop removed; still LaTeX."""
    text = _undelimited(text.translate(_SIGNS).strip())
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = _undelimited(text)
    return text[1:].lstrip() if text.startswith("+") else text


def key(text: str) -> str:
    """Two answers with the same key are the same answer: white space and, for words, case do not count."""
    squeezed = re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", clean(text))  # "1 2" is not "12"
    return squeezed.lower() if re.fullmatch(r"[A-Za-z]{2,}", squeezed) else squeezed


def is_words(text: str) -> bool:
    """Whether the answer is a word or a few (a name, a day, even), to be compared as text only; `xy` is a product."""
    cleaned = clean(text)
    return bool(re.fullmatch(r"[A-Za-z]{1,20}(?: [A-Za-z]{1,20}){0,3}", cleaned) and re.search(r"[A-Za-z]{4}", cleaned))


def _undelimited(text: str) -> str:
    """Strips white space, a final full stop and delimiters that enclose the whole of the text."""
    while True:
        text = text.strip()
        shorter = text[:-1].rstrip() if text.endswith((".", ",", ";")) and not text.endswith("..") else text
        for opening, closing in _DELIMITERS:
            inner = shorter[len(opening) : -len(closing)]
            if len(shorter) > len(opening + closing) and shorter == opening + inner + closing and opening not in inner:
                shorter = inner
                break
        if shorter == text:
            return text
        text = shorter
