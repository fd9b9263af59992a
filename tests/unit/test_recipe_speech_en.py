"""The speech recipe on a miniature: it learns, keeps, resumes, saves; and the model that ships hears its example."""

from __future__ import annotations

import csv
import itertools
import multiprocessing
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bigmodel.errors import DataError, ModelError
from bigmodel.recipes import speech_en
from bigmodel.recipes.speech_en import (
    Batches,
    SpeechEnConfig,
    measure,
    network,
    phonemes,
    pieces,
    replicas,
    scores,
    sounds,
    voices,
    words,
)

SHIPPED = Path(speech_en.__file__).parents[2] / "pretrained" / "speech-en"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips: three corpora, two speakers each, a tone per word."""
    import soundfile

    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    with (folder / "index.tsv").open("w", newline="") as out:
        rows = csv.writer(out, delimiter="\t")
        rows.writerow(("path", "corpus", "speaker", "seconds", "text"))
        for number, (corpus, voice) in enumerate(itertools.product(("an4", "fsdd", "speechocean762"), "aabb")):
            rate, seconds = (8_000 if corpus == "fsdd" else 16_000), 0.6 + 0.1 * number
            wave = np.sin(np.arange(int(seconds * rate)) * (0.1 + 0.01 * number)) * 0.3
            soundfile.write(folder / f"{number}.wav", wave + rng.normal(0, 0.01, len(wave)), rate)
            rows.writerow(
                (f"{number}.wav", corpus, f"{corpus}-{voice}", f"{seconds:.2f}", ("YES", "NO IT'S")[number % 2])
            )
    return folder


def settings(data: Path, folder: Path, **others: object) -> SpeechEnConfig:
    small = {"layers": 1, "width": 16, "heads": 2, "batch_seconds": 4.0, "threads": 1, "steps": 4, "synthetic": 0}
    places = {"data": str(data), "out": str(folder / "model"), "checkpoints": str(folder / "kept")}
    return SpeechEnConfig(**{**small, **places, **others})  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model" / "model.safetensors")


def test_it_trains_saves_measures_and_writes_its_card(data: Path, tmp_path: Path) -> None:
    """A run of four steps ends with a model that transformers loads, error rates by corpus, samples and a card."""
    from transformers import AutoModelForCTC, AutoProcessor

    events = list(speech_en.cook(settings(data, tmp_path)))
    steps = [event for event in events if isinstance(event, speech_en.Step)]
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert all(np.isfinite(step.loss) for step in steps)
    checked = next(event for event in events if isinstance(event, speech_en.Checked))
    assert [score.corpus for score in checked.scores] == ["an4", "fsdd", "speechocean762"]
    assert sum(isinstance(event, speech_en.Sample) for event in events) == 6
    model = AutoModelForCTC.from_pretrained(tmp_path / "model", local_files_only=True)
    processor = AutoProcessor.from_pretrained(tmp_path / "model", local_files_only=True)
    logits = model(**processor(np.zeros(16_000, np.float32), sampling_rate=16_000)).logits
    assert logits.shape == (1, 26, 29)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "CC BY-SA 4.0" in card
    assert re.search(r"\n\| 1 \| \S.*? \| 4 \| \d+ hours of speech \| .* on 1 CPU thread \| ", card)
    assert "{" not in card
    assert {path.name for path in (tmp_path / "model").iterdir()} >= {"words.safetensors", "calibration.json"}
    assert [event.corpus for event in checked.listed] == ["an4", "fsdd", "speechocean762"]


def test_a_card_is_made_again_from_the_saved_model_alone(data: Path, tmp_path: Path) -> None:
    """--evaluate needs no checkpoint: it measures the folder and writes the same card, with the training's story."""
    list(speech_en.cook(settings(data, tmp_path, steps=1)))
    card = tmp_path / "model" / "README.md"
    said = card.read_text()
    card.unlink()
    shutil.rmtree(tmp_path / "kept")
    events = list(speech_en.evaluate(settings(data, tmp_path)))
    assert card.read_text() == said
    assert any(isinstance(event, speech_en.Calibrated) for event in events)


def test_a_stopped_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    """Stopped after two steps and called again, it ends with the weights of a run that was never stopped."""
    for _ in speech_en.cook(settings(data, tmp_path / "whole")):
        pass
    first = speech_en.cook(settings(data, tmp_path / "twice"))
    for event in first:
        if isinstance(event, speech_en.Step) and event.step == 2:
            break
    first.close()
    again = [e for e in speech_en.cook(settings(data, tmp_path / "twice")) if isinstance(e, speech_en.Step)]
    assert [step.step for step in again] == [3, 4]
    whole, twice = weights(tmp_path / "whole"), weights(tmp_path / "twice")
    assert whole.keys() == twice.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(value, twice[name], err_msg=name)


