"""Any recording, mono float32 at 16 kHz, block by block: an hour needs no more memory than a minute.

soundfile reads WAV, FLAC, OGG, Opus and MP3; PyAV reads what it does not: M4A, AAC, WebM and most others. A recording
may also come as (rate, samples), as a web page hands it over: integers of any width, mono or stereo, either way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]
    Samples = NDArray[Any]
    Sound = str | Path | tuple[int, Samples]

RATE = 16_000
SHORTEST = 0.1  # seconds
LONGEST = 4 * 3600.0
RATES = (2_000, 400_000)
READ = 1 << 13  # samples per read: a damaged file loses no more than these
RESAMPLE = 1 << 15  # samples per call of the resampler: enough to make the call's own cost small

# Containers that hold their sound themselves. Playlists are left out: they would make the reader open other files.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,wav,w64,flac,aiff,caf,amr,asf,au,avi,mpeg,mpegts,ac3,flv"


@dataclass(frozen=True)
class Header:
    """What a recording says of itself. `seconds` is None where the file does not know (a browser's WebM)."""

    seconds: float | None
    rate: int
    channels: int


@dataclass(frozen=True)
class _Opened:
    """A source that is open: its header, a generator of (samples, channels) pieces, and how to let it go."""

    header: Header
    pieces: Iterator[Samples]
    close: Callable[[], None]


def look(sound: Sound) -> Header:
    """Length, rate and channels, without reading the samples. AudioError says what is wrong with it."""
    opened = _open(sound)
    opened.close()
    return opened.header


def blocks(sound: Sound, seconds: float = 5.0, longest: float = LONGEST) -> Iterator[Wave]:
    """Mono float32 blocks (n,) at 16 kHz, all but the last `seconds` long. Joined, they are the recording, resampled.

    Raises AudioError before the first block for what is no audio, empty or shorter than 0.1 s; in between for what
    breaks off or runs over `longest` seconds.
    """
    opened = _open(sound)
    with closing(opened):
        rate = opened.header.rate
        waves = _checked((_mono(piece) for piece in opened.pieces), rate, longest)
        yield from _sized(resampled(waves, rate, RATE), round(seconds * RATE))


def whole(sound: Sound, longest: float = LONGEST) -> Wave:
    """The recording in one piece, (n,) float32 at 16 kHz: for short ones."""
    return np.concatenate(list(blocks(sound, longest=longest)))


# ---- opening -------------------------------------------------------------------------------------------------------


def _open(sound: Sound) -> _Opened:
    if isinstance(sound, tuple):
        return _opened_array(*sound)
    path = Path(sound)
    if not path.is_file():
        raise AudioError("audio.missing", file=path.name)
    if path.stat().st_size == 0:
        raise AudioError("audio.empty", file=path.name)
    opened = _opened_soundfile(path) or _opened_av(path)
    if opened is None:
        raise AudioError("audio.unknown", file=path.name)
    seconds = opened.header.seconds
    if seconds is not None and seconds > LONGEST:
        opened.close()
        raise AudioError("audio.long", seconds=round(seconds), most=round(LONGEST))
    return opened


def _opened_array(rate: int, samples: Samples) -> _Opened:
    array = np.asarray(samples)
    if array.ndim > 2 or array.dtype.kind not in "iuf":
        raise AudioError("audio.array", shape=str(array.shape), dtype=str(array.dtype))
    table = array.reshape(len(array), -1) if array.size else array.reshape(0, 1)
    if table.size and table.shape[0] < table.shape[1]:  # (channels, n): no recording has more channels than samples
        table = table.T
    header = Header(len(table) / rate if rate > 0 else None, _rate(rate), table.shape[1])
    pieces = (table[at : at + READ] for at in range(0, len(table), READ))
    return _Opened(header, pieces, lambda: None)


def _rate(rate: float) -> int:
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError("audio.rate", rate=rate, low=RATES[0], high=RATES[1])
    return int(rate)


def _opened_soundfile(path: Path) -> _Opened | None:
    import soundfile

    try:
        file = soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, TypeError, ValueError):  # TypeError: a .raw file has no header to read
        return None
    rate = _rate(file.samplerate)
    # libsndfile reports the largest number there is where it cannot tell.
    seconds = file.frames / rate if file.frames < 2**62 else None
    return _Opened(Header(seconds, rate, file.channels), _soundfile_pieces(file, path.name), file.close)


