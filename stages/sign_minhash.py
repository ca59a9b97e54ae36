"""MinHash signatures (Broder 1997), one row at a time, so that each text is signed once in the life of a store.

    problem | reasoning | response -> words -> n-grams -> `minhash`: num_perm little-endian uint32

`dedup_minhash` compares signatures and must be given the same `column`, `ngram` and `num_perm`. Word 3-grams suit
problems of some 50 words: one changed word leaves a Jaccard similarity of .89 there, against .82 with 5-grams.
"""

from typing import Literal

from pydantic import Field

from pipeline.stage import Map, Row
from schemas.columns import MINHASH
from stages import minhash_kernel, normal_form
from stages.minhash_kernel import signatures


class SignMinhash(Map):
    version = 1
    writes = (MINHASH,)

    column: Literal["problem", "reasoning", "response"] = "problem"
    """The text to sign."""
    ngram: int = Field(default=3, ge=1)
    """Words per shingle; a text with fewer words is one shingle."""
    num_perm: int = Field(default=128, ge=1)
    """Permutations, each 4 bytes of the signature; the estimate errs by about 1 / sqrt(num_perm) / 2."""

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.column,)

    def code_identity(self) -> dict[str, str]:
        return {"words": str(normal_form.VERSION), "minhash": str(minhash_kernel.VERSION)}

    def run(self, row: Row) -> Row:
        signature = signatures([row[self.column] or ""], self.ngram, self.num_perm)[0]
        is_blank = signature.min() == signature.max() == minhash_kernel.BLANK
        return {MINHASH.name: None if is_blank else signature.astype("<u4").tobytes()}
