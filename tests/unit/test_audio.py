"""audio.py reads any recording block by block, and says in one sentence what is wrong with what is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bigmodel import audio
from bigmodel.errors import AudioError


def tone(seconds: float = 1.0, rate: int = 16_000, freq: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * freq * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, wave: np.ndarray, rate: int, **options: str) -> Path:
    import soundfile

    soundfile.write(path, wave, rate, **options)
    return path


def encode(path: Path, codec: str, wave: np.ndarray, rate: int, container: str | None = None) -> Path:
    """A compressed file made with PyAV."""
    import av

    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((wave[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, "mono", rate, frame_size=stream.codec_context.frame_size or 0)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def pitch(wave: np.ndarray) -> float:
    """The loudest frequency in Hz."""
    return float(np.fft.rfftfreq(len(wave), 1 / audio.RATE)[np.abs(np.fft.rfft(wave)).argmax()])


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.wav", {"subtype": "PCM_16"}), ("b.wav", {"subtype": "FLOAT"}), ("c.flac", {}), ("d.mp3", {})],
)
def test_files_of_every_rate_come_out_at_16_khz(tmp_path: Path, name: str, options: dict[str, str], rate: int) -> None:
    """WAV, FLAC and MP3 from 8 to 48 kHz give the same tone, as long as it was, at 16 kHz."""
    wave = audio.whole(write(tmp_path / name, tone(1.0, rate), rate, **options))
    assert wave.dtype == np.float32
    assert wave.ndim == 1
    assert len(wave) == pytest.approx(16_000, abs=1_700)
    assert pitch(wave) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.m4a", "aac", 44_100), ("b.aac", "aac", 48_000), ("c.webm", "libopus", 48_000), ("d.ogg", "libopus", 16_000)],
)
def test_compressed_formats_are_read_without_programs(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    """M4A, AAC, WebM and Opus come out as the tone that went in, the name ending regardless."""
    made = encode(tmp_path / name, codec, tone(1.0, rate), rate, {"b.aac": "adts"}.get(name))
    renamed = made.rename(tmp_path / "recording")
    wave = audio.whole(renamed)
    assert len(wave) == pytest.approx(16_000, rel=0.1)
    assert pitch(wave) == pytest.approx(440, abs=2)
    assert 0.3 < np.abs(wave).max() < 0.7


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 7_999])
@pytest.mark.parametrize("size", [997, 20_000])
def test_no_seam_between_blocks(rate: int, size: int) -> None:
    """Resampled in pieces of any size, a recording is what it is resampled whole."""
    wave = np.random.default_rng(0).standard_normal(rate * 3).astype(np.float32)
    pieces = (wave[at : at + size] for at in range(0, len(wave), size))
    streamed = np.concatenate(list(audio.resampled(pieces, rate, 16_000)))
    at_once = np.concatenate(list(audio.resampled(iter([wave]), rate, 16_000)))
    assert len(streamed) == len(at_once)
    np.testing.assert_allclose(streamed, at_once, atol=1e-5)


def test_resampling_is_torchaudios() -> None:
    """The streamed resampler equals torchaudio's own in one call."""
    import torch
    from torchaudio.transforms import Resample

    wave = np.random.default_rng(1).standard_normal(44_100 * 2).astype(np.float32)
    pieces = (wave[at : at + 5_000] for at in range(0, len(wave), 5_000))
    ours = np.concatenate(list(audio.resampled(pieces, 44_100, 16_000)))
    theirs = Resample(44_100, 16_000)(torch.from_numpy(wave)).numpy()
    np.testing.assert_allclose(ours, theirs[: len(ours)], atol=1e-5)
    assert len(ours) == len(theirs)


def test_blocks_have_the_asked_length() -> None:
    """All blocks but the last are as long as asked for, and nothing is lost."""
    got = [len(block) for block in audio.blocks((16_000, tone(2.3)), seconds=0.5)]
    assert got == [8_000, 8_000, 8_000, 8_000, 4_800]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float32, np.float64])
def test_arrays_of_every_type_have_the_same_loudness(dtype: type) -> None:
    """Integers of any width and floats give the same wave between -1 and 1."""
    wave = tone()
    if np.dtype(dtype).kind == "f":
        array = wave.astype(dtype)
    elif dtype is np.uint8:
        array = (wave * 127 + 128).astype(dtype)
    else:
        array = (wave.astype(np.float64) * np.iinfo(dtype).max).astype(dtype)
    np.testing.assert_allclose(audio.whole((16_000, array)), wave, atol=0.02)


def test_stereo_is_taken_either_way_round() -> None:
    """(n, 2) and (2, n) both become the mean of the two channels."""
    left, right = tone(freq=440), tone(freq=880)
    either = audio.whole((16_000, np.stack([left, right])))
    np.testing.assert_allclose(either, (left + right) / 2, atol=1e-6)
    np.testing.assert_allclose(audio.whole((16_000, np.stack([left, right], axis=1))), either)


