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
ARRIVAL = _problem("arrival", pa.int64(), "problems", "How many problems of the source stand before it.")

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
VERDICT_ORIGIN = Column("verdict_origin", _TEXT, "Origin", "What the outcome rests on: rule, tests, judge or none.")
SECOND_OPINION = Column(
    "second_opinion",
    _TEXT,
    "Opinion",
    "Whether an independent look agrees or disagrees with the outcome; none if undecided.",
)
VERDICT_COLUMNS = (OUTCOME, ANSWER_FOUND, VERDICT_REASON, VERIFIER, VERDICT_ORIGIN, SECOND_OPINION)

# The judge.
JUDGE_VOTES = Column(
    "judge_votes", _STRINGS, "Votes", "What each vote said: same, different, unclear or unreadable; null if none."
)
JUDGE_AGREEMENT = Column(
    "judge_agreement", pa.float64(), "share", "Share of the votes that say what most say; null if none."
)
JUDGE_COLUMNS = (JUDGE_VOTES, JUDGE_AGREEMENT)

# Tests made by agreement.
TESTS_REASON = _problem("tests_reason", _TEXT, "sentence", "Where the tests come from, or why none could be made.")
TESTS_AGREEMENT = _problem(
    "tests_agreement", pa.float64(), "share", "Programs that agree on the outputs; null if none."
)
N_SYNTHESIZED_TESTS = _problem("n_synthesized_tests", pa.int32(), "tests", "Tests made by agreement; null if none.")
SYNTHESIS_COLUMNS = (TESTS_REASON, TESTS_AGREEMENT, N_SYNTHESIZED_TESTS)

# The grade.
N_ROLLOUTS = _problem("n_rollouts", pa.int32(), "traces", "Graded first traces of the problem.")
N_CORRECT = _problem("n_correct", pa.int32(), "traces", "How many of those are correct.")
PASS_RATE = _problem("pass_rate", pa.float64(), "share", "n_correct / n_rollouts; null without rollouts.")
PASS_RATE_LOW = _problem("pass_rate_low", pa.float64(), "share", "Lower end of the 95 % Wilson interval.")
PASS_RATE_HIGH = _problem("pass_rate_high", pa.float64(), "share", "Upper end of the 95 % Wilson interval.")
CV = _problem("cv", pa.float64(), "ratio", "Coefficient of variation of the scores, std / mean; null if mean is 0.")
GRADE_COLUMNS = (N_ROLLOUTS, N_CORRECT, PASS_RATE, PASS_RATE_LOW, PASS_RATE_HIGH, CV)

# Difficulty. What a judge said describes the problem, or the trace that it was shown (`stages.grade_judge`).
JUDGED_LEVEL = _problem("judged_level", _TEXT, "easy|medium|hard", "The judge's grade; null if it gave none.")
JUDGED_CONFIDENCE = _problem(
    "judged_confidence", pa.float64(), "share", "Probability of that label among the labels; null without scores."
)
JUDGED_LOGPROBS = _problem(
    "judged_logprobs", pa.list_(pa.float64()), "nats", "Log-probability of easy, medium, hard; null without scores."
)
JUDGED_DIFFICULTY = _problem(
    "judged_difficulty", pa.float64(), "0 to 1", "Mean of 0, 1/2, 1 under those probabilities; else that of the label."
)
JUDGED_ON = _problem("judged_on", _TEXT, "problem|trace", "What the judge was shown.")
JUDGED_COLUMNS = (JUDGED_LEVEL, JUDGED_CONFIDENCE, JUDGED_LOGPROBS, JUDGED_DIFFICULTY, JUDGED_ON)
N_CORRECT_TOKENS = _problem(
    "n_correct_reasoning_tokens", pa.float64(), "tokens", "Median or mean reasoning of the correct first traces."
)
LENGTH_QUANTILE = _problem(
    "length_quantile", pa.float64(), "0 to 1", "Mid-rank of that length among the problems; null if none is correct."
)
LENGTH_COLUMNS = (N_CORRECT_TOKENS, LENGTH_QUANTILE)
DIFFICULTY = _problem("difficulty", pa.float64(), "0 to 1", "Weighted mean of the parts that exist; null without any.")
DIFFICULTY_PARTS = _problem("difficulty_parts", _STRINGS, "names", "Parts in `difficulty`: judge, pass_rate, length.")
LEVEL = _problem("level", _TEXT, "easy|medium|hard", "`difficulty` cut into three; null without any part.")
LEVEL_COLUMNS = (DIFFICULTY, DIFFICULTY_PARTS, LEVEL)
GUESSABLE = _problem("guessable", pa.bool_(), "yes or no", "Answered right without reasoning; null if not tried.")
N_GUESSES = _problem("n_guesses", pa.int32(), "guesses", "Answers without reasoning that could be judged.")
N_GUESSES_CORRECT = _problem("n_guesses_correct", pa.int32(), "guesses", "How many of those are correct.")
GUESS_COLUMNS = (GUESSABLE, N_GUESSES, N_GUESSES_CORRECT)

