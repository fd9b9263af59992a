"""The command line: every job of the page without a browser, with the same settings and the same events.

    python -m bigmodel train --dataset article
    python -m bigmodel predict NETWORK.zip rows.csv
    python -m bigmodel compare --rates 0.001,0.01,0.1 --json
    python -m bigmodel finders --out FINDERS.md
    python -m bigmodel generate --prompt "I love" --seed 1
    python -m bigmodel transcribe talk.m4a
    python -m bigmodel models | bench | recipe NAME

`--json` prints one event a line and a line `{"event": "result", …}` at the end. Bad input: one line on stderr and exit
code 2.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import re
import runpy
import shutil
import sys
import typing
from collections.abc import Callable, Generator, Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

# Before torch is loaded: threads that spin at barriers make two busy cores slower than one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bigmodel.config import feature
from bigmodel.errors import BigModelError
from bigmodel.jsonable import jsonable
from bigmodel.ui.words import LANGUAGES, dictionary, say, word

RECIPES = {
    "text-en": ("text_en", "TextEnConfig"),
    "text-zh": ("text_zh", "TextZhConfig"),
    "speech-en": ("speech_en", "SpeechEnConfig"),
}


BENCH = Path(__file__).resolve().parents[1] / "tests" / "bench"

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


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one job; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    given = sys.argv[1:] if arguments is None else arguments
    parsed = parser(given[0] if given else "").parse_args(given)
    try:
        for event in (event for event in parsed.job(parsed) if event is not None):
            print(
                as_json(event) + "\n" if parsed.json else as_text(parsed.command, event, parsed.words),
                end="",
                flush=True,
            )
    except BigModelError as error:
        print(word(error, parsed.words), file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
    except KeyboardInterrupt:
        return 130
    return 0


# ---- arguments -----------------------------------------------------------------------------------------------------


def parser(command: str) -> Parser:
    """One subcommand a job; its options are the fields of the job's config. Only `command` gets its options: a
    recipe's config loads torch, and nobody should wait for that who asks for something else."""
    top = Parser(prog="python -m bigmodel", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = top.add_subparsers(dest="command", required=True, metavar="JOB")
    for name, (add, job) in JOBS.items():
        sub = jobs.add_parser(name, help=say(f"cli.{name}"), description=say(f"cli.{name}"))
        sub.add_argument("--json", action="store_true", help=say("cli.json"))
        sub.add_argument("--words", choices=LANGUAGES, default="en", help=say("cli.words"))
        if name == command:
            add(sub)
        sub.set_defaults(job=job)
    return top


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
            type=_reader(hints[f.name]),
            default=default,
            metavar=f.name.upper(),
            help=f"{info} (default {shown})".strip(),
        )


def _shown(item: Any) -> str:
    return item if isinstance(item, str) else f"{item:g}"


def _reader(hint: Any) -> Callable[[str], Any]:
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


# ---- output --------------------------------------------------------------------------------------------------------


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
        return _ranking(values, language)
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


# ---- jobs ----------------------------------------------------------------------------------------------------------


def _add_data(sub: argparse.ArgumentParser) -> None:
    from bigmodel.datasets import DatasetConfig

    sub.add_argument("--table", default="", metavar="FILE", help=say("cli.table"))
    sub.add_argument("--target", default="", metavar="COLUMN", help=say("cli.target"))
    sub.add_argument("--leave-out", default=(), metavar="COLUMNS", type=_columns, help=say("cli.leave_out"))
    sub.add_argument("--data-seed", default=None, metavar="SEED", type=int, help=say("cli.data_seed"))
    add_config(sub, DatasetConfig)


