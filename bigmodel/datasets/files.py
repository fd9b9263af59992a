"""A table's file → its rows as text, streamed: CSV and TSV in the encodings of the field, Excel, Parquet.

What a file is, its first bytes say and not its name. Nothing here holds more than a few rows at a time, so that a file
of two million rows costs no more memory than the rows that are kept of it.
"""

from __future__ import annotations

import codecs
import csv
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from bigmodel.errors import DataError

MOST_BYTES = 50 * 2**20
MOST_UNPACKED = 600 * 2**20
"""A packed file may be a thousand times as large once it is unpacked."""
MOST_CELLS = 200_000_000
"""Cells of a Parquet file, which may say a million equal ones in a few bytes."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Excel before 2007, and whatever Office has locked with a password
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BM")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1a\x1b"))
"""Bytes that hardly stand in a text."""
_HIGH = bytes(range(128, 256))
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
"""A letter of an encoding of two bytes."""
OLD = {"gb18030": "GB 18030", "big5hkscs": "Big5", "cp932": "Shift-JIS", "cp949": "EUC-KR", "cp1252": "Latin-1"}
"""The encodings from before Unicode that are known by their letters, with the names that people call them by."""
_TELLING = 2000
"""Lines that are enough to know a language by its letters."""
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Sheet:
    """The rows of a file as text cells, to be read once. `named`: the first row is the header, whatever it looks like.

    `blank`: there was an empty row above it. `comma`: 1,5 is one and a half. `sampled`: the rows that the file has,
    where only some of them come. `said` are (key, values) of notices.
    """

    rows: Iterator[list[str]]
    comma: bool = False
    named: bool = False
    blank: bool = False
    sampled: int = 0
    said: tuple[tuple[str, dict[str, object]], ...] = ()


def open_sheet(path: Path, most_rows: int) -> Sheet:
    """The table in a file. Raises DataError: too large, of another kind, locked, broken, empty."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DataError("data.large", size=size / 2**20, most=MOST_BYTES / 2**20)
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise DataError("data.empty")
    if start.startswith(b"PAR1"):
        return _parquet(path, most_rows)
    if start.startswith((b"PK\x03\x04", _OLE)):
        return _excel(path)
    if start.startswith(_PICTURES):
        raise DataError("data.binary", file=path.name)
    return _text(path)


# ---- CSV and TSV ---------------------------------------------------------------------------------------------------


def _text(path: Path) -> Sheet:
    lines, said = _lines(path)
    sample = list(islice(lines, 50))
    if not any(line.strip() for line in sample):
        sample += list(lines)
        if not any(line.strip() for line in sample):
            raise DataError("data.empty")
    delimiter = _delimiter(sample[:50])
    rows = ([cell.strip() for cell in row] for row in _csv(chain(sample, lines), delimiter))
    first = next(rows, [])
    blank = len(first) > 1 and not any(first)
    full = (row for row in chain([first], rows) if any(row))
    return Sheet(full, comma=delimiter == ";", blank=blank, said=said)


def _delimiter(sample: list[str]) -> str:
    """The one that cuts the first rows most evenly."""

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in _csv(sample, delimiter) if row]
        return (sum(width == widths[0] > 1 for width in widths), widths[0]) if widths else (0, 0)

    return max(",\t;|", key=evenness)


