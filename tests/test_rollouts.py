"""How problems become prompts: budgets, modes, two phases; and what must be true of the rendered text."""

from types import SimpleNamespace

import numpy as np
import pytest
from transformers import AutoTokenizer

from trainer.errors import TrainError
from trainer.rollouts import BudgetPrompt, Elastic, ModeControlled, Plain
from trainer.rollouts.elastic import end_tag_id, generating, think_phase, two_phases
from trainer.rollouts.mode_controlled import Mode
from trainer.rollouts.prompts import Renderer
from trainer.rollouts.rollout import Opening

ROW = {"problem_id": "p", "prompt": [{"role": "user", "content": "Start with 4."}], "mode": "hard"}
TAGS = {"easy": Mode(tag="[Easy]"), "hard": Mode(tag="[Hard]")}
NONE = np.full(4, np.nan)
EOS, END, NEW = 2, 9, 5


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained("tiny/teacher")


def with_template(tokenizer, template):
    other = AutoTokenizer.from_pretrained("tiny/teacher")
    other.chat_template = template
    return other


def test_a_plain_prompt_is_what_the_template_writes(tokenizer):
    prompt = Renderer(tokenizer).prompt(ROW, Plain().assign(ROW, NONE)[0])
    assert prompt.text == "<|im_start|>user\nStart with 4.<|im_end|>\n<|im_start|>assistant\n" and not prompt.opened


def test_a_budget_stands_behind_the_problem_and_a_rollout_without_one_gets_no_sentence(tokenizer):
    openings = BudgetPrompt().assign(ROW, np.array([64.0, np.nan]))
    texts = [Renderer(tokenizer).prompt(ROW, opening).text for opening in openings]
    assert "Start with 4.\nThink for exactly 64 tokens.<|im_end|>" in texts[0] and "tokens" not in texts[1]


def test_a_budget_in_the_thought_opens_the_thought(tokenizer):
    opening = BudgetPrompt(place="thought").assign(ROW, np.array([64.0]))[0]
    prompt = Renderer(tokenizer).prompt(ROW, opening)
    assert prompt.text.endswith("assistant\n<think>\nI have 64 tokens for thinking about this.\n\n")
    assert prompt.opened == "<think>\nI have 64 tokens for thinking about this.\n\n"


def test_a_template_that_opens_the_thought_itself_is_noticed(tokenizer):
    end = "' }}{% endif"
    opens = tokenizer.chat_template.replace(f"assistant\n{end}", f"assistant\n<think>\n{end}")
    renderer = Renderer(with_template(tokenizer, opens))
    assert renderer.prompt(ROW, Opening()).opened == "<think>\n"
    assert renderer.prompt(ROW, Opening(prefix="Short.", in_thought=True)).text.count("<think>") == 1


def test_a_bos_token_of_the_template_is_not_written_twice(tokenizer):
    class AddsBos(type(tokenizer)):
        bos_token_id = 1

        def __call__(self, text="", **named):
            texts = [text] if isinstance(text, str) else text
            ids = [[1, *super(AddsBos, self).__call__(one, **named)["input_ids"]] for one in texts]
            return {"input_ids": ids[0] if isinstance(text, str) else ids}

    twin = AddsBos.from_pretrained("tiny/teacher", bos_token="<|im_start|>")
    twin.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    assert twin("a")["input_ids"][0] == 1
    prompt = Renderer(twin).prompt(ROW, Opening()).text
    assert prompt.startswith("<|im_start|>user") and "<|im_start|><|im_start|>" not in prompt


def test_a_tokenizer_that_adds_other_tokens_is_refused(tokenizer):
    renderer = Renderer(tokenizer)
    renderer.check(ROW)

    class AddsEnd(type(tokenizer)):
        def __call__(self, text="", **named):
            ids = super().__call__(text, **named)["input_ids"]
            return {"input_ids": ids if named.get("add_special_tokens") is False else [*ids, EOS]}

    with pytest.raises(TrainError, match="adds tokens to a rendered prompt"):
        Renderer(AddsEnd.from_pretrained("tiny/teacher")).check(ROW)


def test_halves_of_a_group_are_told_their_modes():
    openings = ModeControlled(modes=TAGS, assign_by="turns").assign(ROW, NONE)
    assert [opening.prefix for opening in openings] == ["[Easy]", "[Easy]", "[Hard]", "[Hard]"]


