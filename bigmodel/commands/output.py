"""An event as a line: for a program, or for a person."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bigmodel.errors import BigModelError
from bigmodel.jsonable import jsonable
from bigmodel.ui.words import dictionary, say

# For a person: what is only of interest to a program, and what stands on one line with what follows.
SILENT = ("opening", "progress", "reading")
INLINE = ("asked", "piece")


@dataclass(frozen=True)
class Asked:
    """The prompt that the text goes on from."""

    prompt: str


@dataclass(frozen=True)
class Result:
    """The last line of a job."""

    values: dict[str, Any]


def as_json(event: Any) -> str:
    """One line: "event" first, then the event's own fields; NaN and infinities are null, bytes are base64."""
    if isinstance(event, Result):
        return json.dumps({"event": "result", **jsonable(event.values)}, ensure_ascii=False)
    return json.dumps({"event": _snake(event), **jsonable(asdict(event))}, ensure_ascii=False)


def as_text(command: str, event: Any, language: str) -> str:
    """An event for a person, with its line end: its string if the dictionary has one, else its values."""
    values = _numbers(event.values if isinstance(event, Result) else asdict(event))
    name = _snake(event)
    if name in SILENT:
        return ""
    if command == "compare" and name == "result":
        return ranking_text(values, language)
    key = f"cli.{command}.{name}"
    template = dictionary(language).get(key)
    # Not say(): an event may have a field called language.
    text = template.format_map(values) if template else json.dumps(jsonable(values), ensure_ascii=False)
    return text if name in INLINE else text + "\n"


def _numbers(value: Any) -> Any:
    """None becomes NaN: an AUC that is not defined is still printed as a number."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    return math.nan if value is None else value


def _snake(event: Any) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def ranking_text(values: dict[str, Any], language: str) -> str:
    """The end of a comparison for a person: a line per setting, what is equal to the best, and the test."""
    rows = values["ranking"]
    varied = [name for name in ("optimizer", "schedule", "value") if len({row[name] for row in rows}) > 1]
    names = {row["trial"]: " ".join([f"{row['learning_rate']:g}", *(row[name] for name in varied)]) for row in rows}
    told = [say("cli.compare.row", language, **row, name=names[row["trial"]]) for row in rows]
    found = values["answer"]
    if isinstance(found, dict) and found["seeds"] > 1:
        equals = [names[row["trial"]] for row in found["standings"] if row["equal"]]
        told.append(say("cli.compare.answer", language, equals=", ".join(equals), cheapest=names[found["cheapest"]]))
    if isinstance(values["test"], dict):
        told.append(say("cli.compare.verdict", language, **values["test"]))
    for case in values["finders"]:
        for vote in case["votes"]:
            rule = say(f"chart.rule.{vote['rule']}", language)
            told.append(say("cli.compare.vote", language, **{**vote, "rule": rule, "optimizer": case["optimizer"]}))
    return "\n".join(told) + "\n"


def save_files(folder: Path, found: dict[str, str], encoder: tuple[str, Path] | None = None) -> None:
    """Write files into a folder, which is made if there is none, and a copy of the folder of an encoder that they want
    beside them. BigModelError when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in found.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        if encoder is not None:
            shutil.copytree(encoder[1], folder / encoder[0], dirs_exist_ok=True)
    except OSError as error:
        raise BigModelError("cli.folder", folder=str(folder), reason=error.strerror or "") from None
