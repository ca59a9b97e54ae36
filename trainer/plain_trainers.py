"""TRL's trainers with our bookkeeping and TRL's own losses."""

from trl import DPOTrainer, SFTTrainer

from trainer.bookkeeping import Bookkeeping


class PlainSFTTrainer(Bookkeeping, SFTTrainer):
    """The mean over all tokens with a loss of an optimiser step."""


class PairTrainer(Bookkeeping, DPOTrainer):
    """TRL's losses on pairs that come as tokens."""