def test_several_processes_take_the_step_of_one_that_does_all(data: Path, tmp_path: Path) -> None:
    """With a replica, the gradients are those that one process finds by going through both batches itself; and after a
    step it sees the new parameters."""
    import torch

    config = settings(data, tmp_path, replicas=1)
    clips, fresh = list(sounds.read_clips(str(data))), partial(speech_en._model, config, 0)
    gradients = partial(speech_en._gradients, config, network.processor().feature_extractor)
    batches, alone_, together = Batches(config, clips, {}), fresh(), fresh()
    with replicas.replicas(1, together, fresh, gradients, 1) as others:
        for step in range(2):
            shares = batches.of_step(step)
            assert len(shares) == 2
            mine = sum(gradients(alone_, share) for share in shares) / 2
            assert replicas.averaged(together, gradients, shares, others) == pytest.approx(mine, rel=1e-5)
            for parameter in alone_.parameters():
                parameter.grad /= 2
            torch.nn.utils.clip_grad_norm_(alone_.parameters(), replicas.LONGEST)
            for one, other in zip(alone_.parameters(), together.parameters(), strict=True):
                torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)
                with torch.no_grad():
                    for parameter in (one, other):
                        parameter -= 0.1 * one.grad
                one.grad = other.grad = None


def test_a_recipe_with_replicas_ends_with_a_model(data: Path, tmp_path: Path) -> None:
    """The whole way with a second process: twice as much is heard in a step, and the process is gone afterwards."""
    heard = {}
    for count in (0, 1):
        events = speech_en.cook(settings(data, tmp_path / str(count), replicas=count, steps=2))
        heard[count] = [event.hours_heard for event in events if isinstance(event, speech_en.Step)][-1]
    assert heard[1] > 1.5 * heard[0]
    assert "on 2 CPU threads" in (tmp_path / "1" / "model" / "README.md").read_text()
    assert not multiprocessing.active_children()


def test_a_replica_that_dies_is_told(data: Path, tmp_path: Path) -> None:
    """Killed in the middle of a training, a second process ends it with one sentence, and what was learnt is kept."""
    config = settings(data, tmp_path, replicas=1)
    cooking = speech_en.cook(config)
    assert any(isinstance(event, speech_en.Step) for event in cooking)  # the first step has been taken
    (process,) = multiprocessing.active_children()
    process.kill()
    process.join()
    with pytest.raises(ModelError, match="--replicas"):
        next(cooking)
    assert (Path(config.checkpoints) / "state.safetensors").is_file()


def test_another_seed_gives_other_weights(data: Path, tmp_path: Path) -> None:
    """The seed decides."""
    for seed in (1, 2):
        for _ in speech_en.cook(settings(data, tmp_path / str(seed), seed=seed, steps=1)):
            pass
    one, two = weights(tmp_path / "1"), weights(tmp_path / "2")
    assert any(not np.array_equal(one[name], two[name]) for name in one)


def test_held_out_voices_are_never_learnt_from(data: Path) -> None:
    """One voice of each corpus is kept away, the same every time, and one is left to learn from."""
    clips = list(sounds.read_clips(str(data)))
    away = sounds.held_out(clips)
    assert away == sounds.held_out(clips[::-1])
    for corpus in ("an4", "fsdd", "speechocean762"):
        assert len([name for name in away if name.startswith(corpus)]) == 1


def test_a_batch_depends_on_seed_and_step_alone(data: Path, tmp_path: Path) -> None:
    """Asked for step 60 at once, a new plan gives what one gives that went through all the steps before."""
    config, clips = settings(data, tmp_path), list(sounds.read_clips(str(data)))
    walked = Batches(config, clips, {})
    for step in range(60):
        walked.make(step)
    one, two = walked.make(60), Batches(config, clips, {}).make(60)
    assert one.texts == two.texts
    assert not one.easy
    for a, b in zip(one.waves, two.waves, strict=True):
        np.testing.assert_array_equal(a, b)