# Adaptive sampling.
N_SAMPLES = _problem("n_samples", pa.int32(), "traces", "Traces sampled for the problem.")
MAX_SAMPLES = _problem("max_samples", pa.int32(), "traces", "Traces that a fixed number of samples would have taken.")
STOPPED_BY = _problem("stopped_by", _TEXT, "interval|short|budget", "The rule that ended the sampling of the problem.")
ADAPTIVE_COLUMNS = (N_SAMPLES, MAX_SAMPLES, STOPPED_BY)

# Shortening. Of Retro-Search, on its own candidates only (`stages.compress_retro_search`).
REWRITER = Column("rewriter", _TEXT, "name", "The model that wrote what is new in this text; null if nothing is.")
N_BOUNDARIES_TRIED = Column(
    "n_boundaries_tried", pa.int32(), "boundaries", "Ends of thoughts from which the reviser was asked to go on."
)
REVISED_AT = Column(
    "revised_at", pa.list_(pa.int32()), "steps", "For each rollout that was accepted, how many steps stand before it."
)
N_STEPS_SAVED = Column("n_steps_saved", pa.int32(), "steps", "Steps of the parent's reasoning less those of this one.")
N_GENERATED_TOKENS = Column(
    "n_generated_tokens", pa.int32(), "tokens", "Generated by the method for this trace, rejected rollouts included."
)
KEYWORD_COUNTS = Column(
    "keyword_counts", _TEXT, "JSON object", "How many steps of the parent each transition keyword opens."
)
ROLLOUT_FAILURES = Column(
    "rollout_failures",
    _TEXT,
    "JSON object",
    "How many rollouts came to nothing, by reason: too long, wrong answer, ...",
)
RETRO_COLUMNS = (
    REWRITER, N_BOUNDARIES_TRIED, REVISED_AT, N_STEPS_SAVED, N_GENERATED_TOKENS, KEYWORD_COUNTS, ROLLOUT_FAILURES,
)  # fmt: skip
STEP_SURPRISAL = Column(
    "step_surprisal", pa.list_(pa.float64()), "nats", "First-token surprisal of each step under the scoring model."
)
SURPRISAL_MODEL = Column("surprisal_model", _TEXT, "name", "Model and revision that gave the surprisal.")
SURPRISAL_COLUMNS = (STEP_SURPRISAL, SURPRISAL_MODEL)
REWRITTEN_AS = Column("rewritten_as", _TEXT, "easy|medium|hard", "Level whose frame the rewrite follows.")
ANCHOR = Column("anchor", _TEXT, "text", "Direct derivation of the answer, the measure for what of a trace matters.")

TOKEN_BUDGET = Column(
    "token_budget", pa.int32(), "tokens", "Reasoning that a control may keep: what another method kept; null if none."
)

# The probe.
PROBE_OUTCOME = Column(
    "probe_outcome", _TEXT, "Outcome", "Verdict on a short answer forced right behind the reasoning; null if not asked."
)
PROBE_OK = Column("probe_ok", pa.bool_(), "yes or no", "Whether that answer is correct; null if not asked or judged.")
PROBE_REASON = Column("probe_reason", _TEXT, "sentence", "Why the probe's outcome is what it is, or why none was made.")
PROBE_COLUMNS = (PROBE_OUTCOME, PROBE_OK, PROBE_REASON)

