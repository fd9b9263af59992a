"""Options from a config and back: type, default and limits are the config's, the help is the page's."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Callable, Generator, Iterator
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from bigmodel.config import feature
from bigmodel.ui.words import dictionary, say


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def add_config(sub: argparse.ArgumentParser, config: type, *, leave_out: tuple[str, ...] = ()) -> None:
    """An option for each field of `config`: type, default and limits are the config's, the help is the page's."""
    hints = typing.get_type_hints(config)
    strings = dictionary("en")
    job = feature(config)
    taken = {action.dest for action in sub._actions}
    for f in fields(config):
        if f.name in leave_out or f.name in taken:
            continue
        default = f.default if f.default is not MISSING else None
        shown = ",".join(map(_shown, default)) or "none" if isinstance(default, tuple) else default
        info = strings.get(f"{job}.{f.name}.info", "").replace("%", "%%")
        sub.add_argument(
            f"--{f.name.replace('_', '-')}",
            type=reader(hints[f.name]),
            default=default,
            metavar=f.name.upper(),
            help=f"{info} (default {shown})".strip(),
        )


def _shown(item: Any) -> str:
    return item if isinstance(item, str) else f"{item:g}"


def reader(hint: Any) -> Callable[[str], Any]:
    if typing.get_origin(hint) is tuple:
        kind = typing.get_args(hint)[0]

        def numbers(text: str) -> tuple[Any, ...]:
            return tuple(getattr(kind, "read", kind)(part) for part in text.split(",") if part.strip())

        return numbers
    if hint is bool:
        return lambda text: text.lower() in ("1", "true", "yes", "on")
    if hint in (int, float, str):
        return typing.cast("Callable[[str], Any]", hint)
    return typing.cast("Callable[[str], Any]", next(kind for kind in typing.get_args(hint) if kind is not type(None)))


def read_config(parsed: argparse.Namespace, config: type, **others: Any) -> Any:
    """The config from the parsed options. Raises ConfigError."""
    return config(**{f.name: getattr(parsed, f.name) for f in fields(config) if hasattr(parsed, f.name)} | others)


def add_data(sub: argparse.ArgumentParser) -> None:
    from bigmodel.datasets import DatasetConfig

    sub.add_argument("--table", default="", metavar="FILE", help=say("cli.table"))
    sub.add_argument("--target", default="", metavar="COLUMN", help=say("cli.target"))
    sub.add_argument("--leave-out", default=(), metavar="COLUMNS", type=_columns, help=say("cli.leave_out"))
    sub.add_argument("--data-seed", default=None, metavar="SEED", type=int, help=say("cli.data_seed"))
    add_config(sub, DatasetConfig)


def _columns(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def source_of(parsed: argparse.Namespace) -> Any:
    """The config of the data: its seed is the network's, if it was given none of its own."""
    from bigmodel.datasets import DatasetConfig

    own = {} if parsed.data_seed is None else {"seed": parsed.data_seed}
    return read_config(parsed, DatasetConfig, **own)


def data_of(parsed: argparse.Namespace) -> Generator[Any, None, Any]:
    """The chosen data; events while an encoder is fetched and reads."""
    from bigmodel.datasets import loading, read_table, table_loading

    config = source_of(parsed)
    if not parsed.table:
        return (yield from loading(config))
    table = read_table(parsed.table)
    return (yield from table_loading(table, parsed.target or table.target, config, parsed.leave_out))


def until_interrupted(events: Iterator[Any]) -> Iterator[Any]:
    """Ctrl-C stops a run as the page's Stop does: what there is is judged and kept."""
    try:
        yield from events
    except KeyboardInterrupt:
        return