def test_everything_is_heard_in_an_epoch_and_noise_says_nothing(data: Path) -> None:
    """A corpus is heard as often as it weighs, no clip much more than another; noise alone has an empty text."""
    clips = list(sounds.read_clips(str(data)))
    rng = np.random.default_rng(0)
    items = [item for batch in sounds.plan(clips, rng, 6.0) for item in batch]
    counts = np.bincount([i for item in items for i in item.clips], minlength=len(clips))
    for corpus in {clip.corpus for clip in clips}:
        own = np.array([n for n, clip in zip(counts, clips, strict=True) if clip.corpus == corpus])
        assert own.sum() == round(sounds.WEIGHTS[corpus] * len(own))
        assert own.max() - own.min() <= 1
    empty = next(item for item in items if not item.clips)
    wave, text = sounds.make([], empty.seconds, rng)
    assert text == ""
    assert np.abs(wave).max() > 0
    joined = next(item for item in items if len(item.clips) > 1)
    said = [clips[i] for i in joined.clips]
    assert sounds.make(said, joined.seconds, rng)[1].split() == " ".join(clip.text for clip in said).split()


def test_letters_go_to_ids_and_back() -> None:
    """Our greedy rule, the shipped tokenizer and transformers' processor agree on ids and text."""
    processor = network.processor()
    ids = network.encode("It's OK")
    assert ids == processor.tokenizer("It's OK").input_ids
    path = [0, *(i for letter in ids for i in (letter, letter, 0))]
    assert network.greedy(path) == processor.decode(path) == "it's ok"
    assert network.greedy([8, 8, 0, 8]) == "ff"