# The step audit. Steps are those of the reasoning and then those of the response, counted from 0.
_COUNT, _COUNTS = pa.int32(), pa.list_(pa.int32())
N_TRUE_STATEMENTS = Column("n_true_statements", _COUNT, "statements", "Equations and inequalities that hold.")
N_FALSE_STATEMENTS = Column("n_false_statements", _COUNT, "statements", "Those that are asserted and do not hold.")
N_UNREADABLE_STATEMENTS = Column("n_unreadable_statements", _COUNT, "statements", "Those that cannot be decided.")
N_RETRACTED_STATEMENTS = Column(
    "n_retracted_statements", _COUNT, "statements", "Those that do not hold and are posed, tried or taken back."
)
TRUE_BY_STEP = Column("true_by_step", _COUNTS, "statements", "Statements that hold, for each step.")
FALSE_BY_STEP = Column("false_by_step", _COUNTS, "statements", "Asserted statements that do not hold, for each step.")
UNREADABLE_BY_STEP = Column("unreadable_by_step", _COUNTS, "statements", "Undecided statements, for each step.")
FIRST_FALSE_STEP = Column("first_false_step", _COUNT, "step", "First step with a false statement; null if none.")
FALSE_STATEMENTS = Column("false_statements", _STRINGS, "texts", "The first false statements as they stand, shortened.")
AUDITOR = Column("auditor", _TEXT, "name/version", "The audit that counted the statements, with versions.")
AUDIT_COLUMNS = (
    N_TRUE_STATEMENTS, N_FALSE_STATEMENTS, N_UNREADABLE_STATEMENTS, N_RETRACTED_STATEMENTS, TRUE_BY_STEP, FALSE_BY_STEP,
    UNREADABLE_BY_STEP, FIRST_FALSE_STEP, FALSE_STATEMENTS, AUDITOR,
)  # fmt: skip

# Contamination: one entry per benchmark that the problem stands in, in the same order in all four columns.
CONTAMINATED_BY = _problem(
    "contaminated_by", _STRINGS, "benchmark@revision/row", "Benchmark rows that stand in the problem; null if none."
)
CONTAMINATION_RULES = _problem(
    "contamination_rules", _STRINGS, "rules", "What told: same text, 13-gram, 8-gram, fuzzy or embedding."
)
CONTAMINATION_SCORES = _problem(
    "contamination_scores", pa.list_(pa.float64()), "0 to 1", "Share of shared n-grams, similarity or cosine."
)
CONTAMINATED_SPANS = _problem(
    "contaminated_spans", _STRINGS, "texts", "The passage of the problem that matched, as it stands there."
)
CONTAMINATION_COLUMNS = (CONTAMINATED_BY, CONTAMINATION_RULES, CONTAMINATION_SCORES, CONTAMINATED_SPANS)

# Duplicates and selection.
MINHASH = Column("minhash", pa.binary(), "uint32 x num_perm", "MinHash signature of the compared text; null if empty.")
EMBEDDING = Column(
    "embedding", pa.list_(pa.float32()), "unit vector", "Sentence embedding of the compared text; null if it is blank."
)
EMBEDDING_MODEL = Column(
    "embedding_model", _TEXT, "name", "Model and digest that gave the embedding; null without one."
)
DUPLICATE_OF = Column("duplicate_of", _TEXT, "id", "The row that stands for this one; null for one that is kept.")
SIMILARITY = Column(
    "similarity", pa.float64(), "Jaccard or cosine", "Exact similarity to `duplicate_of`; null without one."
)
REJECTED_BY = Column("rejected_by", _TEXT, "rule", "Name of the first rule that rejected the row; null if selected.")

# Rankers across problems.
STABILITY = _problem(
    "stability", _TEXT, "unsolved|unstable|stable|stable_kept", "Whether the problem's scores vary; null if ungraded."
)
SELECT2REASON_SCORE = _problem(
    "select2reason_score", pa.float64(), "0 to 1", "Weighted rank of difficulty and length; null if one is missing."
)
SELECT2REASON_QUANTILE = _problem(
    "select2reason_quantile", pa.float64(), "0 to 1", "Mid-rank of that score among the problems; null without one."
)
LEARNING_ALIGNMENT = _problem(
    "learning_alignment", pa.float64(), "ratio", "How closely the rewards follow the mean curve; null if not logged."
)
REWARD_STD = _problem("reward_std", pa.float64(), "reward", "Deviation of the rewards over the steps; null if none.")