def _columns(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _source(parsed: argparse.Namespace) -> Any:
    """The config of the data: its seed is the network's, if it was given none of its own."""
    from bigmodel.datasets import DatasetConfig

    own = {} if parsed.data_seed is None else {"seed": parsed.data_seed}
    return read_config(parsed, DatasetConfig, **own)


def _data(parsed: argparse.Namespace) -> Generator[Any, None, Any]:
    """The chosen data; events while an encoder is fetched and reads."""
    from bigmodel.datasets import loading, read_table, table_loading

    config = _source(parsed)
    if not parsed.table:
        return (yield from loading(config))
    table = read_table(parsed.table)
    return (yield from table_loading(table, parsed.target or table.target, config, parsed.leave_out))


def _add_train(sub: argparse.ArgumentParser) -> None:
    from bigmodel.train import TrainConfig

    _add_data(sub)
    add_config(sub, TrainConfig)
    sub.add_argument("--export", default="", metavar="FOLDER", help=say("cli.export"))
    sub.add_argument("--save", default="", metavar="FILE.zip", help=say("cli.save"))


def _train(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.export import check
    from bigmodel.export.tuning import beside
    from bigmodel.saved import check as saved
    from bigmodel.saved.archive import check_place
    from bigmodel.train import Epoch, TrainConfig, judge, train
    from bigmodel.train.finetune import Tuned, finetune, network_for

    config = read_config(parsed, TrainConfig)
    data = yield from _data(parsed)
    # Before anything is trained: what cannot be written is told at once.
    if parsed.export:
        check(data)
    if parsed.save:
        check_place(Path(parsed.save))
    stack = network_for(config, data)
    if parsed.save:
        saved(stack)
    epochs: list[Epoch] = []
    events = finetune(config, stack, data) if isinstance(stack, Tuned) else train(config, stack, data)
    for event in _until_interrupted(events):
        epochs += [event] if isinstance(event, Epoch) else []
        yield event
    if parsed.export and epochs:
        _save(Path(parsed.export), _taken(parsed, config, data, stack, epochs), beside(data) if data.tuned else None)
    scores = judge(stack, data)
    if parsed.save:
        _keep(parsed, config, data, stack, epochs, scores)
    yield Result({"test": asdict(scores), "dataset": data.name, "config": asdict(config)})


def _keep(parsed: argparse.Namespace, config: Any, data: Any, stack: Any, epochs: list[Any], scores: Any) -> None:
    """Save the network of a training."""
    from bigmodel.saved import marks_of, model_of, save

    last = epochs[-1] if epochs else None
    back = last is not None and config.patience and last.best is not None
    number = (last.best if back else last.number) if last else 0
    source = None if parsed.table else _source(parsed)
    marks = {"test": marks_of(scores, number)}
    save(model_of(config, data, stack, number, source=source, scores=marks), parsed.save)


def _add_predict(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("network", metavar="NETWORK.zip", help=say("cli.predict.saved"))
    sub.add_argument("rows", metavar="FILE", help=say("cli.predict.rows"))
    sub.add_argument("--out", default="", metavar="FILE.csv", help=say("cli.predict.out"))


def _predict(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.datasets.table import reading_rows
    from bigmodel.predict import Shortened, as_csv, listed, measured, predicting, summary
    from bigmodel.saved import load
    from bigmodel.saved.archive import check_place, write

    if parsed.out:
        check_place(Path(parsed.out))
    model = load(parsed.network)
    rows, more = yield from reading_rows(parsed.rows)
    if more:
        yield Shortened(len(rows))
    found = yield from predicting(model, rows)
    yield from listed(found)
    told = measured(model, rows, found)
    if told is not None:
        yield told
    if parsed.out:
        write(Path(parsed.out), as_csv(rows, found).encode("utf-8-sig"))
    accuracy = told.accuracy if told else None
    yield Result({**asdict(summary(found)), "classes": model.classes, "accuracy": accuracy, "network": parsed.network})


def _taken(parsed: argparse.Namespace, config: Any, data: Any, stack: Any, epochs: list[Any]) -> dict[str, str]:
    """The files of a training that has ended, its scores among them."""
    from bigmodel.export import Account, Training, bundle, command, query
    from bigmodel.export.charts import charts
    from bigmodel.export.data import noticed
    from bigmodel.train.coach import diagnose
    from bigmodel.train.judging import marks

    words, source, last = dictionary(parsed.words), _source(parsed), epochs[-1]
    number = last.best if config.patience and last.best is not None else last.number
    parts: tuple[Any, ...] = ("valid", "test") if stack.alive else ()
    judged = [event for part in parts for event in marks(stack, data, part, number) if event is not None]
    table = {"file": Path(parsed.table).name, "target": data.recipe["target"] if parsed.table else ""}
    account = Account(
        epochs=epochs,
        judged=judged,
        # The coach's rules are for networks that start from nothing.
        diagnoses=() if data.tuned else diagnose(epochs, config.at(last.step), rows=len(data.valid.y), over=True),
        noticed=noticed(parsed.table, parsed.target, source),
        charts=tuple(charts(epochs, judged, words)),
        command=command(config, source, **table, leave_out=parsed.leave_out),
        link=query(config, source, **table),
        parameters=stack.shape.parameters,
        **table,
    )
    return bundle(Training(config, source, data, last), account, words, parsed.words)


def _save(folder: Path, found: dict[str, str], encoder: tuple[str, Path] | None = None) -> None:
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


def _add_compare(sub: argparse.ArgumentParser) -> None:
    from bigmodel.compare import CompareConfig

    _add_data(sub)
    add_config(sub, CompareConfig)


def _compare(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.compare import CompareConfig, Ranking, lines, rank
    from bigmodel.compare.answer import answer
    from bigmodel.compare.race import Race, run
    from bigmodel.compare.verdict import judge

    config = read_config(parsed, CompareConfig)
    data = yield from _data(parsed)
    race = Race(config, data)
    yield race.plan
    for event in _until_interrupted(run(race)):
        if event is not None and not isinstance(event, Ranking):
            yield event
    if not race.rounds:
        return
    ranking = [{**asdict(row), **asdict(row.entry)} for row in rank(race.rounds[-1]).ranking]
    found = answer(race.rounds[-1].trials, lines(race.rounds))
    verdict = next((asdict(event) for event in judge(race) if event is not None), None)
    told = {"ranking": ranking, "answer": asdict(found) if found else None, "test": verdict, "finders": _votes(race)}
    yield Result({**told, "seconds": race.seconds, "dataset": data.name, "config": asdict(config)})


def _ranking(values: dict[str, Any], language: str) -> str:
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


def _votes(race: Any) -> list[dict[str, Any]]:
    """What the finders say of a race that has ended."""
    from bigmodel.compare.finders import Said, judged, listen

    trials = race.trials()
    said = listen(race.config, trials, race.data, race.seeds) if race.config.finders else ()
    votes = [judged(event, trials) for event in said if isinstance(event, Said)]
    return [asdict(found) for found in votes if found is not None]


def _add_finders(sub: argparse.ArgumentParser) -> None:
    from bigmodel.compare.court import FindersConfig

    sub.add_argument("--out", default="FINDERS.md", metavar="FILE", help=say("cli.finders.out"))
    add_config(sub, FindersConfig)


def _finders(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.compare.court import FindersConfig, hear, page

    config = read_config(parsed, FindersConfig)
    cases = []
    for case in _until_interrupted(hear(config)):
        cases.append(case)
        yield case
    Path(parsed.out).write_text(page(cases, config), encoding="utf-8")
    yield Result({"page": parsed.out, "cases": [asdict(case) for case in cases], "config": asdict(config)})


def _until_interrupted(events: Iterator[Any]) -> Iterator[Any]:
    """Ctrl-C stops a run as the page's Stop does: what there is is judged and kept."""
    try:
        yield from events
    except KeyboardInterrupt:
        return


def _add_generate(sub: argparse.ArgumentParser) -> None:
    from bigmodel.generate import GenerateConfig

    sub.add_argument("--prompt", default="I love", help=say("generate.prompt.info"))
    sub.add_argument("--model", default="text-en", help=say("cli.model"))
    add_config(sub, GenerateConfig)


def _generate(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.checkpoints import load_text, ready
    from bigmodel.generate import GenerateConfig, count_tokens, generate

    config = read_config(parsed, GenerateConfig)
    yield from ready(parsed.model, "text")
    model = load_text(parsed.model)
    count_tokens(parsed.prompt, model)  # a prompt that cannot be read is told before anything is printed
    yield Asked(parsed.prompt)
    pieces = []
    for piece in _until_interrupted(generate(config, parsed.prompt, model)):
        pieces += [piece] if piece.number else []
        yield piece
    last = pieces[-1]
    yield Result(
        {
            "prompt": parsed.prompt,
            "text": "".join(piece.text for piece in pieces),
            "tokens": len(pieces),
            "tokens_per_second": last.tokens_per_second,
            "seed": last.seed,
            "model": parsed.model,
            "finish": last.finish,
        }
    )


def _add_transcribe(sub: argparse.ArgumentParser) -> None:
    from bigmodel.transcribe import TranscribeConfig

    sub.add_argument("files", nargs="+", metavar="FILE", help=say("cli.files"))
    sub.add_argument("--model", default="speech-en", help=say("cli.model"))
    add_config(sub, TranscribeConfig)


def _transcribe(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.checkpoints import load_speech, ready
    from bigmodel.transcribe import TranscribeConfig, transcribe

    config = read_config(parsed, TranscribeConfig)
    yield from ready(parsed.model, "speech")
    model = load_speech(parsed.model)
    for file in parsed.files:
        segments = []
        for segment in _until_interrupted(transcribe(config, file, model)):
            segments.append(segment)
            yield segment
        words = [asdict(w) for segment in segments for w in segment.words]
        text = " ".join(segment.text for segment in segments if segment.text)
        yield Result({"file": file, "text": text, "words": words, "model": parsed.model})


def _add_models(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--task", choices=("text", "speech", "encoder"), default=None, help=say("cli.task"))


def _models(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.checkpoints import catalogue

    for task in (parsed.task,) if parsed.task else ("text", "speech", "encoder"):
        yield from catalogue(task)


def _add_bench(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--only", default=None, metavar="NAME", help=say("cli.only"))
    sub.add_argument("--curve", default="", metavar="FILE", help=say("cli.curve"))


def _bench(parsed: argparse.Namespace) -> Iterator[Any]:
    rows = _rows()
    if parsed.curve:
        yield from _curve(Path(parsed.curve))
        return
    if parsed.only and parsed.only not in rows:
        raise BigModelError("cli.bench", name=parsed.only, names=", ".join(rows))
    for name in (parsed.only,) if parsed.only else tuple(rows):
        yield rows[name]()


def _curve(out: Path) -> Iterator[Any]:
    """What more networks cost, measured and drawn."""
    made = runpy.run_path(str(BENCH / "cost.py"))
    _save(out.parent, {})  # before anything is measured: what cannot be written is told at once
    costs = []
    for cost in made["measure"]():
        costs.append(cost)
        yield cost
    _save(out.parent, {out.name: made["chart"](costs)})
    yield Result({"told": made["told"](costs), "chart": str(out)})


def _rows() -> dict[str, Callable[[], Any]]:
    """The rows of tests/bench/*rows.py: the peers' code is no part of the package, so it takes a checkout."""
    rows: dict[str, Callable[[], Any]] = {}
    for path in sorted(BENCH.glob("*rows.py"), key=lambda path: (path.stem != "rows", path.stem)):
        rows |= runpy.run_path(str(path))["ROWS"]
    if not rows:
        raise BigModelError("cli.checkout", folder=str(BENCH.parents[1]))
    return rows


def _add_recipe(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", choices=tuple(RECIPES), help=say("cli.recipe.name"))
    sub.add_argument("--evaluate", default="", metavar="DIR", help=say("cli.recipe.evaluate"))
    taken = {"name"}
    for name, (module, config) in RECIPES.items():
        found = getattr(importlib.import_module(f"bigmodel.recipes.{module}"), config)
        for f in fields(found):
            if f.name not in taken:
                taken.add(f.name)
                kind = _reader(typing.get_type_hints(found)[f.name])
                sub.add_argument(f"--{f.name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS, help=name)


def _recipe(parsed: argparse.Namespace) -> Iterator[Any]:
    module = importlib.import_module(f"bigmodel.recipes.{RECIPES[parsed.name][0]}")
    config = getattr(module, RECIPES[parsed.name][1])
    if parsed.evaluate:
        yield from module.evaluate(read_config(parsed, config, data=parsed.evaluate))
    else:
        yield from module.cook(read_config(parsed, config))


JOBS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Iterator[Any]]]] = {
    "train": (_add_train, _train),
    "predict": (_add_predict, _predict),
    "compare": (_add_compare, _compare),
    "finders": (_add_finders, _finders),
    "generate": (_add_generate, _generate),
    "transcribe": (_add_transcribe, _transcribe),
    "models": (_add_models, _models),
    "bench": (_add_bench, _bench),
    "recipe": (_add_recipe, _recipe),
}

if __name__ == "__main__":
    sys.exit(main())