def test_what_is_not_a_number_is_silence() -> None:
    """NaN and infinity in a recording never reach the model."""
    wave = tone()
    wave[100:200] = np.nan
    wave[300] = np.inf
    got = audio.whole((16_000, wave))
    assert np.isfinite(got).all()
    assert not got[100:200].any()


def png(path: Path) -> Path:
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde"
    path.write_bytes(header + b"\x00" * 400)
    return path


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda d: d / "none.wav", "audio.missing"),
        (lambda d: d, "audio.missing"),
        (lambda d: ((d / "a.wav").write_bytes(b"") and None) or d / "a.wav", "audio.empty"),
        (lambda d: png(d / "song.wav"), "audio.unknown"),
        (lambda d: (d / "a.mp3").write_text("hello " * 500) and d / "a.mp3", "audio.unknown"),
        (lambda d: write(d / "a.wav", tone()[:0], 16_000), "audio.silent_file"),
        (lambda d: write(d / "a.wav", tone()[:800], 16_000), "audio.short"),
        (lambda d: (0, tone()), "audio.rate"),
        (lambda d: (16_000, tone()[:0]), "audio.silent_file"),
        (lambda d: (16_000, np.array(["a"])), "audio.array"),
        (lambda d: (16_000, np.zeros((2, 2, 2), np.float32)), "audio.array"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, make: object, key: str) -> None:
    """Each kind of bad input raises its own AudioError with a full sentence, before any block."""
    with pytest.raises(AudioError) as caught:
        next(audio.blocks(make(tmp_path)))  # type: ignore[operator]
    assert caught.value.key == key
    assert len(str(caught.value)) > 30
    assert "{" not in str(caught.value)


def test_a_file_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    """A FLAC damaged in the middle yields its good blocks, then either ends or says where it broke."""
    path = write(
        tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 8).astype(np.float32), 16_000
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    got, key = 0, "audio.broken"
    try:
        for block in audio.blocks(path, seconds=1.0):
            got += len(block)
    except AudioError as error:
        key = error.key
    assert key == "audio.broken"
    assert 1 * 16_000 <= got <= 5 * 16_000


def test_too_long_stops_at_the_limit() -> None:
    """A recording over the limit is refused, with the limit in the sentence."""
    with pytest.raises(AudioError, match="2"):
        list(audio.blocks((16_000, tone(3.0)), longest=2.0))


def test_the_header_knows_the_length(tmp_path: Path) -> None:
    """look() gives length, rate and channels without reading the samples."""
    path = write(tmp_path / "a.wav", np.stack([tone(2, 48_000)] * 2, axis=1), 48_000)
    assert audio.look(path) == audio.Header(2.0, 48_000, 2)
    made = encode(tmp_path / "a.m4a", "aac", tone(2, 44_100), 44_100)
    assert audio.look(made).seconds == pytest.approx(2, abs=0.1)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """A playlist that names another recording is refused: an upload must not read files that it was not sent with."""
    write(tmp_path / "secret.wav", tone(), 16_000)
    for name, text in [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile secret.wav\n"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(AudioError) as caught:
            next(audio.blocks(tmp_path / name))
        assert caught.value.key == "audio.unknown"


def test_an_open_file_is_let_go(tmp_path: Path) -> None:
    """Whoever stops listening early leaves no file open."""
    path = write(tmp_path / "a.wav", tone(2), 16_000)
    stream = audio.blocks(path, seconds=0.5)
    next(stream)
    stream.close()
    path.unlink()
    open_files = Path("/proc/self/fd")
    if open_files.is_dir():
        assert not any(str(path) in str(link.resolve()) for link in open_files.iterdir())


def test_the_picture_shows_loud_and_low(tmp_path: Path) -> None:
    """The envelope follows the loudness and the spectrogram's brightest row follows the pitch."""
    wave = np.concatenate([np.zeros(16_000, np.float32), tone(1.0, freq=300), tone(1.0, freq=3_000)])
    shot = audio.picture((16_000, wave), points=90)
    assert shot.seconds == 3.0
    assert len(shot.low) == len(shot.high) == shot.columns == 90
    assert shot.high[10] == 0
    assert shot.high[45] == pytest.approx(0.5, abs=0.01)
    mel = np.frombuffer(shot.mel, np.uint8).reshape(shot.bins, shot.columns)
    assert mel[:, 10].max() == 0
    assert mel[:, 45].argmax() < mel[:, 75].argmax()


def test_importing_audio_loads_nothing_heavy() -> None:
    """The page can import the module without waiting for torch."""
    code = (
        "import sys, bigmodel.audio; print([m for m in ('torch', 'torchaudio', 'av', 'soundfile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