def _csv(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        raise DataError("data.broken") from None


def _lines(path: Path) -> tuple[Iterator[str], tuple[tuple[str, dict[str, object]], ...]]:
    """The lines of a text file, ends and all: UTF-8 or UTF-16 with or without a mark, else one of OLD.

    A file that changes its encoding half-way is read line by line, each in its own. DataError where it is no text.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    wide = _wide(start)
    if wide:
        return _decoded(path, wide), ()
    if _is_utf8(path):
        return _decoded(path, "utf-8-sig"), ()
    old, utf8, other = _old_encoding(path)
    _check_text(path, old)
    if utf8 <= 0.1 * other:
        return _decoded(path, old), ()
    return _each(path, old), (("mixed", {"lines": other, "encoding": OLD[old]}),)


def _wide(start: bytes) -> str:
    """The kind of UTF-16 that a file starts in, "" for none. Without a mark, every other byte of it is often 0: digits,
    commas and line ends have none other."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = (start[place::2].count(0) / max(1, len(start) // 2) for place in (0, 1))
    for kind, empty, full in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if empty >= 0.3 and full <= 0.01 and _decodes(start[: len(start) // 2 * 2], kind):
            return kind
    return ""


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        yield from file


def _each(path: Path, old: str) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield line.decode("utf-8" if _speaks_utf8(line, old) else old, errors="replace")


def _check_text(path: Path, old: str) -> None:
    """Refuse a file of hardly anything but high bytes: whatever the language, a table has commas, digits, line ends. In
    Chinese they may be few between long texts."""
    plain = whole = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            plain, whole = plain + len(chunk.translate(None, _HIGH)), whole + len(chunk)
    if plain <= (0.1 if old == "cp1252" else 0.001) * whole:
        raise DataError("data.binary", file=path.name)


def _speaks_utf8(line: bytes, old: str) -> bool:
    """Whether a line is UTF-8 rather than `old`. Two bytes of GB 18030 may pass for one Latin letter of UTF-8, so there
    it takes a letter of three bytes, as Chinese has them."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return old in ("", "cp1252") or any(letter >= "\u0800" for letter in text)


def _is_utf8(path: Path) -> bool:
    """Whether all of a file is UTF-8. DataError where it cannot be text at all."""
    decoder, fine = codecs.getincrementaldecoder("utf-8")(), True
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if b"\0" in chunk or len(chunk.translate(None, _CONTROLS)) < 0.95 * len(chunk):
                raise DataError("data.binary", file=path.name)
            try:
                fine = fine and decoder.decode(chunk) is not None
            except UnicodeDecodeError:
                fine = False
    try:
        decoder.decode(b"", final=fine)
    except UnicodeDecodeError:
        fine = False
    return fine


def _old_encoding(path: Path) -> tuple[str, int, int]:
    """(encoding, lines in UTF-8, lines in it), plain ASCII left aside: GB 18030 if the lines that are not UTF-8 decode
    as it and their high bytes come in pairs, as they do in Chinese; Big5 if nearly all letters are common ones of it,
    and the second byte of some is a plain one; Shift-JIS and EUC-KR if kana or Hangul tell; else Latin-1, where a
    letter with an accent stands among plain ones."""
    able, paired, high = {"gb18030", "cp932", "cp949"}, 0, 0
    letters: set[bytes] = set()
    lines = {"utf-8": 0, "unsure": 0, "other": 0}
    with path.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            if _speaks_utf8(line, ""):
                lines["utf-8" if _speaks_utf8(line, "gb18030") else "unsure"] += 1
                continue
            lines["other"] += 1
            able = {encoding for encoding in able if _decodes(line, encoding)}
            if lines["other"] <= _TELLING:
                letters.update(_PAIR.findall(line))
            runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", line)]
            paired, high = paired + sum(run for run in runs if run % 2 == 0), high + sum(runs)
    if (neighbour := _japanese_or_korean(letters)) in able:
        return neighbour, lines["utf-8"], lines["other"] + lines["unsure"]
    plain = sum(letter[1] < 0x80 for letter in letters) / max(1, len(letters))
    common = sum(0xA1 <= letter[0] <= 0xC6 and _decodes(letter, "big5hkscs") for letter in letters)
    if common >= 0.8 * len(letters) and 0.15 <= plain <= 0.7:
        return "big5hkscs", lines["utf-8"], lines["other"] + lines["unsure"]
    if "gb18030" in able and (paired >= 0.7 * high or (len(letters) >= 10 and plain <= 0.6)):
        return "gb18030", lines["utf-8"], lines["other"] + lines["unsure"]
    return "cp1252", lines["utf-8"] + lines["unsure"], lines["other"]


def _japanese_or_korean(letters: set[bytes]) -> str:
    """Shift-JIS where a fifth of the letters are kana, whose places hold rare characters in GB 18030. EUC-KR where
    there are some letters, and all lie among the syllables of Hangul: of common Chinese ones two in five lie beyond, as
    xin, yao and zhong do. Too few letters tell nothing: ""."""
    kana = sum(0x829F <= int.from_bytes(letter, "big") <= 0x8396 for letter in letters)
    if len(letters) >= 5 and kana >= 0.2 * len(letters):
        return "cp932"
    written = [letter for letter in letters if letter[0] >= 0xB0 or letter[1] < 0xA1]
    hangul = all(0xB0 <= letter[0] <= 0xC8 and letter[1] >= 0xA1 for letter in written)
    return "cp949" if len(written) >= 10 and hangul else ""


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


# ---- Excel and Parquet ---------------------------------------------------------------------------------------------


def _excel(path: Path) -> Sheet:
    """The first sheet that holds anything."""
    import python_calamine as calamine

    _check_zip(path)
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = list(book.sheet_names)
        sheets = ((name, book.get_sheet_by_name(name)) for name in names)
        name, sheet = next(((name, sheet) for name, sheet in sheets if sheet.total_height), ("", None))
    except Exception as error:  # calamine has an error class for each of its readers
        if _locked(path) or isinstance(error, calamine.PasswordError):
            raise DataError("data.locked", file=path.name) from None
        raise DataError("data.corrupt", file=path.name) from None
    if sheet is None:
        raise DataError("data.empty")
    said: tuple[tuple[str, dict[str, object]], ...] = ()
    if len(names) > 1:
        said = (("sheet", {"sheet": name, "sheets": len(names)}),)
    rows = ([written(cell) for cell in row] for row in sheet.iter_rows())
    return Sheet((row for row in rows if any(row)), said=said)


def _check_zip(path: Path) -> None:
    """Refuse an archive that is no workbook, and one that would fill the memory."""
    with path.open("rb") as file:
        if file.read(8) == _OLE:
            return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise DataError("data.corrupt", file=path.name) from None
    if not any(member.filename.startswith("xl/workbook") for member in members):
        raise DataError("data.binary", file=path.name)
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_UNPACKED:
        raise DataError("data.unpacked", size=unpacked / 2**20, most=MOST_UNPACKED / 2**20)


def _locked(path: Path) -> bool:
    """Whether Office has locked a file with a password: it then is a stream of that name in an OLE container."""
    raw = path.read_bytes()
    return raw.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in raw


def _parquet(path: Path, most_rows: int) -> Sheet:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path, memory_map=False)
        rows, names = file.metadata.num_rows, file.schema_arrow.names
        unpacked = sum(file.metadata.row_group(k).total_byte_size for k in range(file.num_row_groups))
    except (arrow.ArrowException, OSError, ValueError):
        raise DataError("data.corrupt", file=path.name) from None
    if unpacked > MOST_UNPACKED or rows * len(names) > MOST_CELLS:
        raise DataError("data.unpacked", size=unpacked / 2**20, most=MOST_UNPACKED / 2**20)
    kept = None
    if rows > most_rows:
        kept = np.sort(np.random.default_rng(0).choice(rows, most_rows, replace=False))
    return Sheet(chain([list(names)], _batches(path, file, kept)), named=True, sampled=rows if kept is not None else 0)


def _batches(path: Path, file: Any, kept: np.ndarray | None) -> Iterator[list[str]]:
    """The rows of a Parquet file, or those of the numbers `kept`."""
    import pyarrow as arrow

    start = 0
    try:
        for batch in file.iter_batches(batch_size=5_000):
            end = start + batch.num_rows
            if kept is not None:
                batch = batch.take(arrow.array(kept[(kept >= start) & (kept < end)] - start))
            start = end
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield [written(cell) for cell in row]
    except (arrow.ArrowException, OSError, ValueError):
        raise DataError("data.corrupt", file=path.name) from None


def written(cell: object) -> str:
    """A value as a person would write it into a table."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, (datetime, date)):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace").strip()
    return str(cell).strip()