@pytest.mark.parametrize(
    ("said", "heard", "errors"), [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a", "b c", 2), ("a b", "", 2)]
)
def test_word_errors_are_counted(said: str, heard: str, errors: int) -> None:
    """Insertions, deletions and replacements count one each."""
    assert scores.distance(said.split(), heard.split()) == errors


@pytest.mark.parametrize(
    ("said", "heard", "flags"),
    [
        ("a b c", "a b c", [True, True, True]),
        ("a b c", "a x c", [True, False, True]),
        ("a b c", "b c", [True, True]),
        ("a", "x a y", [False, True, False]),
        ("", "x", [False]),
        ("a", "", []),
    ],
)
def test_right_words_are_known_by_their_place(said: str, heard: str, flags: list[bool]) -> None:
    """A heard word is right if it stands where it was said, whatever is missing or added around it."""
    assert scores.right(said.split(), heard.split()) == flags


def test_calibration_is_fitted_and_judged_on_different_speakers() -> None:
    """A model that is surer than it is right gets a map that mends it, on speakers that the fit has not seen."""
    from bigmodel.transcribe import Word

    rng = np.random.default_rng(0)
    clips, found = [], []
    for number in range(600):
        sure = float(rng.uniform(0.6, 0.99))
        correct = rng.random() < sure - 0.3
        clips.append(sounds.Clip("c", f"s{number % 10}", "yes", np.zeros(1, np.int16)))
        found.append((Word("yes" if correct else "no", 0.0, 1.0, sure),))
    calibrated = measure.calibrate(clips, found, seed=0)
    assert calibrated.words == 300
    assert calibrated.before > 0.25
    assert calibrated.after < 0.1
    assert sum(count for _, _, count in calibrated.table) == 300


def test_the_word_list_learns_from_clips_commands_and_stories(tmp_path: Path) -> None:
    """Words of all three are in it; long sentences and other files are left alone; no folder is no stories."""
    import gzip

    story = "The little dragon said: “Come with me!” " + "word " * 40
    (tmp_path / "tinystories.txt.gz").write_bytes(gzip.compress(story.encode()))
    told = words.stories(str(tmp_path))
    assert told == ["the little dragon said", "come with me"]
    assert words.stories("") == []
    clips = [sounds.Clip("speechocean762", "s", "tina likes tea", np.zeros(1, np.int16))]
    lexicon = words.word_list(clips, told, seed=1)
    assert {"tina", "dragon", "rubout", "seven"} <= set(lexicon.words)
    many = ["this is a line", "here is one more", "and one is here", "that was the last"]
    aloud = words.to_read(clips, [*told, *many], seed=1)
    assert aloud[0] == "tina likes tea"
    assert len(aloud) == 4
    assert len(set(aloud) & {*told, *many}) == 3  # three of other texts for one of the clips


def test_intervals_hold_the_rate() -> None:
    """The rate is errors over words, and lies inside its interval."""
    clips = [sounds.Clip("c", "s", "a b c d", np.zeros(1, np.int16))] * 30
    score = scores.score(clips, ["a b c d"] * 20 + ["a b c x"] * 10)[0]
    assert score.wer == pytest.approx(10 / 120, abs=1e-4)
    assert score.wer_low < score.wer < score.wer_high


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    """The wrong folder gives one sentence that says what is missing."""
    with pytest.raises(DataError, match=r"index\.tsv"):
        next(speech_en.cook(settings(tmp_path, tmp_path)))


def test_the_settings_load_nothing_heavy() -> None:
    """The command line can list the options without waiting for torch."""
    code = "import sys, bigmodel.recipes.speech_en; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_shipped_file_is_small() -> None:
    """No file is over 10 MB, weights are safetensors, and the card is there."""
    files = [path for path in SHIPPED.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"README.md", "model.safetensors", "config.json", "example.flac"}
    assert all(path.stat().st_size < 10_000_000 for path in files)
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl")]


def test_the_shipped_model_hears_the_example() -> None:
    """The example recording, of a voice that was never heard in training, is transcribed word for word."""
    from bigmodel.checkpoints import load_speech
    from bigmodel.transcribe import TranscribeConfig, transcribe

    segments = list(transcribe(TranscribeConfig(), SHIPPED / "example.flac", load_speech(str(SHIPPED))))
    assert " ".join(segment.text for segment in segments if segment.text) == measure.EXAMPLE


def test_the_shipped_model_is_silent_in_silence() -> None:
    """Faint noise, loud enough to reach the model, is not taken for words."""
    from bigmodel.checkpoints import load_speech
    from bigmodel.transcribe import TranscribeConfig, transcribe

    noise = np.random.default_rng(0).normal(0, 0.003, 16_000 * 6).astype(np.float32)
    segments = list(transcribe(TranscribeConfig(), (16_000, noise), load_speech(str(SHIPPED))))
    assert not any(segment.text for segment in segments)


def test_the_next_edition_begins_where_the_last_ended(data: Path, tmp_path: Path) -> None:
    """--start takes the weights over and leaves the easy epochs out; a folder without a model is one sentence."""
    list(speech_en.cook(settings(data, tmp_path / "one", steps=1)))
    start = str(tmp_path / "one" / "model")
    list(speech_en.cook(settings(data, tmp_path / "two", steps=1, rate=1e-6, start=start)))
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(np.allclose(one[name], two[name], atol=1e-2) for name in one if name.endswith("weight"))
    assert not Batches(settings(data, tmp_path, start=start), list(sounds.read_clips(str(data))), {}).make(0).easy
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        list(speech_en.cook(settings(data, tmp_path / "three", start=str(tmp_path))))


def test_synthetic_lines_say_what_is_written() -> None:
    """Numbers are spoken in words, letters are spelt, and every line can be written with the model's letters."""
    assert [voices.number(n) for n in (0, 15, 40, 99, 100, 142)] == [
        "zero", "fifteen", "forty", "ninety nine", "one hundred", "one hundred forty two",
    ]  # fmt: skip
    assert voices.sounded("enter b a nine") == "enter B. a nine"
    rng = np.random.default_rng(0)
    lines = [voices.made_up(rng) for _ in range(300)]
    assert all(set(line) <= set(network.LETTERS) for line in lines)
    assert len(set(lines)) > 150


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="eSpeak NG is not installed")
def test_synthetic_voices_speak() -> None:
    """The same seed gives the same clips, of several voices, with sound in them."""
    one, two = (list(voices.speak(6, ["the dog ran home"], seed=3)) for _ in range(2))
    assert [(clip.speaker, clip.text) for clip in one] == [(clip.speaker, clip.text) for clip in two]
    assert len({clip.speaker for clip in one}) > 2
    assert all(np.abs(clip.samples).max() > 1000 for clip in one)


def test_without_a_program_no_line_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is installed that speaks, the recipe goes on with human speech alone."""
    monkeypatch.setattr(voices.shutil, "which", lambda name: None)
    assert list(voices.speak(5, ["hello"], seed=1)) == []


def test_digits_are_cut_where_they_stand() -> None:
    """Of a recording of the shipped model's own kind, each digit comes out with its own sound, between the pauses."""
    import soundfile

    samples, _ = soundfile.read(SHIPPED / "example.flac", dtype="int16")
    clip = sounds.Clip("an4", "voice", measure.EXAMPLE, samples)
    (whole,) = pieces.cut([clip], str(SHIPPED))
    assert whole.cuts == tuple(sorted(whole.cuts))
    assert len(whole.cuts) == len(clip.text.split()) + 1
    cut = list(pieces.digits(whole))
    assert [(found.corpus, found.speaker, found.text) for found in cut] == [
        ("an4 digits", "voice", word) for word in ("four", "six", "one", "two")
    ]
    assert all(0.15 < found.seconds < 1.0 for found in cut)
    # Each is a stretch of the recording, in order.
    places = [bytes(samples.tobytes()).find(found.samples.tobytes()) for found in cut]
    assert places == sorted(places)
    assert -1 not in places


