"""The errors a user of Laconic can meet, named by the boundary that was crossed.

    LaconicError
    ├── RecipeError      the recipe or an execution config is wrong; raised before any work, all mistakes together
    ├── StoreError       the store is locked, unreadable, full or of another version
    ├── EngineError      a model cannot be loaded or its service refuses us; no retry will help
    │   └── EngineLost   the engine died or timed out; the call is retried and never remembered
    ├── RunFailed        work was done and kept, but the run could not finish
    └── TrainError       in `trainer`: a training is refused before its first step

    RequestRefused       an engine that works cannot answer this one request; the row's fault, so it becomes a bad row

A stage raises plain Python exceptions. The runner turns one into a bad row with its reason (see `pipeline.cell`);
nothing else in the project catches broadly.
"""


class LaconicError(Exception):
    """Base of every error whose message is meant for the user: one sentence with the place and the remedy."""


class RecipeError(LaconicError):
    """One or more mistakes in a recipe or execution config, each with its place and remedy."""


class StoreError(LaconicError):
    """The store cannot be used as asked."""


class EngineError(LaconicError):
    """The engine refuses for good: missing model, wrong key, unsupported request."""


class EngineLost(EngineError):
    """The engine or its service is gone or too slow. Transient: retried, never stored as a result."""


class RequestRefused(Exception):
    """A prompt beyond the context, a sampling setting that the model does not have, a filtered answer."""


class RunFailed(LaconicError):
    """The run stopped before its end; what it computed is in the store."""
