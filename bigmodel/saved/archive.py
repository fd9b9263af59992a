"""The ZIP of a saved network: written whole or not at all, and read with limits on everything that it claims."""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from bigmodel.errors import ModelError
from bigmodel.saved import tuned

MOST_BYTES = 100 * 2**20
"""Of all files of an archive together, unpacked: 25 million weights."""

MOST_FILES = 32
_DIRECTORY = 2**16
"""Bytes of the list of files at an archive's end."""

_END = struct.Struct("<4sHHHHLLH")
_ENCODER = re.compile(r"encoder/(config\.json|model\.safetensors|tokenizer\.json|tokenizer_config\.json)")
_OURS = re.compile(rf"model\.json|README\.md|network\.py|model(-seed\d{{1,10}})?\.safetensors|{_ENCODER.pattern}")
_PICKLE = re.compile(r".*(\.(pkl|pickle|pt|pth|bin|ckpt|joblib|npy|npz|sav)|/data\.pkl|/\.data/.*)", re.IGNORECASE)
_PICKLED = re.compile(rb"\x80[\x02-\x05]")


def packed(files: Mapping[str, bytes]) -> bytes:
    """An archive of files. The same files give the same bytes."""
    _check_size(sum(map(len, files.values())), any(map(_ENCODER.fullmatch, files)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            # Weights hardly shrink.
            way = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
            archive.writestr(info, content, way)
    return out.getvalue()


def _check_size(size: int, encoder: bool) -> None:
    """ModelError for more bytes than a network may have, or than one with an encoder may."""
    most = tuned.MOST_BYTES if encoder else MOST_BYTES
    if size > most:
        raise ModelError("saved.large", size=size / 2**20, most=most / 2**20)


def write(path: Path, content: bytes) -> None:
    """Put a file in its place once all of it is written: whoever reads meanwhile finds the old one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise ModelError("saved.write", file=str(path), reason=error.strerror or "") from None


def check_place(path: Path) -> None:
    """ModelError where no file can be written: told before a long training, not after it."""
    reason = "no such folder" if not path.parent.is_dir() else "it is a folder" if path.is_dir() else ""
    if reason or not os.access(path.parent, os.W_OK):
        raise ModelError("saved.write", file=str(path), reason=reason or "not allowed")


def unpacked(path: Path) -> dict[str, bytes]:
    """The files of an archive by name. ModelError: no archive, a broken one, not one of ours, too much of it."""
    try:
        _check_size(path.stat().st_size, encoder=True)
        _check_end(path)
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
            _check(listed)
            return {info.filename: _content(archive, info) for info in listed}
    except FileNotFoundError:
        raise ModelError("saved.missing", file=path.name) from None
    except (zipfile.BadZipFile, OSError, ValueError, struct.error):
        raise ModelError("saved.no_zip", file=path.name) from None


def _check_end(path: Path) -> None:
    """Look at the end of an archive before its list of files is read, which may be as long as the file itself."""
    with path.open("rb") as file:
        start = file.read(4)
        if _PICKLED.match(start):
            raise ModelError("saved.pickle", file=path.name)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _END.size))
        end = file.read(_END.size)
    if not start.startswith(b"PK") or len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise ModelError("saved.no_zip", file=path.name)
    _, _, _, _, count, size, _, _ = _END.unpack(end)
    if count > MOST_FILES or size > _DIRECTORY:
        raise ModelError("saved.many", files=count, most=MOST_FILES)


def _check(listed: list[zipfile.ZipInfo]) -> None:
    """ModelError unless these are the files of a saved network, and of a size to be unpacked."""
    names = [info.filename for info in listed]
    pickled = next((name for name in names if _PICKLE.fullmatch(name)), None)
    if pickled is not None:
        raise ModelError("saved.pickle", file=pickled[-80:])
    if "model.json" not in names:
        raise ModelError("saved.not_ours")
    strange = next((name for name in names if not _OURS.fullmatch(name) or names.count(name) > 1), None)
    if strange is not None:
        raise ModelError("saved.strange", file=strange[-80:])
    # An encoder's weights lie in the file as they are: nothing small unpacks to something that large.
    whole = [info for info in listed if info.filename == "encoder/model.safetensors" and not info.compress_type]
    _check_size(sum(info.file_size for info in listed), bool(whole))
    _check_size(sum(info.file_size for info in listed if info not in whole), encoder=False)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One file, and no more of it than it is said to have."""
    try:
        with archive.open(info) as file:
            content = file.read(info.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError, EOFError, NotImplementedError):
        raise ModelError("saved.damaged", file=info.filename) from None
    if len(content) != info.file_size:
        raise ModelError("saved.damaged", file=info.filename)
    return content