def _soundfile_pieces(file: Any, name: str) -> Iterator[Samples]:
    import soundfile

    done = 0
    while True:
        try:
            piece = file.read(READ, dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            raise AudioError("audio.broken", file=name, seconds=round(done / file.samplerate, 1)) from None
        if not len(piece):
            return
        done += len(piece)
        yield piece


def _opened_av(path: Path) -> _Opened | None:
    import av

    try:
        container = av.open(str(path), options={"format_whitelist": FORMATS})
    except (av.error.FFmpegError, ValueError):
        return None
    if not container.streams.audio:
        container.close()
        return None
    stream = container.streams.audio[0]
    seconds = container.duration / av.time_base if container.duration else None
    header = Header(seconds, _rate(stream.codec_context.sample_rate), stream.codec_context.channels)
    return _Opened(header, _av_pieces(container, path.name, header.rate), container.close)


def _av_pieces(container: Any, name: str, rate: int) -> Iterator[Samples]:
    import av

    same = av.AudioResampler(format="fltp", rate=rate)  # one sample format, whatever the codec gives
    done = 0
    try:
        for frame in container.decode(audio=0):
            for out in same.resample(frame):
                done += out.samples
                yield out.to_ndarray().T
        for out in same.resample(None):
            yield out.to_ndarray().T
    except (av.error.FFmpegError, ValueError):  # ValueError: the sound changes its shape in the middle
        raise AudioError("audio.broken", file=name, seconds=round(done / rate, 1)) from None


# ---- samples -------------------------------------------------------------------------------------------------------


def _mono(piece: Samples) -> Wave:
    """(n, channels) of any number type -> (n,) float32 between -1 and 1. What is not a number is silence."""
    if piece.dtype.kind in "iu":
        limits = np.iinfo(piece.dtype)
        middle = 0.0 if piece.dtype.kind == "i" else (limits.max + 1) / 2
        piece = (piece.astype(np.float64) - middle) / (limits.max + 1 - middle)
    elif not np.isfinite(piece.sum()):
        piece = np.nan_to_num(piece, nan=0.0, posinf=1.0, neginf=-1.0)
    # Column by column: a mean over an axis of two is ten times as slow.
    total = sum(piece[:, channel] for channel in range(piece.shape[1]))
    wave: Wave = np.divide(total, piece.shape[1], dtype=np.float32, casting="same_kind")
    return wave


def _checked(waves: Iterator[Wave], rate: int, longest: float) -> Iterator[Wave]:
    """Pass the waves on; hold the first 0.1 s back until it is sure that there is as much, and stop at `longest`."""
    held: list[Wave] = []
    count = 0
    for wave in waves:
        count += len(wave)
        if count > longest * rate:
            raise AudioError("audio.long", seconds=round(count / rate), most=round(longest))
        held.append(wave)
        if count >= SHORTEST * rate:
            yield from held
            held = []
    if not count:
        raise AudioError("audio.silent_file")
    if count < SHORTEST * rate:
        raise AudioError("audio.short", seconds=round(count / rate, 3), least=SHORTEST)


def resampled(waves: Iterator[Wave], old: int, new: int) -> Iterator[Wave]:
    """Resample a stream of waves (n,) without a seam: each part is computed together with its neighbours' samples.

    Windowed sinc (torchaudio). The ratio is rounded so that odd rates stay cheap: 4 ms off in an hour at most.
    """
    ratio = Fraction(new, old).limit_denominator(1000)
    if ratio == 1:
        yield from waves
        return
    up, down = ratio.numerator, ratio.denominator
    # Whole periods of `down` samples map to whole periods of `up`; the filter reaches 7 zero crossings to each side.
    margin = down * -(-max(1, 7 * max(down, up) // min(down, up) + 8) // down)
    convert = _converter(down, up)
    kept: Wave = np.zeros(margin, np.float32)
    for wave in waves:
        kept = np.concatenate([kept, wave])
        usable = (len(kept) - 2 * margin) // down * down
        if usable >= max(down, RESAMPLE // down * down):
            yield _middle(convert(kept[: usable + 2 * margin]), margin, usable, up, down)
            kept = kept[usable:]
    rest = len(kept) - margin
    if rest > 0:
        padded = -(-rest // down) * down
        kept = np.concatenate([kept, np.zeros(margin + padded - rest, np.float32)])
        yield _middle(convert(kept), margin, padded, up, down)[: -(-rest * up // down)]


def _middle(wave: Wave, margin: int, usable: int, up: int, down: int) -> Wave:
    """The part of a converted wave that no missing neighbour has touched."""
    first = margin // down * up
    return wave[first : first + usable // down * up]


def _converter(down: int, up: int) -> Callable[[Wave], Wave]:
    """torchaudio's resampler from rate `down` to rate `up`, its filter computed once."""
    import torch
    from torchaudio.transforms import Resample

    resample = Resample(down, up)

    def convert(wave: Wave) -> Wave:
        with torch.inference_mode():
            out: Wave = resample(torch.from_numpy(np.ascontiguousarray(wave))).numpy()
        return out

    return convert


def _sized(waves: Iterator[Wave], size: int) -> Iterator[Wave]:
    """The same samples in blocks of `size`, the last one shorter."""
    parts: list[Wave] = []
    count = 0
    for wave in waves:
        parts.append(wave)
        count += len(wave)
        if count >= size:
            joined = np.concatenate(parts)
            whole_blocks = count // size * size
            yield from (joined[at : at + size] for at in range(0, whole_blocks, size))
            parts, count = [joined[whole_blocks:]], count - whole_blocks
    if count:
        yield np.concatenate(parts)
