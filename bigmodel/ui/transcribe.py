"""The Transcribe tab: speak or upload, and the words arrive with their times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bigmodel import audio, captions, plots
from bigmodel.checkpoints import Fetched, Opening, load_speech, ready
from bigmodel.errors import AudioError
from bigmodel.runs import Shelf, Snapshot
from bigmodel.transcribe import Segment, TranscribeConfig, transcribe
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.live import Controls, Live, Start
from bigmodel.ui.models import ModelMenu, opening_line
from bigmodel.ui.transcript import transcript
from bigmodel.ui.widgets import QUIET, Form, Page, number_cards, status_bar
from bigmodel.ui.words import chart_words, say

EXAMPLE = Path(__file__).parents[1] / "pretrained" / "speech-en" / "example.flac"
SETTINGS = ("chunk_seconds", "pause_seconds", "silence_db", "word_list", "language")
# Up to this long the pictures come before the words; a longer recording is drawn when it has been heard.
DRAWN_FIRST = 120.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Asked:
    """What was asked for. `run` tells one transcript from the next; `stem` names the files to take away."""

    run: int
    stem: str
    seconds: float | None


def build(page: Page, live: Live) -> None:
    """Controls left, the transcript right."""
    form = Form(page, TranscribeConfig)
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320, elem_classes="controls"):
            sound = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                interactive=True,
                elem_id="transcribe-audio",
                elem_classes="first",
                buttons=["download"],
                waveform_options=gr.WaveformOptions(sample_rate=audio.RATE),
            )
            page.words(sound, label="transcribe.audio.label")
            with gr.Row(elem_classes="actions first"):
                start = page.button("transcribe.start", variant="primary", elem_id="transcribe-start")
                stop = page.button("live.stop", variant="stop", interactive=False, elem_id="transcribe-stop")
            example = page.button("transcribe.example", size="sm", elem_id="transcribe-example", elem_classes="first")
            menu = ModelMenu(page, live, "speech", "speech-en")
            page.markdown("transcribe.scope", elem_classes="lesson")
            form.section("transcribe.settings", SETTINGS)
        with gr.Column(scale=2, min_width=320, elem_classes="results"):
            status = status_bar(elem_id="transcribe-status")
            text = transcript(elem_id="transcribe-text")
            cards = number_cards(elem_id="transcribe-cards")
            wave = chart(height=150, visible=False, elem_id="transcribe-wave")
            mel = chart(height=240, visible=False, elem_id="transcribe-mel")

    def prepare(language: str, file: str | None, model: str, *values: Any) -> Start:
        if not file:
            raise AudioError("audio.none")
        return listening(form.read(values), file, model)

    # Wherever the app was started from: the server hands out files of its working directory only, and this one.
    gr.set_static_paths([EXAMPLE])
    quiet: dict[str, Any] = {**QUIET, "queue": False}
    example.click(lambda: str(EXAMPLE), None, [sound], **quiet)
    text.select(seek, None, [sound], **quiet)
    live.connect(
        "transcribe",
        Controls(status, start, stop),
        prepare,
        [sound, menu.menu, *form.inputs],
        view,
        [text, cards, wave, mel],
        status=status_line,
    )


def seek(event: gr.EventData) -> Any:
    """Play from the word that was clicked."""
    return gr.update(playback_position=float(event.time))


def listening(config: TranscribeConfig, file: str, model: str) -> Start:
    """A run that draws the recording, opens the model and listens; a long recording is drawn at the end."""

    def job(shelf: Shelf) -> Iterator[Any]:
        seconds = audio.look(file).seconds
        yield Asked(next(_numbers), Path(file).stem, seconds)
        if seconds is not None and seconds <= DRAWN_FIRST:
            yield audio.picture(file)
        else:
            shelf["undrawn"] = file
        yield from ready(model, "speech")
        yield from transcribe(config, file, load_speech(model))

    def conclude(shelf: Shelf) -> Iterator[Any]:
        if "undrawn" in shelf:
            yield audio.picture(shelf["undrawn"])

    return Start(job, conclude)


def view(snapshot: Snapshot | None, language: str) -> Sequence[Any]:
    """Transcript, figures, waveform and spectrogram of a run as it stands."""
    events = snapshot.events if snapshot else ()
    asked = next((event for event in events if isinstance(event, Asked)), None)
    segments = [event for event in events if isinstance(event, Segment)]
    picture = next((event for event in reversed(events) if isinstance(event, audio.Picture)), None)
    # A silence is in words too: another language writes the whole page anew.
    written: dict[str, Any] = {
        "run": f"{asked.run if asked else 0} {language}",
        "hint": say("transcribe.hint", language),
    }
    written["segments"] = [line(segment, language) for segment in segments]
    written["exports"] = exports(segments, asked.stem) if asked and snapshot and segments and _over(snapshot) else []
    words = chart_words(language)
    wave = frame(plots.waveform(picture, words)) if picture else None
    mel = frame(plots.spectrogram(picture, words)) if picture else None
    return [
        written,
        figures(segments, language),
        gr.update(value=wave, visible=wave is not None),
        gr.update(value=mel, visible=mel is not None),
    ]


def _over(snapshot: Snapshot) -> bool:
    return snapshot.state in ("done", "stopped", "failed")


def line(segment: Segment, language: str) -> dict[str, Any]:
    """A segment as the page takes it."""
    return {
        "start": segment.start,
        "space": " ",
        "silence": say("transcribe.pause", language),
        "words": [[w.text, round(w.start, 3), round(w.end, 3), round(w.confidence, 3)] for w in segment.words],
    }


def exports(segments: Sequence[Segment], stem: str) -> list[list[str]]:
    """The transcript as files: name and content."""
    return [[f"{stem}.{kind}", captions.write(kind, segments)] for kind in captions.FORMATS]


def figures(segments: Sequence[Segment], language: str) -> dict[str, Any]:
    """Words, speed and confidence so far."""
    words = [word for segment in segments for word in segment.words]
    if not segments:
        return {"cards": [], "note": ""}
    last = segments[-1]
    sure = sum(word.confidence for word in words) / max(1, len(words))
    cards = [
        (say("transcribe.card.words", language), str(len(words))),
        (say("transcribe.card.speed", language), f"{last.speed:.0f} ×"),
        (say("transcribe.card.confidence", language), f"{100 * sure:.0f}%" if words else "–"),
    ]
    return {"cards": cards, "note": say("transcribe.note", language)}


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Download, opening or how much has been heard."""
    last = next((e for e in reversed(snapshot.events) if not isinstance(e, audio.Picture)), None)
    if isinstance(last, (Fetched, Opening)):
        return opening_line(last, language)
    if not isinstance(last, Segment):
        return "", 0.0
    words = sum(len(event.words) for event in snapshot.events if isinstance(event, Segment))
    if snapshot.state == "done" and not words:
        return say("transcribe.silence", language), 1.0
    whole = f"{last.duration:.1f}" if last.duration else "?"
    values = {"heard": f"{last.heard:.1f}", "duration": whole, "words": words, "speed": f"{last.speed:.0f}"}
    done = last.heard / last.duration if last.duration else 0.0
    return say("transcribe.status", language, **values), 1.0 if snapshot.state == "done" else min(1.0, done)
