"""Every column that may stand in a Laconic table: name, Arrow type, unit, level and one sentence.

A stage names the columns it reads and lists the `Column` objects it writes; the runner checks both before anything
runs, stores what was written under the declared Arrow type, and hands a stage nothing that it did not ask for.

The *level* says what a column describes. A PROBLEM column (the text, the gold answer, a pass rate) is the same for all
traces of a problem and is inherited by every new candidate trace. A TRACE column (the reasoning, a verdict) describes
one text; a new candidate never inherits it, so a verdict cannot outlive the text that it judged.
"""

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa


class Level(StrEnum):
    PROBLEM = "problem"
    TRACE = "trace"


@dataclass(frozen=True)
class Column:
    name: str
    type: pa.DataType
    unit: str
    doc: str
    level: Level = Level.TRACE

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.type)


def _problem(name: str, type_: pa.DataType, unit: str, doc: str) -> Column:
    return Column(name, type_, unit, doc, Level.PROBLEM)


_TEXT, _STRINGS = pa.string(), pa.list_(pa.string())

# The problem.
PROBLEM_ID = _problem("problem_id", _TEXT, "16 hex digits", "Hash of the kind and the normalised problem text.")
PROBLEM = _problem("problem", _TEXT, "text", "The problem as it is shown to a model.")
ANSWER = _problem("answer", _TEXT, "text", "The gold answer; null where the source gives none.")
KIND = _problem("kind", _TEXT, "math|code|choice|open", "Which verifier the problem calls for.")
TESTS = _problem("tests", _TEXT, "JSON", "Tests of a code problem in the form of its source; null otherwise.")
CHOICES = _problem("choices", _STRINGS, "texts", "Options of a choice problem, in order; empty otherwise.")
SOURCE = _problem("source", _TEXT, "name", "The data set the problem came from.")
SOURCE_ID = _problem("source_id", _TEXT, "id", "The row's own id in its source.")
LICENSE = _problem("license", _TEXT, "SPDX or name", "Licence of the source row; 'unknown' where none is stated.")
META = _problem("meta", _TEXT, "JSON object", "What else the source said about the problem.")
PROBLEM_COLUMNS = (PROBLEM_ID, PROBLEM, ANSWER, KIND, TESTS, CHOICES, SOURCE, SOURCE_ID, LICENSE, META)

# The trace.
TRACE_ID = Column("trace_id", _TEXT, "16 hex digits", "Hash of the problem, the lineage and the text of the trace.")
PARENT_ID = Column("parent_id", _TEXT, "trace_id", "The trace this one was made from; null for a first trace.")
METHOD = Column("method", _TEXT, "name", "What made the trace: teacher, import, first_correct, ...")
LINEAGE = Column("lineage", _STRINGS, "methods", "Methods from the first trace down to this one.")
MODEL = Column("model", _TEXT, "name", "The model that wrote the first trace; null where the source does not say.")
MODEL_REVISION = Column("model_revision", _TEXT, "digest", "Revision, or content digest, of that model.")
PROMPT_DIGEST = Column("prompt_digest", _TEXT, "16 hex digits", "Digest of the prompt template; null for imports.")
SAMPLING = Column("sampling", _TEXT, "JSON object", "Sampling settings of the call; null for imports.")
SAMPLE_INDEX = Column("sample_index", pa.int32(), "index", "Which of the samples of its problem this is, from 0.")
SEED = Column("seed", pa.int64(), "integer", "Seed of the call, derived from the run's seed; null for imports.")
REASONING = Column("reasoning", _TEXT, "text", "What stands inside the thinking markup, without the markup.")
RESPONSE = Column("response", _TEXT, "text", "What the user would see after the thinking.")
FINISH_REASON = Column("finish_reason", _TEXT, "stop|length|unknown", "Why the model stopped.")
TOKEN_COUNTER = Column("token_counter", _TEXT, "name", "What counted the tokens: a tokenizer, or 'words*1.3'.")
N_REASONING_TOKENS = Column("n_reasoning_tokens", pa.int32(), "tokens", "Length of the reasoning.")
N_RESPONSE_TOKENS = Column("n_response_tokens", pa.int32(), "tokens", "Length of the response.")
N_SOURCE_TOKENS = Column(
    "n_source_reasoning_tokens", pa.int32(), "tokens", "Length of the reasoning of the first trace of this lineage."
)
TRACE_COLUMNS = (
    TRACE_ID, PARENT_ID, METHOD, LINEAGE, MODEL, MODEL_REVISION, PROMPT_DIGEST, SAMPLING, SAMPLE_INDEX, SEED,
    REASONING, RESPONSE, FINISH_REASON, TOKEN_COUNTER, N_REASONING_TOKENS, N_RESPONSE_TOKENS, N_SOURCE_TOKENS,
)  # fmt: skip

# The verdict.
OUTCOME = Column("outcome", _TEXT, "Outcome", "correct, incorrect, unparsed, ungradable, timeout or crashed.")
ANSWER_FOUND = Column("answer_found", _TEXT, "text", "The final answer as read from the response; null if none.")
VERDICT_REASON = Column("verdict_reason", _TEXT, "sentence", "Why the outcome is what it is.")
VERIFIER = Column("verifier", _TEXT, "name/version", "The verifier that gave the verdict, with versions.")
VERDICT_COLUMNS = (OUTCOME, ANSWER_FOUND, VERDICT_REASON, VERIFIER)

# The grade.
N_ROLLOUTS = _problem("n_rollouts", pa.int32(), "traces", "Graded first traces of the problem.")
N_CORRECT = _problem("n_correct", pa.int32(), "traces", "How many of those are correct.")
PASS_RATE = _problem("pass_rate", pa.float64(), "share", "n_correct / n_rollouts; null without rollouts.")
PASS_RATE_LOW = _problem("pass_rate_low", pa.float64(), "share", "Lower end of the 95 % Wilson interval.")
PASS_RATE_HIGH = _problem("pass_rate_high", pa.float64(), "share", "Upper end of the 95 % Wilson interval.")
CV = _problem("cv", pa.float64(), "ratio", "Coefficient of variation of the scores, std / mean; null if mean is 0.")
GRADE_COLUMNS = (N_ROLLOUTS, N_CORRECT, PASS_RATE, PASS_RATE_LOW, PASS_RATE_HIGH, CV)

# Duplicates and selection.
MINHASH = Column("minhash", pa.binary(), "uint32 x num_perm", "MinHash signature of the compared text; null if empty.")
DUPLICATE_OF = Column("duplicate_of", _TEXT, "id", "The row that stands for this one; null for one that is kept.")
SIMILARITY = Column("similarity", pa.float64(), "Jaccard", "Exact similarity to `duplicate_of`; null without one.")
REJECTED_BY = Column("rejected_by", _TEXT, "rule", "Name of the first rule that rejected the row; null if selected.")