# Rankers within a problem.
FIRST_SOLUTION_STEP = Column(
    "first_solution_step", _COUNT, "step", "First step of the reasoning that states the gold answer; null if none."
)
OVERTHINKING = Column(
    "overthinking", pa.float64(), "0 to 1", "What follows the first solution, and hesitation; null if not correct."
)
FAILED_STEP_FRACTION = Column(
    "failed_step_fraction", pa.float64(), "share", "Steps of abandoned branches among all steps; null without any."
)
FAILED_TOKEN_FRACTION = Column("failed_token_fraction", pa.float64(), "share", "The same share, of tokens.")
FAILED_STEPS = Column("failed_steps", _COUNTS, "steps", "Steps of the reasoning that belong to abandoned branches.")
FAILED_STEPS_REASON = Column("failed_steps_reason", _TEXT, "sentence", "Why there is no fraction; null where there is.")
FAILED_COLUMNS = (FAILED_STEP_FRACTION, FAILED_TOKEN_FRACTION, FAILED_STEPS)

# Teachers. Those of a row are the statistics of the model that wrote its first trace.
PERPLEXITY = Column("perplexity", pa.float64(), "ratio", "exp of the mean negative log-probability of the text.")
PERPLEXITY_MODEL = Column("perplexity_model", _TEXT, "name", "Model and revision that gave the perplexity.")
PERPLEXITY_REASON = Column("perplexity_reason", _TEXT, "sentence", "Why there is no perplexity; null where there is.")
PERPLEXITY_COLUMNS = (PERPLEXITY, PERPLEXITY_MODEL, PERPLEXITY_REASON)
TEACHER_N_TRACES = Column("teacher_n_traces", _COUNT, "traces", "Correct first traces of the teacher that count.")
TEACHER_PERPLEXITY = Column("teacher_perplexity", pa.float64(), "ratio", "Mean perplexity of its traces; null if none.")
TEACHER_TOKENS_MEAN = Column("teacher_tokens_mean", pa.float64(), "tokens", "Mean reasoning length of the teacher.")
TEACHER_TOKENS_P10 = Column("teacher_tokens_p10", pa.float64(), "tokens", "A tenth of its reasonings is shorter.")
TEACHER_TOKENS_P50 = Column("teacher_tokens_p50", pa.float64(), "tokens", "Half of its reasonings is shorter.")
TEACHER_TOKENS_P90 = Column("teacher_tokens_p90", pa.float64(), "tokens", "A tenth of its reasonings is longer.")
TEACHER_LENGTH_SPREAD = Column("teacher_length_spread", pa.float64(), "ratio", "(p90 - p10) / p50 of those lengths.")
TRACE_RANK_SCORE = Column(
    "trace_rank_score", pa.float64(), "deviations", "z of perplexity plus weighted z of length; lower is better."
)
TEACHER_COLUMNS = (
    TEACHER_N_TRACES, TEACHER_PERPLEXITY, TEACHER_TOKENS_MEAN, TEACHER_TOKENS_P10, TEACHER_TOKENS_P50,
    TEACHER_TOKENS_P90, TEACHER_LENGTH_SPREAD, TRACE_RANK_SCORE,
)  # fmt: skip

# Quality signals. Texts are evidence: null where there is nothing to show.
PROBLEM_LANGUAGE = Column("problem_language", _TEXT, "language code", "Language of the problem; 'und' if not known.")
REASONING_LANGUAGE = Column("reasoning_language", _TEXT, "language code", "Language of the reasoning, in that sense.")
FOREIGN_SCRIPT_SHARE = Column(
    "foreign_script_share", pa.float64(), "share", "Letters of reasoning and response in a script the problem lacks."
)
REPEATED_SHARE = Column("repeated_share", pa.float64(), "share", "Share of the text that repeats earlier text of it.")
LONGEST_LOOP_BYTES = Column(
    "longest_loop_bytes", _COUNT, "bytes", "Longest stretch that is one passage over and over, its rounds together."
)
TRUNCATION = Column(
    "truncation", _TEXT, "none|length|no_response|mid_sentence", "How the text was cut off, as far as one can tell."
)
MARKUP_FLAWS = Column("markup_flaws", _TEXT, "names", "What is broken in tags, fences, math, boxes; null if nothing.")
REFUSAL = Column("refusal", _TEXT, "text", "Words by which the answer refuses or abstains; null if it does not.")
REFERENCE_LEAK = Column("reference_leak", _TEXT, "text", "Words that tell of a source of the text; null if none.")
QUALITY_COLUMNS = (
    PROBLEM_LANGUAGE, REASONING_LANGUAGE, FOREIGN_SCRIPT_SHARE, REPEATED_SHARE, LONGEST_LOOP_BYTES, TRUNCATION,
    MARKUP_FLAWS, REFUSAL, REFERENCE_LEAK,
)  # fmt: skip
DANGLING_REFERENCES = Column(
    "dangling_references", _TEXT, "texts", "References whose target only the source trace holds; null if none."
)
N_DANGLING_REFERENCES = Column("n_dangling_references", _COUNT, "references", "How many; null for a first trace.")
STRUCTURE_COLUMNS = (DANGLING_REFERENCES, N_DANGLING_REFERENCES)

