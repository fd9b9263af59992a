"""Stories told by rule: many short texts whose thread holds from the first word to the last, for a small model to read.

The corpora have little that is simple and modern. `recipes/tales/LANGUAGE/*.txt` holds stories in which almost every
turn of phrase has other ways to say it; each telling chooses anew, but keeps to what it has chosen: who it is about,
what is lost, where it is found. (A grammar of stories: Rumelhart 1975; stories told by program: Meehan 1977.)
`LANGUAGE/plain/` holds plainer ones, which choose many things at the top and come back to each again and again: what a
thread is, in its simplest words.

    # A title, for those who read the file
    who, he, him, his: %child                        a row of a list in lists.txt, its words in turn
    thing: mitten | scarf | blue hat                 or of one that is written out
    {One {cold|windy} day|In winter}, [who] lost [his] [thing]. {|[He] looked everywhere. }It was in [%room].

`{a|b}` is one of them, `[name]` what was chosen, `[Name]` the same with a capital, `[%list]` a fresh word of a list.
Who has a part in a story has no second one. "a" becomes "an" where it must.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bigmodel.errors import DataError

FOLDER = Path(__file__).parents[1] / "tales"
Row = tuple[str, ...]
Lists = dict[str, list[Row]]
PARTS = re.compile(r"[{}|]|\[[^\]]*\]|[^{}|\[]+")


@dataclass(frozen=True)
class Tale:
    """A story with its choices open. `parts`: the names that a row of a list gives words to, and the list."""

    title: str
    parts: tuple[tuple[Row, str], ...]
    text: str


def tell(shelf: str, count: int, apart: int) -> Iterator[str]:
    """`count` tellings, the tales of `shelf` ("en", "en/plain", …) in turn, always the same. Every `apart`-th telling
    is of one of the tales that are told nowhere else, every `apart`-th, too: what is held out is no other telling of
    what is read."""
    tales, lists, rng = read(shelf), read_lists(shelf), Random(0)
    kept, out = [tale for i, tale in enumerate(tales) if i % apart], tales[::apart]
    for number in range(count):
        some = kept if number % apart else out
        yield telling(some[number // (1 if number % apart else apart) % len(some)], lists, rng)


def read(shelf: str) -> list[Tale]:
    """All tales of a shelf, file by file."""
    files = sorted(path for path in (FOLDER / shelf).glob("*.txt") if path.stem != "lists")
    return [tale for path in files for tale in tales_in(path.read_text(encoding="utf-8"))]


def tales_in(text: str) -> Iterator[Tale]:
    """The tales of one file."""
    for block in re.split(r"(?m)^# ", text)[1:]:
        title, _, rest = block.partition("\n")
        parts = []
        while said := re.match(r"(\w+(?:, \w+)*): (.*)\n", rest):
            parts.append((_row(said[1]), said[2]))
            rest = rest[said.end() :]
        yield Tale(title.strip(), tuple(parts), rest.strip())


def read_lists(shelf: str) -> Lists:
    """`lists.txt` of the shelf's language: on each line a name and its rows, `name: row | row`, the words of a row with
    commas between."""
    lines = (FOLDER / shelf.split("/")[0] / "lists.txt").read_text(encoding="utf-8").splitlines()
    return {name: _rows(rows) for name, _, rows in (line.partition(": ") for line in lines if line)}


def telling(tale: Tale, lists: Lists, rng: Random) -> str:
    """One way to tell it. Raises DataError, with the tale's title, where its marks do not fit together."""
    known: dict[str, str] = {}
    taken: set[str] = set()
    for names, rows in tale.parts:
        free = [row for row in _looked_up(rows, lists, tale) if row[0] not in taken and len(row) >= len(names)]
        if not free:
            raise DataError("recipe.tale", title=tale.title, mark=", ".join(names))
        row = rng.choice(free)
        taken.add(row[0])
        known |= dict(zip(names, row, strict=False))
    text = _Teller(tale, lists, known, rng).text()
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", text)


class _Teller:
    """Walks through the marks of one tale from left to right, and chooses."""

    def __init__(self, tale: Tale, lists: Lists, known: dict[str, str], rng: Random) -> None:
        self._tale, self._lists, self._known, self._rng = tale, lists, known, rng
        self._marks = PARTS.findall(tale.text)
        self._at = 0

    def text(self) -> str:
        said = self._way()
        if self._at < len(self._marks):
            raise DataError("recipe.tale", title=self._tale.title, mark=self._marks[self._at])
        return said

    def _way(self) -> str:
        """Up to the end of one of several ways, or of the tale."""
        said = []
        while self._at < len(self._marks) and self._marks[self._at] not in ("|", "}"):
            mark = self._marks[self._at]
            self._at += 1
            said.append(self._choice() if mark == "{" else self._word(mark[1:-1]) if mark[0] == "[" else mark)
        return "".join(said)

    def _choice(self) -> str:
        """All ways of {a|b} are walked through, so that the end is found; one is said."""
        ways = [self._way()]
        while self._at < len(self._marks) and self._marks[self._at] == "|":
            self._at += 1
            ways.append(self._way())
        if self._at == len(self._marks):
            raise DataError("recipe.tale", title=self._tale.title, mark="{")
        self._at += 1
        return self._rng.choice(ways)

    def _word(self, name: str) -> str:
        if name.startswith("%"):
            return self._rng.choice(_looked_up(name, self._lists, self._tale))[0]
        if name not in self._known and name[:1].lower() + name[1:] not in self._known:
            raise DataError("recipe.tale", title=self._tale.title, mark=f"[{name}]")
        word = self._known.get(name) or self._known[name[:1].lower() + name[1:]]
        return word[:1].upper() + word[1:] if name[:1].isupper() else word


def _looked_up(rows: str, lists: Lists, tale: Tale) -> list[Row]:
    if not rows.startswith("%"):
        return _rows(rows)
    if rows[1:] not in lists:
        raise DataError("recipe.tale", title=tale.title, mark=rows)
    return lists[rows[1:]]


def _rows(text: str) -> list[Row]:
    return [_row(row) for row in text.split("|")]


def _row(text: str) -> Row:
    return tuple(word.strip() for word in text.split(","))