def test_a_row_may_name_its_mode():
    assert {opening.mode for opening in ModeControlled(modes=TAGS, assign_by="column").assign(ROW, NONE)} == {"hard"}


def test_a_chosen_mode_is_read_off_the_first_tag():
    policy = ModeControlled(modes=TAGS)
    opening = policy.assign(ROW, NONE)[0]
    texts = ("[Easy] So", "\n[Hard]", "So [Easy]", "")
    assert [policy.mode_of(opening, text) for text in texts] == ["easy", "hard", "", ""]


def test_policies_with_unequal_prompts_say_so():
    assert [p.is_heterogeneous for p in (Plain, Elastic, BudgetPrompt, ModeControlled)] == [False, False, True, True]


def test_a_thought_within_its_limit_stays_as_it_is():
    phase = think_phase([NEW, NEW, END], None, 3, END, [EOS])
    assert (phase.ids, phase.mask, phase.is_over) == ([NEW, NEW, END], [1, 1, 1], False)


def test_a_thought_beyond_its_limit_is_cut_and_closed_without_a_loss_on_the_tag():
    phase = think_phase([NEW] * 5, [-0.5] * 5, 3, END, [EOS])
    assert (phase.ids, phase.mask, phase.logps) == ([NEW] * 3 + [END], [1, 1, 1, 0], [-0.5, -0.5, -0.5, 0.0])


def test_a_turn_that_ends_inside_the_thought_is_over():
    assert think_phase([NEW, EOS], None, 3, END, [EOS]).is_over


def test_an_end_tag_of_several_tokens_is_refused(tokenizer):
    assert end_tag_id(tokenizer, "</think>") == tokenizer.convert_tokens_to_ids("</think>")
    with pytest.raises(TrainError, match="must be one"):
        end_tag_id(tokenizer, "</thought>")


class Scripted:
    """A trainer whose generation answers from a list and notes what it was allowed to do."""

    use_vllm = False
    eos_token_ids = (EOS,)

    def __init__(self, tokenizer, *answers):
        self.processing_class, self.answers, self.calls = tokenizer, list(answers), []
        self.generation_config = SimpleNamespace(max_new_tokens=100, eos_token_id=[EOS])

    def _generate_single_turn(self, prompt_ids, images, fields, num_generations):
        config = self.generation_config
        self.calls.append((config.max_new_tokens, sorted(config.eos_token_id), [len(ids) for ids in prompt_ids]))
        return self.answers.pop(0), None


def test_the_two_phases_have_their_own_limits_and_the_solution_sees_the_closed_thought(tokenizer):
    end = end_tag_id(tokenizer, "</think>")
    trainer = Scripted(tokenizer, [[NEW] * 6, [NEW, end], [NEW, EOS]], [[7, EOS], [8, EOS], [8, 8]])
    out = two_phases(trainer, ["a", "a", "a"], [4, 6, 6], Elastic(think_tokens=6, solution_tokens=3))
    assert out["completion_ids"] == [[NEW] * 4 + [end, 7, EOS], [NEW, end, 8, EOS], [NEW, EOS]]
    assert out["env_mask"] == [[1, 1, 1, 1, 0, 1, 1], [1] * 4, [1, 1]]
    assert out["n_trained"] == [6, 4, 2]
    assert trainer.calls == [(6, sorted([EOS, end]), [1, 1, 1]), (3, [EOS], [6, 3, 3])]
    assert trainer.generation_config.max_new_tokens == 100


def test_a_rollout_function_answers_every_entry_of_the_repeated_prompts_with_one_completion(tokenizer):
    end = end_tag_id(tokenizer, "</think>")
    policy = Elastic(think_tokens=6, solution_tokens=3)
    out = policy.generate(lambda: [np.nan, 2.0])(["a", "a"], Scripted(tokenizer, [[NEW] * 6] * 2, [[7, EOS]] * 2))
    assert [len(ids) for ids in out["completion_ids"]] == [9, 5] and end in out["completion_ids"][1]


def test_vllm_gets_the_limits_in_its_own_way():
    engine = SimpleNamespace(max_completion_length=100, generation_kwargs={"seed": 1})
    trainer = SimpleNamespace(use_vllm=True, eos_token_ids=[EOS], vllm_generation=engine)
    with generating(trainer, 6, [EOS, END]):
        assert engine.max_completion_length == 6
        assert engine.generation_kwargs == {"seed": 1, "stop_token_ids": [EOS, END]}
    assert (engine.max_completion_length, engine.generation_kwargs) == (100, {"seed": 1})
