"""transcribe.py turns sound into words with times: nothing lost at the seams, nothing invented in silence."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bigmodel import audio
from bigmodel import transcribe as job
from bigmodel.errors import ConfigError
from bigmodel.transcribe import TranscribeConfig, Word, joined, transcribe
from bigmodel.transcribe.hear import aligned
from bigmodel.transcribe.spell import Alphabet, calibrated, letters, spread, words

LETTERS = "abcdefgh"
FRAME = 320


class Tokenizer:
    """Ids: 0 blank, 1 the word delimiter, then letters."""

    pad_token_id = 0
    word_delimiter_token = "|"
    all_special_ids = (0,)

    def __len__(self) -> int:
        return 2 + len(LETTERS)

    def convert_ids_to_tokens(self, number: int) -> str:
        return ("<pad>", "|", *LETTERS)[number]


class Inputs(dict):
    def to(self, _device: str) -> Inputs:
        return self


class Processor:
    tokenizer = Tokenizer()

    def __call__(self, samples: np.ndarray, **_: object) -> Inputs:
        return Inputs(samples=samples)


class Listener:
    """A "model" that hears letters as loudness: letter k has amplitude (k + 2) / 20, the delimiter 0.03, blank less."""

    config = types.SimpleNamespace(vocab_size=2 + len(LETTERS), inputs_to_logits_ratio=FRAME)

    def __init__(self) -> None:
        self.heard: list[int] = []

    def __call__(self, samples: np.ndarray) -> object:
        import torch

        self.heard.append(len(samples))
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        loud = np.abs(frames).max(axis=1)
        ids = np.where(loud < 0.025, 0, np.where(loud < 0.06, 1, np.rint(loud * 20).astype(int)))
        logits = torch.full((1, len(ids), self.config.vocab_size), -4.0)
        logits[0, torch.arange(len(ids)), torch.from_numpy(ids)] = 4.0
        return types.SimpleNamespace(logits=logits)


def listener() -> types.SimpleNamespace:
    return types.SimpleNamespace(
        name="fake",
        kind="ctc",
        model=Listener(),
        processor=Processor(),
        sample_rate=16_000,
        device="cpu",
        words=None,
        calibration=None,
    )


def spoken(text: str, gap: float = 0.08) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """Sound of a text in the fake language, and when each word is said."""
    parts: list[float] = [0.02] * 10
    times = []
    for word in text.split():
        begin = len(parts)
        for letter in word:
            parts += [(LETTERS.index(letter) + 2) / 20] * 3 + [0.02] * 2
        times.append((word, begin * 0.02, (len(parts) - 2) * 0.02))
        parts += [0.03] * round(gap / 0.02)
    return np.repeat(np.array(parts, np.float32), FRAME), times


def babble(count: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    return " ".join("".join(rng.choice(list(LETTERS), rng.integers(2, 7))) for _ in range(count))


def heard_in(sound: np.ndarray, **settings: float) -> tuple[list[job.Segment], list[Word]]:
    segments = list(transcribe(TranscribeConfig(**settings), (16_000, sound), listener()))  # type: ignore[arg-type]
    return segments, [word for segment in segments for word in segment.words]


@pytest.mark.parametrize("chunk", [3.0, 5.0, 12.0, 28.0])
def test_speech_without_a_pause_is_stitched_without_a_scar(chunk: float) -> None:
    """However long the chunks are, every word comes once, in order, at its own time."""
    text = babble(150)
    sound, times = spoken(text)
    segments, got = heard_in(sound, chunk_seconds=chunk)
    assert [word.text for word in got] == text.split()
    assert len(segments) >= len(sound) / 16_000 / chunk - 1
    for word, (_, start, end) in zip(got, times, strict=True):
        assert word.start == pytest.approx(start, abs=0.021)
        assert word.end == pytest.approx(end, abs=0.021)


def test_times_are_in_order_and_inside() -> None:
    """Every word starts before it ends, after the one before, and within the recording."""
    sound, _ = spoken(babble(80, seed=1))
    segments, got = heard_in(sound, chunk_seconds=4.0)
    assert all(word.start < word.end for word in got)
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(got))
    assert got[0].start >= 0
    assert got[-1].end <= len(sound) / 16_000
    assert all(a.heard < b.heard for a, b in pairwise(segments))
    assert segments[-1].heard == pytest.approx(len(sound) / 16_000)


def test_a_pause_ends_a_segment() -> None:
    """Phrases with half a second between them become segments of their own."""
    phrases = [babble(8, seed=n) for n in range(3)]
    parts = []
    for phrase in phrases:
        parts += [spoken(phrase)[0], np.full(8_000, 0.001, np.float32)]
    segments, _ = heard_in(np.concatenate(parts))
    assert [segment.text for segment in segments if segment.text] == phrases


def test_silence_says_nothing_and_asks_no_model() -> None:
    """Digital silence and a whisper of noise give segments without words; the model is not even called."""
    model = listener()
    noise = np.random.default_rng(0).normal(0, 1e-5, 16_000 * 30).astype(np.float32)
    segments = list(transcribe(TranscribeConfig(), (16_000, noise), model))  # type: ignore[arg-type]
    assert segments
    assert not any(segment.words or segment.text for segment in segments)
    assert segments[-1].heard == 30.0
    assert model.model.heard == []


def test_silence_between_words_keeps_their_times() -> None:
    """Twenty seconds of nothing before a word do not move it."""
    sound, times = spoken("abc")
    _, got = heard_in(np.concatenate([np.zeros(16_000 * 20, np.float32), sound]))
    assert [word.text for word in got] == ["abc"]
    assert got[0].start == pytest.approx(20 + times[0][1], abs=0.021)


def test_segments_come_while_the_rest_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first segment is there before the end of the recording has been read, and little is ever held."""
    sound, _ = spoken(babble(400))
    read = 0

    def blocks(_: object) -> object:
        nonlocal read
        for at in range(0, len(sound), 16_000):
            read += 1
            yield sound[at : at + 16_000]

    monkeypatch.setattr(audio, "blocks", blocks)
    stream = transcribe(TranscribeConfig(chunk_seconds=4.0), (16_000, sound), listener())  # type: ignore[arg-type]
    next(stream)
    assert read <= 6
    for segment in stream:
        assert read <= segment.heard + 8


