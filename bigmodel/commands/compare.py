"""`compare` and `finders`: a race of settings, and the learning-rate finders on trial."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bigmodel.commands.options import add_config, add_data, data_of, read_config, until_interrupted
from bigmodel.commands.output import Result
from bigmodel.ui.words import say


def add_compare(sub: argparse.ArgumentParser) -> None:
    from bigmodel.compare import CompareConfig

    add_data(sub)
    add_config(sub, CompareConfig)


def run_compare(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.compare import CompareConfig, Ranking, lines, rank
    from bigmodel.compare.answer import answer
    from bigmodel.compare.race import Race, run
    from bigmodel.compare.verdict import judge

    config = read_config(parsed, CompareConfig)
    data = yield from data_of(parsed)
    race = Race(config, data)
    yield race.plan
    for event in until_interrupted(run(race)):
        if event is not None and not isinstance(event, Ranking):
            yield event
    if not race.rounds:
        return
    ranking = [{**asdict(row), **asdict(row.entry)} for row in rank(race.rounds[-1]).ranking]
    found = answer(race.rounds[-1].trials, lines(race.rounds))
    verdict = next((asdict(event) for event in judge(race) if event is not None), None)
    told = {"ranking": ranking, "answer": asdict(found) if found else None, "test": verdict, "finders": _votes(race)}
    yield Result({**told, "seconds": race.seconds, "dataset": data.name, "config": asdict(config)})


def _votes(race: Any) -> list[dict[str, Any]]:
    """What the finders say of a race that has ended."""
    from bigmodel.compare.finders import Said, judged, listen

    trials = race.trials()
    said = listen(race.config, trials, race.data, race.seeds) if race.config.finders else ()
    votes = [judged(event, trials) for event in said if isinstance(event, Said)]
    return [asdict(found) for found in votes if found is not None]


def add_finders(sub: argparse.ArgumentParser) -> None:
    from bigmodel.compare.court import FindersConfig

    sub.add_argument("--out", default="FINDERS.md", metavar="FILE", help=say("cli.finders.out"))
    add_config(sub, FindersConfig)


def run_finders(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.compare.court import FindersConfig, hear, page

    config = read_config(parsed, FindersConfig)
    cases = []
    for case in until_interrupted(hear(config)):
        cases.append(case)
        yield case
    Path(parsed.out).write_text(page(cases, config), encoding="utf-8")
    yield Result({"page": parsed.out, "cases": [asdict(case) for case in cases], "config": asdict(config)})
