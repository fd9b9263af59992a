"""The loop: the same text as transformers, the same seed the same text, whole characters, and an end that is said."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest
import torch

from bigmodel import checkpoints
from bigmodel.config import limits_of
from bigmodel.errors import ConfigError, ModelError
from bigmodel.generate import GenerateConfig, count_tokens, generate
from bigmodel.generate import forward as forwards
from bigmodel.generate.text import Writer, shown
from tests import hub
from tests.unit.fakes import fake, reciting

GREEDY = {"temperature": 0.0, "repetition_penalty": 1.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny GPT-2 with random weights, context 64."""
    return checkpoints.load_text(str(hub.make_text(tmp_path_factory.mktemp("tiny"))))


@pytest.fixture(scope="module")
def llama(model):
    """Another architecture, with rotary positions and grouped heads, on the same tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(model.tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dataclasses.replace(model, name="llama", model=LlamaForCausalLM(config).eval())


def ids_of(pieces) -> list[int]:
    return [piece.token_id for piece in pieces if piece.number]


def text_of(pieces) -> str:
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("which", ["model", "llama"])
def test_greedy_is_what_transformers_generates(which, request):
    """Token for token, on our own forward and on the library's."""
    chosen = request.getfixturevalue(which)
    prompt = chosen.tokenizer("I love the", return_tensors="pt")["input_ids"]
    theirs = chosen.model.generate(prompt, do_sample=False, max_new_tokens=40, pad_token_id=0)[0, prompt.shape[1] :]
    ours = ids_of(generate(GenerateConfig(max_new_tokens=40, **GREEDY), "I love the", chosen))
    assert ours == theirs.tolist()[: len(ours)]
    assert len(ours) > 5


def test_greedy_with_a_penalty_is_what_transformers_generates(model):
    """The penalty counts prompt and continuation, as there."""
    prompt = model.tokenizer("I love the", return_tensors="pt")["input_ids"]
    theirs = model.model.generate(prompt, do_sample=False, repetition_penalty=1.4, max_new_tokens=30, pad_token_id=0)[
        0, prompt.shape[1] :
    ]
    config = GenerateConfig(max_new_tokens=30, temperature=0.0, repetition_penalty=1.4)
    ours = ids_of(generate(config, "I love the", model))
    assert ours == theirs.tolist()[: len(ours)]


def test_the_penalty_counts_the_prompt_too():
    """The likeliest token stands in the prompt: with a penalty another one wins, without it does not."""
    (said,) = hub.make_tokenizer()("I")["input_ids"]

    def speak(ids: list[int]) -> torch.Tensor:
        return torch.zeros(300).index_fill(0, torch.tensor([said]), 3.0).index_fill(0, torch.tensor([7]), 2.0)

    def first(penalty: float) -> int:
        config = GenerateConfig(max_new_tokens=1, temperature=0.0, repetition_penalty=penalty)
        return next(generate(config, "I", fake(speak))).token_id

    assert (first(1.0), first(2.0)) == (said, 7)


@pytest.mark.parametrize("parts", [[20], [7, 1, 12], [1] * 20])
def test_our_forward_is_the_librarys_to_rounding(model, parts):
    """However the tokens are sliced, the logits are those of GPT2LMHeadModel."""
    ids = torch.randint(0, 250, (20,), generator=torch.Generator().manual_seed(1))
    assert forwards.is_plain_gpt2(model.model)
    with torch.inference_mode():
        read = forwards.Gpt2Reader(model.model, 20)
        for part in ids.split(parts):
            logits = read(part)
        expected = model.model(ids[None]).logits[0, -1]
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-5)


