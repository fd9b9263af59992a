"""`train` and `predict`: a network is trained, taken away and used."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bigmodel.commands.options import add_config, add_data, data_of, read_config, source_of, until_interrupted
from bigmodel.commands.output import Result, save_files
from bigmodel.ui.words import dictionary, say


def add_train(sub: argparse.ArgumentParser) -> None:
    from bigmodel.train import TrainConfig

    add_data(sub)
    add_config(sub, TrainConfig)
    sub.add_argument("--export", default="", metavar="FOLDER", help=say("cli.export"))
    sub.add_argument("--save", default="", metavar="FILE.zip", help=say("cli.save"))


def run_train(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.export import check
    from bigmodel.export.tuning import beside
    from bigmodel.saved import check as saved
    from bigmodel.saved.archive import check_place
    from bigmodel.train import Epoch, TrainConfig, judge, train
    from bigmodel.train.finetune import Tuned, finetune, network_for

    config = read_config(parsed, TrainConfig)
    data = yield from data_of(parsed)
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
    for event in until_interrupted(events):
        epochs += [event] if isinstance(event, Epoch) else []
        yield event
    if parsed.export and epochs:
        encoder = beside(data) if data.tuned else None
        save_files(Path(parsed.export), _taken(parsed, config, data, stack, epochs), encoder)
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
    source = None if parsed.table else source_of(parsed)
    marks = {"test": marks_of(scores, number)}
    save(model_of(config, data, stack, number, source=source, scores=marks), parsed.save)


def _taken(parsed: argparse.Namespace, config: Any, data: Any, stack: Any, epochs: list[Any]) -> dict[str, str]:
    """The files of a training that has ended, its scores among them."""
    from bigmodel.export import Account, Training, bundle, command, query
    from bigmodel.export.charts import charts
    from bigmodel.export.data import noticed
    from bigmodel.train.coach import diagnose
    from bigmodel.train.judging import marks

    words, source, last = dictionary(parsed.words), source_of(parsed), epochs[-1]
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


def add_predict(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("network", metavar="NETWORK.zip", help=say("cli.predict.saved"))
    sub.add_argument("rows", metavar="FILE", help=say("cli.predict.rows"))
    sub.add_argument("--out", default="", metavar="FILE.csv", help=say("cli.predict.out"))


def run_predict(parsed: argparse.Namespace) -> Iterator[Any]:
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
