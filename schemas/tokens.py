"""How long a text is, by a counter whose name is stored beside every count.

`words*1.3` is an estimate that needs no model: white-space words times 1.3. Any other name is a tokenizer, a local
folder or a Hub id, and counts the tokens of the bare text without special tokens. A `tokenizer.json` is read by the
library behind it: every worker counts, and to import transformers, which brings torch, costs one 13 s of CPU.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from schemas.piece_counts import piece_counter

ROOT = Path(__file__).resolve().parent.parent
ESTIMATE = "words*1.3"


def counter(name: str) -> Callable[[str], int]:
    """Returns text -> number of tokens. Raises ValueError, with a remedy, when the tokenizer cannot be loaded."""
    return _estimate if name == ESTIMATE else _tokenizer(name)


def _estimate(text: str) -> int:
    return (13 * len(text.split()) + 5) // 10


def _folder(name: str) -> str:
    """A folder of the project, such as `tiny/teacher`, is found from anywhere."""
    here = ROOT / name
    return str(here) if here.is_dir() and not Path(name).is_dir() else name


@lru_cache(maxsize=8)
def _tokenizer(name: str) -> Callable[[str], int]:
    if (path := _tokenizer_json(_folder(name))) is not None:
        try:
            fast = Tokenizer.from_file(path)
        except Exception as error:
            if type(error) is not Exception:  # what tokenizers raises is of that class itself
                raise
            raise _refusal(name, error) from error
        fast.no_truncation()
        return piece_counter(fast) or (lambda text: len(fast.encode(text, add_special_tokens=False).ids))
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(_folder(name))
    except (OSError, ValueError, KeyError) as error:
        raise _refusal(name, error) from error
    return lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _refusal(name: str, error: Exception) -> ValueError:
    reason = str(error).strip().split("\n")[0]
    return ValueError(
        f"token_counter {name!r} cannot be loaded ({reason}); give a tokenizer folder, a Hub id or {ESTIMATE!r}"
    )


def _tokenizer_json(name: str) -> str | None:
    """Path of the file in a folder or on the Hub; null where there is none, or no way to ask."""
    if Path(name).is_dir():
        path = Path(name, "tokenizer.json")
        return str(path) if path.exists() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return hf_hub_download(name, "tokenizer.json")
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        return None  # transformers says in the next line what is wrong