def test_a_gpt2_with_an_option_turned_takes_the_librarys_forward(tmp_path):
    """Our forward is for the plain architecture only."""
    from transformers import GPT2Config, GPT2LMHeadModel

    small = {"vocab_size": 50, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    for option in ({"activation_function": "relu"}, {"scale_attn_by_inverse_layer_idx": True}):
        assert not forwards.is_plain_gpt2(GPT2LMHeadModel(GPT2Config(**small, **option)))
    assert forwards.is_plain_gpt2(GPT2LMHeadModel(GPT2Config(**small)))


def test_the_same_seed_gives_the_same_text_with_another_run_in_between(model):
    """Two runs that take turns write what each writes alone."""
    one, two = GenerateConfig(max_new_tokens=25, seed=7), GenerateConfig(max_new_tokens=25, seed=8)
    alone = ids_of(generate(one, "I love", model)), ids_of(generate(two, "the cat", model))
    turns = list(zip(generate(one, "I love", model), generate(two, "the cat", model), strict=False))
    torch.rand(5)
    n = len(turns)
    assert ids_of(a for a, _ in turns) == alone[0][:n]
    assert ids_of(b for _, b in turns) == alone[1][:n]
    assert alone[0] != alone[1]


def test_a_seed_that_was_picked_is_told_and_brings_the_text_back(model):
    """-1 picks one; with that one the text is the same."""
    first = list(generate(GenerateConfig(max_new_tokens=12), "I love", model))
    again = list(generate(GenerateConfig(max_new_tokens=12, seed=first[0].seed), "I love", model))
    other = list(generate(GenerateConfig(max_new_tokens=12), "I love", model))
    assert ids_of(first) == ids_of(again)
    assert other[0].seed != first[0].seed


def test_the_global_random_numbers_are_left_alone(model):
    """Generating moves no generator but its own."""
    before = torch.get_rng_state()
    list(generate(GenerateConfig(max_new_tokens=5), "I", model))
    assert torch.equal(before, torch.get_rng_state())


def test_closing_early_makes_no_further_forward():
    """Three pieces take two forwards after the prompt's; closing adds none."""
    speaker = fake(lambda ids: torch.arange(300.0))
    pieces = generate(GenerateConfig(max_new_tokens=50), "I", speaker)
    for _ in range(3):
        next(pieces)
    assert speaker.model.forwards == 3
    pieces.close()
    assert speaker.model.forwards == 3


def test_nothing_is_left_switched_between_two_pieces(model):
    """Grad mode, inference mode and threads are as before while the caller has the piece."""
    threads = torch.get_num_threads()
    for _ in generate(GenerateConfig(max_new_tokens=3), "I", model):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == threads


@pytest.mark.parametrize("text", [" love the sea", "你好，世界", "a 🌊👩‍👩‍👧 b", "né"])
def test_a_character_comes_whole_or_not_at_all(text):
    """Characters of several tokens wait for their last; the pieces add up to the text."""
    pieces = list(generate(GenerateConfig(**GREEDY), "I", reciting(text)))
    assert text_of(pieces) == text
    assert not any("\ufffd" in piece.text for piece in pieces)
    assert pieces[-1].finish == "end"
    assert pieces[-1].text == ""


def test_a_character_cut_by_the_length_is_left_out():
    """Five tokens of six bytes: one character is shown, the half one is not."""
    pieces = list(generate(GenerateConfig(max_new_tokens=5, **GREEDY), "I", reciting("你好")))
    assert text_of(pieces) == "你"
    assert pieces[-1].finish == "length"


def test_bytes_that_are_no_text_do_not_stop_the_text():
    """After stray continuation bytes the next words still come."""
    tokenizer = hub.make_tokenizer()
    stray = tokenizer("你")["input_ids"][1]
    script = [stray] * 12 + tokenizer(" the sea")["input_ids"]

    def speak(ids: list[int]) -> torch.Tensor:
        logits = torch.zeros(len(tokenizer))
        logits[script[len(ids) - 1]] = 50.0
        return logits

    pieces = list(generate(GenerateConfig(max_new_tokens=len(script), **GREEDY), "I", fake(speak)))
    assert text_of(pieces).endswith(" the sea")


def test_a_space_before_the_first_word_is_kept():
    """Vocabularies that drop the space at a text's start know from the prompt that this is not the start."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"\u2581I": 0, "\u2581love": 1}, unk_token="\u2581I"))
    raw.decoder = decoders.Metaspace()
    writer = Writer(PreTrainedTokenizerFast(tokenizer_object=raw), [0])
    assert writer.add(1) + writer.add(0) == " love I"


def test_a_tokenizer_that_cannot_write_token_by_token_is_refused():
    """One written in Python only has no stream; a sentence says so."""
    with pytest.raises(ModelError, match="token by token"):
        Writer(object(), [0])


def test_a_token_is_shown_as_text_bytes_or_name():
    """A part of a character is shown by its bytes, a special token by its name."""
    tokenizer = hub.make_tokenizer()
    assert [shown(i, tokenizer) for i in tokenizer("你")["input_ids"]] == ["<E4>", "<BD>", "<A0>"]
    assert shown(tokenizer("I love")["input_ids"][-1], tokenizer) == " love"
    assert shown(tokenizer.eos_token_id, tokenizer) == "<|endoftext|>"


def test_the_window_of_the_model_ends_the_text(model):
    """With 60 of 64 places taken, five more tokens can be drawn, and the last piece says why it is the last."""
    prompt = "I" * 60
    assert count_tokens(prompt, model) == 60
    never_ends = dataclasses.replace(model, model=_without_end(model.model))
    pieces = list(generate(GenerateConfig(max_new_tokens=50, seed=0), prompt, never_ends))
    assert [p.finish for p in pieces[-2:]] == [None, "context"]
    assert pieces[-1].number == pieces[-1].of == 5


def _without_end(inner):
    class Endless(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.config, self.device = inner, inner.config, inner.device

        def forward(self, input_ids, past_key_values, use_cache):
            out = self.inner(input_ids, past_key_values=past_key_values, use_cache=use_cache)
            out.logits[..., self.config.eos_token_id] = -100.0
            return out

    return Endless()


def test_a_prompt_longer_than_the_window_is_refused_with_numbers(model):
    """What came, what is allowed, by how much to shorten: 70, 64, 6."""
    with pytest.raises(ConfigError, match=r"70 tokens.* 64 at most.* 6 tokens"):
        next(generate(GenerateConfig(), "I" * 70, model))


def test_a_huge_prompt_is_refused_at_once(model):
    """Megabytes are not tokenized to the end just to be refused."""
    with pytest.raises(ConfigError, match="5000000 tokens"):
        next(generate(GenerateConfig(), "I" * 5_000_000, model))


def test_an_empty_prompt_starts_a_text(model):
    """From the token that starts texts; half a surrogate pair is no reason to fail either."""
    assert next(generate(GenerateConfig(max_new_tokens=2), "", model)).prompt_tokens == 1
    assert next(generate(GenerateConfig(max_new_tokens=2), "\ud83d", model)).number == 1


def test_an_empty_prompt_without_a_starting_token_is_refused(llama):
    """A model that knows no start cannot begin from nothing."""
    tokenizer = hub.make_tokenizer()
    tokenizer.bos_token = tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="at least one word"):
        next(generate(GenerateConfig(), "", dataclasses.replace(llama, tokenizer=tokenizer)))


def test_a_long_prompt_is_read_in_slices_with_news_between(model, monkeypatch):
    """Each slice is an event of its own, and the text is what reading at once gives."""
    config = GenerateConfig(max_new_tokens=8, **GREEDY)
    at_once = ids_of(generate(config, "I" * 50, model))
    monkeypatch.setattr(forwards, "_SLICE", 16 * forwards.parameters(model.model))
    pieces = list(generate(config, "I" * 50, model))
    assert [p.read for p in pieces if p.number == 0] == [16, 32, 48]
    assert ids_of(pieces) == at_once


def test_broken_weights_are_an_error_with_a_sentence():
    """NaN logits are told, not drawn from."""
    with pytest.raises(ModelError, match="not a number"):
        next(generate(GenerateConfig(), "I", fake(lambda ids: torch.full((300,), float("nan")))))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": 1025},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 1.1},
        {"repetition_penalty": 0.0},
        {"seed": -2},
    ],
    ids=str,
)
def test_settings_out_of_bounds_are_refused(wrong):
    """Zero tokens, a negative temperature and the like: one sentence that names the limits."""
    ((name, _),) = wrong.items()
    with pytest.raises(ConfigError, match=re.escape(f"and {limits_of(GenerateConfig, name).high:g}.")):
        GenerateConfig(**wrong)


def test_a_piece_tells_speed_and_place(model):
    """Numbers count up, time never goes back, candidates are sorted, the drawn token's probability is among them."""
    pieces = list(generate(GenerateConfig(max_new_tokens=10, seed=3, top_k=5), "I love", model))
    assert [p.number for p in pieces] == list(range(1, len(pieces) + 1))
    assert [p.seconds for p in pieces] == sorted(p.seconds for p in pieces)
    assert all(p.tokens_per_second > 0 and p.context == 64 for p in pieces)
    for piece in pieces:
        likely = [one.probability for one in piece.candidates]
        assert likely == sorted(likely, reverse=True)
        drawn = next(one for one in piece.candidates if one.token_id == piece.token_id)
        assert (piece.probability, piece.after) == (pytest.approx(drawn.probability), drawn.after)
        assert piece.rank == 1 + piece.candidates.index(drawn)


def test_importing_generate_loads_neither_torch_nor_transformers():
    """Settings and events are needed before the first press; torch is not."""
    code = "import sys, bigmodel.generate; print({'torch', 'transformers', 'gradio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