def test_a_clip_is_told_anew_from_pieces() -> None:
    """As many words or a few more, each with the sound that it had, of the same speaker; the same for the same seed."""
    mates = [
        sounds.Clip(
            "speechocean762", "s", "a b c", np.repeat([100, 200, 300], 800).astype(np.int16), (0, 800, 1600, 2400)
        ),
        sounds.Clip("speechocean762", "s", "d e", np.repeat([400, 500], 800).astype(np.int16), (0, 800, 1600)),
    ]
    told = [pieces.retold(mates[0], mates, np.random.default_rng(seed)) for seed in range(40)]
    loud = dict(zip("abcde", (100, 200, 300, 400, 500), strict=True))
    for clip in told:
        assert 3 <= len(clip.text.split()) < 3 + pieces.PIECE
        assert [int(clip.samples[800 * i + 400]) for i in range(len(clip.samples) // 800)] == [
            loud[word] for word in clip.text.split()
        ]
    assert len({clip.text for clip in told}) > 10
    assert told[0].text == pieces.retold(mates[0], mates, np.random.default_rng(0)).text


def test_an_accent_changes_sounds_and_keeps_the_rest() -> None:
    """What a tongue lacks becomes its neighbour, now and then; other phonemes stay."""
    heard = {voices.accented("D@ T'IN", np.random.default_rng(seed)) for seed in range(40)}
    assert {"D@ T'IN", "d@ T'IN"} <= heard
    assert all(line.endswith(("'IN", "'In")) for line in heard)


def test_a_stretch_of_one_changes_nothing_and_another_moves_time_and_pitch() -> None:
    """At stretch and tempo 1 the features stay; a tone moves to another bin, a row gets longer and its mask with it."""
    import torch

    class Fixed:
        def __init__(self, value: float) -> None:
            self.value = value

        def uniform(self, low: float, high: float, size: tuple[int, ...] | None = None) -> object:
            return np.full(size, self.value) if size else self.value

    features, mask = torch.zeros(2, 40, 80), torch.ones(2, 40, dtype=torch.long)
    features[:, :, 40], mask[1, 20:] = 1.0, 0
    same, kept = speech_en.warped(features, mask, Fixed(1.0))  # type: ignore[arg-type]
    torch.testing.assert_close(same, features, atol=1e-3, rtol=0)
    assert torch.equal(kept, mask)
    moved, longer = speech_en.warped(features, mask, Fixed(1.1))  # type: ignore[arg-type]
    assert moved.shape == (2, 44, 80)
    assert longer.sum(-1).tolist() == [44, 22]
    assert int(moved[0, 10].argmax()) < 40


def test_two_views_are_as_far_apart_as_what_they_say_and_each_learns_from_the_other() -> None:
    """Kullback and Leibler's distance both ways, over the frames there are; what one says is no variable of the other's
    lesson; who says the same has nothing to learn."""
    import torch

    torch.manual_seed(3)
    logits, lengths = torch.randn(4, 5, 3, requires_grad=True), torch.tensor([5, 2, 5, 2])
    chances = logits.detach().softmax(-1)
    by_hand, slope = 0.0, torch.zeros_like(chances)
    for row, other in enumerate((2, 3, 0, 1)):
        for frame in range(int(lengths[row])):
            mine, theirs = chances[row, frame], chances[other, frame]
            by_hand += float((theirs * (theirs / mine).log()).sum())
            slope[row, frame] = mine - theirs
    apart = speech_en.disagreement(logits, lengths)
    apart.backward()
    assert apart.item() == pytest.approx(by_hand, rel=1e-4)
    torch.testing.assert_close(logits.grad, slope)
    alike = logits.detach()[:2].repeat(2, 1, 1)
    assert float(speech_en.disagreement(alike, lengths)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("consistency", "easy", "views"), [(0.2, False, 2), (0.0, False, 1), (0.2, True, 1)])
def test_a_batch_is_heard_in_two_views_that_differ(
    consistency: float, easy: bool, views: int, data: Path, tmp_path: Path
) -> None:
    """Rows come twice, masked in two ways; once where agreement counts nothing, and in the easy batches."""
    import torch

    config = settings(data, tmp_path, consistency=consistency)
    model, heard = speech_en._model(config, 0), list[torch.Tensor]()
    model.register_forward_pre_hook(lambda _, __, told: heard.append(told["input_features"]), with_kwargs=True)
    wave = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    batch = speech_en.Batch(0, [wave, wave], ["yes", "no"], [], easy)
    speech_en._gradients(config, network.processor().feature_extractor, model, batch)
    assert len(heard[0]) == 2 * views
    assert views == 1 or not torch.equal(*heard[0].chunk(2))


def test_the_second_task_teaches_and_is_not_saved(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phonemes reach the layers below their head, whose weights come out otherwise; neither file nor count hold it."""
    said = {"yes": ("j", "E", "s"), "no": ("n", "oU"), "it's": ("I", "t", "s")}
    monkeypatch.setattr(phonemes, "pronunciations", lambda texts: said)
    counts = {}
    for weight in (0.0, 1.0):
        saved = [
            e
            for e in speech_en.cook(settings(data, tmp_path / str(weight), phonemes=weight))
            if isinstance(e, speech_en.Saved)
        ]
        counts[weight] = saved[-1].parameters
    alone_, both = weights(tmp_path / "0.0"), weights(tmp_path / "1.0")
    assert alone_.keys() == both.keys()
    assert counts[0.0] == counts[1.0]
    assert any(not np.array_equal(alone_[name], both[name]) for name in both if "encoder.layers.0" in name)


def test_phonemes_are_read_off_the_layer_that_is_told() -> None:
    """hidden_states of transformers hold the input of the first layer at 0, so that the last one is what the letters
    are read off; joined clips say the phonemes of their words one after another."""
    import torch

    model = network.build(16, 3, 2, 0.0, seed=1).eval()
    phonemes.attach(model, 5)
    with torch.inference_mode():
        out = model(torch.randn(1, 80, 80), torch.ones(1, 80, dtype=torch.long), output_hidden_states=True)
        letters = model.ctc_head(out.hidden_states[-1])
        said = phonemes.logits(model, out.hidden_states)
    torch.testing.assert_close(letters, out.logits)
    assert phonemes.height(model) == 2
    assert said.shape == (1, 20, 6)
    clip = sounds.Clip("an4", "s", "yes no", np.zeros(8_000, np.int16))
    batch = Batches(SpeechEnConfig(start="x", seed=3), [clip] * 40, {"yes": [1, 2], "no": [3]}).make(0)
    assert batch.phonemes == [[1, 2, 3] * (len(text.split()) // 2) for text in batch.texts]
    assert any(batch.phonemes)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="eSpeak NG is not installed")
def test_words_are_pronounced_one_by_one() -> None:
    """A letter has its name, a word its sounds without stress marks; each kind has a number, 0 is the blank's."""
    said = phonemes.pronunciations(["b six", "mother"])
    assert said == {"b": ("b", "i:"), "six": ("s", "I", "k", "s"), "mother": ("m", "V", "D", "3")}
    numbers = phonemes.ids(said)
    assert sorted({i for ids in numbers.values() for i in ids}) == list(range(1, 10))
    assert numbers["six"][0] == numbers["six"][3]


def test_without_a_program_there_is_no_second_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """No eSpeak NG, no pronunciations, and no ids."""
    monkeypatch.setattr(phonemes.shutil, "which", lambda name: None)
    assert phonemes.ids(phonemes.pronunciations(["yes"])) == {}


def test_editions_are_averaged(data: Path, tmp_path: Path) -> None:
    """Half of the start's weights in what is saved: each weight lies in the middle of the two trainings."""
    list(speech_en.cook(settings(data, tmp_path / "one", steps=1)))
    start = str(tmp_path / "one" / "model")
    list(speech_en.cook(settings(data, tmp_path / "two", steps=2, start=start)))
    list(speech_en.cook(settings(data, tmp_path / "mean", steps=2, start=start, average=0.5)))
    one, two, mean = (weights(tmp_path / name) for name in ("one", "two", "mean"))
    moved = [name for name in one if not np.array_equal(one[name], two[name])]
    assert moved
    for name in moved:
        if one[name].dtype == np.float16:
            np.testing.assert_allclose(mean[name], (one[name] + two[name]) / 2, atol=2e-3)
    assert "mixed with 50% of the one before" in (tmp_path / "mean" / "model" / "README.md").read_text()