# Pairs and modes.
PAIR_FIELDS = (
    Column("pair_kind", _TEXT, "name", "Which rule made the pair: long2short_wrong, redi, step, ..."),
    Column("chosen_id", _TEXT, "trace_id", "The preferred trace; null for a step that stands in no trace."),
    Column("rejected_id", _TEXT, "trace_id", "The trace that loses."),
    Column("prefix", _TEXT, "text", "Assistant text in front of the two steps of a step pair; empty for whole traces."),
    Column("chosen_text", _TEXT, "text", "The preferred step; null where it is the whole trace."),
    Column("rejected_text", _TEXT, "text", "The step that loses; null where it is the whole trace."),
    Column("n_chosen_tokens", _COUNT, "tokens", "Length of the preferred text, thinking and response."),
    Column("n_rejected_tokens", _COUNT, "tokens", "Length of the text that loses."),
)
PAIRS = Column(
    "pairs",
    pa.list_(pa.struct([column.field for column in PAIR_FIELDS])),
    "pairs",
    "Preference pairs of this trace: those that it wins, or those of steps in which its first wrong step loses.",
)
UNPAIRED = _problem("unpaired", _STRINGS, "stage: reason", "Why a `pair_*` stage made no pair; null if each made one.")
PAIR_COLUMNS = (PAIRS, UNPAIRED)
WEIGHT = Column("weight", pa.float64(), "ratio", "Weight in supervised training, negative to unlearn; null if unset.")
LONG_SHORT_GAIN = _problem(
    "long_short_gain", pa.float64(), "ratio", "AdaR1: above 0 where the longer style is worth its length; null if none."
)
PREFERRED_STYLE = _problem("preferred_style", _TEXT, "long|short", "The style that AdaR1 prefers; null without a gain.")
ADAR1_COLUMNS = (LONG_SHORT_GAIN, PREFERRED_STYLE)
MODE = Column("mode", _TEXT, "long|short|easy|hard", "Mode of reasoning that the trace stands for; null if none.")
COUNTERPART = Column(
    "counterpart",
    pa.struct([TRACE_ID.field, REASONING.field, RESPONSE.field]),
    "struct",
    "The trace in the other mode of the same problem; its texts only on the long one. Null without one.",
)
MODE_COLUMNS = (MODE, COUNTERPART)
COMPLETION = Column(
    "completion", _TEXT, "text", "The assistant's whole turn where it is not just thought and response; null if it is."
)
SEGMENTS = Column(
    "segments",
    pa.list_(pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32()), pa.field("kind", _TEXT)])),
    "characters",
    "Spans [start, end) of the assistant's turn; those of kind 'masked' get no loss. Null without any.",
)
REFORMAT_COLUMNS = (MODE, COMPLETION, SEGMENTS)

# The mixture.
STRATUM = Column("stratum", _TEXT, "column=value, ...", "Part of the mixture that the row belongs to.")
POSITION = Column("position", pa.int64(), "place", "Place in the order of training, from 0; null if not selected.")
MIX_REPORT = Column(
    "mix_report", _TEXT, "JSON list", "Asked, available and taken of each stratum; on the table's first row only."
)
MIX_COLUMNS = (STRATUM, POSITION, MIX_REPORT, REJECTED_BY)