def test_every_segment_can_draw_the_status_line() -> None:
    """Progress, length, time and speed are in each segment; time the caller takes is not counted."""
    import time

    sound, _ = spoken(babble(60))
    stream = transcribe(TranscribeConfig(chunk_seconds=3.0), (16_000, sound), listener())  # type: ignore[arg-type]
    for _segment in stream:
        time.sleep(0.05)
        last = _segment
    assert last.duration == pytest.approx(len(sound) / 16_000)
    assert last.number > 3
    assert last.seconds < 0.05 * last.number
    assert last.speed == pytest.approx(last.heard / last.seconds)


def test_repeats_need_a_blank_between() -> None:
    """The CTC rule: "aa" is one letter, "a blank a" is two; confidence is the best frame of each."""
    book = Alphabet(("", " ", "a", "b"), 0)
    got = list(letters([2, 2, 0, 2, 1, 3], [0.5, 0.9, 1, 0.8, 1, 0.6], book))
    assert [(letter.text, letter.first, letter.last, letter.probability) for letter in got] == [
        ("a", 0, 1, 0.9),
        ("a", 3, 3, 0.8),
        (" ", 4, 4, 1),
        ("b", 5, 5, 0.6),
    ]
    found = words(got, 10.0, 0.1, 10.6)
    assert [word.text for word in found] == ["aa", "b"]
    assert found[0].start == 10.0
    assert found[0].end == pytest.approx(10.4)
    assert found[0].confidence == pytest.approx((0.9 * 0.8) ** 0.5, abs=1e-3)


def test_chinese_characters_are_words_without_spaces() -> None:
    """A Chinese CTC model gives each character its time, and the line has no spaces."""
    book = Alphabet(("", "你", "好", "a", "b"), 0)
    found = words(letters([1, 2, 0, 3, 4, 0, 1], [0.9] * 7, book), 0.0, 0.1, 1.0)
    assert [word.text for word in found] == ["你", "好", "ab", "你"]
    assert joined(found) == "你好 ab 你"


def test_a_long_gap_ends_a_word() -> None:
    """Letters more than half a second apart are two words, even if the model wrote no space."""
    book = Alphabet(("", " ", "a", "b"), 0)
    near, far = [2, *[0] * 4, 3], [2, *[0] * 6, 3]
    assert [w.text for w in words(letters(near, [1.0] * 6, book), 0, 0.1, 9)] == ["ab"]
    assert [w.text for w in words(letters(far, [1.0] * 8, book), 0, 0.1, 9)] == ["a", "b"]


def test_word_pieces_begin_words_at_their_mark() -> None:
    """A "▁" piece (as SentencePiece writes it) starts a word."""
    book = Alphabet(("", " he", "llo", " you"), 0)
    assert [w.text for w in words(letters([1, 2, 3], [1.0] * 3, book), 0, 0.1, 1)] == ["hello", "you"]


def test_spread_fills_the_span() -> None:
    """Words without times share the span by their length, in order."""
    laid = spread(["a", "bcd"], [0.5, 0.6], 1.0, 2.2)
    assert laid == (Word("a", 1.0, 1.4, 0.5), Word("bcd", 1.4, 2.2, 0.6))


def test_settings_out_of_bounds_are_named() -> None:
    """A chunk of an hour is refused in one sentence with the limits."""
    with pytest.raises(ConfigError, match="28"):
        TranscribeConfig(chunk_seconds=3600.0)


def tiny_wav2vec2(folder: Path) -> Path:
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    vocabulary = {token: i for i, token in enumerate(("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLU"))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    config = Wav2Vec2Config(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def tiny_whisper(folder: Path, heads: list[list[int]] | None = None) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    names = ("endoftext", "startoftranscript", "en", "transcribe", "nospeech", "notimestamps")
    specials = [f"<|{name}|>" for name in names]
    tokenizer = WhisperTokenizer(
        tokenizer_object=bpe, vocab=bpe.get_vocab(), merges=[], additional_special_tokens=specials[1:]
    )
    tokenizer.add_special_tokens({"eos_token": specials[0], "pad_token": specials[0], "bos_token": specials[0]})
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in specials}
    config = WhisperConfig(
        vocab_size=len(tokenizer) + 1501,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_target_positions=40,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config.no_timestamps_token_id = ids["<|notimestamps|>"]
    model.generation_config.max_length = 30
    model.generation_config.alignment_heads = heads
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def tiny_whisper_with_times(folder: Path) -> Path:
    return tiny_whisper(folder, heads=[[0, 0], [0, 1]])


@pytest.mark.parametrize("make", [tiny_wav2vec2, tiny_whisper, tiny_whisper_with_times])
def test_hub_architectures_go_the_whole_way(tmp_path: Path, make: object) -> None:
    """A wav2vec2 and a Whisper of random weights are loaded from a folder and give words in order, inside the file."""
    import torch

    from bigmodel.checkpoints import load_speech

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        folder = make(tmp_path)  # type: ignore[operator]
    model = load_speech(str(folder))
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000 * 5).astype(np.float32)
    segments = list(transcribe(TranscribeConfig(chunk_seconds=3.0), (16_000, sound), model))
    got = [word for segment in segments for word in segment.words]
    assert segments[-1].heard == 5.0
    assert all(0 <= word.start < word.end <= 5.0 for word in got)
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(got))
    assert all(0 <= word.confidence <= 1 for word in got)


def test_importing_transcribe_loads_nothing_heavy() -> None:
    """The page and the command line can read the settings without waiting for torch."""
    code = "import sys, bigmodel.transcribe; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_word_list_changes_words_and_keeps_times() -> None:
    """With a list that knows other words, what is unsure is read as one of them; the times are those of the sound."""
    from bigmodel.lexicon import Lexicon

    sound, times = spoken("bad cab")
    model = listener()
    model.words = Lexicon.learn(["bad cab"] * 9)
    (segment,) = transcribe(TranscribeConfig(word_list=1.0), (16_000, sound), model)
    assert segment.text == "bad cab"
    for word, (_, start, end) in zip(segment.words, times, strict=True):
        assert word.start == pytest.approx(start, abs=0.021)
        assert word.end == pytest.approx(end, abs=0.021)


def test_a_text_is_aligned_with_its_frames() -> None:
    """Forced alignment gives the text asked for, in order, each token where it is likeliest; no text is all blank."""
    frames = np.log(np.full((6, 3), 0.1, np.float32))
    for frame, token in enumerate((0, 1, 1, 0, 2, 0)):
        frames[frame, token] = np.log(0.8)
    assert aligned(frames, (1, 2), 0)[0] == [0, 1, 1, 0, 2, 0]
    ids, chances = aligned(frames, (2,), 0)
    assert [token for token in ids if token] == [2]
    assert max(chances) == pytest.approx(0.8, abs=1e-5)
    assert aligned(frames, (), 0)[0] == [0] * 6


def test_calibration_keeps_the_order_and_moves_the_level() -> None:
    """Slope 1 and offset 0 change nothing; a negative offset makes every word less sure; the order stays."""
    found = tuple(Word("x", n, n + 1, chance) for n, chance in enumerate((0.2, 0.5, 0.9, 1.0)))
    same = [word.confidence for word in calibrated(found, 1.0, 0.0)]
    assert same == pytest.approx([0.2, 0.5, 0.9, 0.9999], abs=1e-4)
    lower = [word.confidence for word in calibrated(found, 0.7, -1.0)]
    assert lower == sorted(lower)
    assert all(a < b for a, b in zip(lower, same, strict=True))
