"""A training as one HTML file: what was asked, what came out, every chart and every number. Opens without a network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any

from bigmodel.export import paper
from bigmodel.export.command import written
from bigmodel.export.tables import by_class
from bigmodel.jsonable import jsonable
from bigmodel.metrics import Scores, numbers_of

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.datasets.doctor import Finding
    from bigmodel.export.plan import Training
    from bigmodel.train import Epoch
    from bigmodel.train.coach import Diagnosis
    from bigmodel.train.judging import Judged

MOST_CLASSES = 30
"""Classes of a confusion matrix that is written out."""

Words = Mapping[str, str]


@dataclass(frozen=True)
class Account:
    """What is known of a training beside its recipe.

    `noticed` is what the data doctor found in an own table, `charts` are figures as plain JSON, `command` makes the
    training again, `link` opens its settings (a query), `file` and `target` name an own table, `parameters`
    counts the numbers of one network.
    """

    epochs: Sequence[Epoch]
    judged: Sequence[Judged] = ()
    diagnoses: Sequence[Diagnosis] = ()
    noticed: Sequence[Finding] = ()
    charts: Sequence[Mapping[str, Any]] = ()
    command: str = ""
    link: str = ""
    file: str = ""
    target: str = ""
    parameters: int = 0


def report(training: Training, account: Account, words: Words, language: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """The file, and the figures for its places `<!--NAME-->` (see `paper.py`). `words` is the language's dictionary."""
    drawings = paper.figures(account.charts)
    name = account.file or words.get(f"dataset.{training.data.name}", training.data.name)
    title = words["export.report.title"].format_map({"name": name})
    body = (
        paper.table((), _ends(training, account, words)),
        *_coached(training, account, words),
        *(paper.figure(place, drawn) for place, drawn in drawings.items()),
        *_scores(account, words),
        paper.heading(words["export.report.data"]),
        *_data(training, account, name, words),
        paper.heading(words["export.report.settings"]),
        paper.table((), _settings(training.config, "train", (), words)),
        *_again(training, account, words),
        f'<script type="application/json" id="training">{paper.within_script(numbers(training, account))}</script>',
    )
    return paper.page(title, body, language), drawings


def numbers(training: Training, account: Account) -> str:
    """The settings, the curve and the scores as JSON; what is no finite number is null."""
    told = {
        "config": asdict(training.config),
        "data": asdict(training.source),
        "epochs": [{f: getattr(e, f) for f in _CURVE} for e in account.epochs],
        "judged": [{"part": j.part, "epoch": j.number, **asdict(j.scores)} for j in account.judged],
    }
    return json.dumps(jsonable(told), ensure_ascii=False, allow_nan=False)


_CURVE = ("number", "step", "seconds", "rate", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")


# ---- the parts -----------------------------------------------------------------------------------------------------


def _ends(training: Training, account: Account, words: Words) -> Iterator[tuple[str, str]]:
    """How it went, in a few lines."""
    last = account.epochs[-1]
    told = words["train.status"].format_map(asdict(last))
    if last.ended in ("diverged", "early"):
        told += " · " + words[f"train.status.{last.ended}"].format_map({"best": last.best})
    yield words["export.report.run"], told
    back = training.config.patience and last.best is not None
    rows = {epoch.number: epoch for epoch in account.epochs}
    end = rows.get(last.best, last) if back and last.best is not None else last
    yield words["chart.train"], _pair(end.train_loss, end.train_accuracy, words)
    yield words["chart.valid"], _pair(end.valid_loss, end.valid_accuracy, words)
    if account.parameters:
        told = words["export.report.parameters"].format_map({"count": account.parameters})
        yield words["export.report.network"], told


def _pair(loss: float, accuracy: float, words: Words) -> str:
    if not math.isfinite(loss):
        return "–"
    return f"{words['chart.loss']} {loss:.4f}, {words['chart.accuracy']} {accuracy:.1%}"


def _coached(training: Training, account: Account, words: Words) -> Iterator[str]:
    """What the coach says."""
    found = list(findings(account.diagnoses, training.data.classes, words))
    yield paper.heading(words["coach.title"])
    if not found:
        yield paper.paragraph(words["export.report.calm"])
    for name, why in found:
        yield f"<p><strong>{escape(name)}.</strong> {escape(why)}</p>"


def findings(diagnoses: Iterable[Diagnosis], classes: Sequence[str], words: Words) -> Iterator[tuple[str, str]]:
    """(what is wrong, the numbers that show it) of each diagnosis, in words."""
    for one in diagnoses:
        values = dict(one.values)
        if "place" in values:
            values["name"] = classes[values["place"]]
        elif one.key == "beaten":
            values["name"] = words[f"train.baseline.{values['name']}"]
        yield words[f"coach.{one.key}"], words[f"coach.{one.key}.why"].format_map(values)


def _scores(account: Account, words: Words) -> Iterator[str]:
    """The scores of each part that was judged; the test part only once it was opened."""
    for judged in account.judged:
        found = judged.scores
        yield paper.heading(words[f"train.part.{judged.part}"])
        yield paper.paragraph(
            words[f"train.scores.{judged.part}"].format_map({"rows": found.rows, "number": judged.number})
            + " "
            + words[f"train.scores.note.{found.average}"].format_map({"positive": found.classes[-1]})
        )
        yield paper.table((), _overall(found, words))
        yield paper.table(*_by_class(found, words))
        yield from _confusion(found, words)
    if all(judged.part != "test" for judged in account.judged):
        yield paper.heading(words["train.part.test"])
        yield paper.paragraph(words["export.report.sealed"])


def _overall(found: Scores, words: Words) -> Iterator[tuple[str, ...]]:
    spreads = {spread.name: spread for spread in found.spreads}
    for name, value in numbers_of(found).items():
        more = []
        if name == "accuracy":
            low, high = found.interval
            more.append(words["train.scores.interval"].format_map({"low": low, "high": high}))
        if name in spreads:
            more.append(words["train.scores.spread"].format_map(asdict(spreads[name])))
        yield words[f"train.scores.{name}"], _number(value), " · ".join(more)


def _by_class(found: Scores, words: Words) -> tuple[list[str], list[list[str]]]:
    """The table of classes: heads and lines."""
    heads = [words[f"export.report.{name}"] for name in ("class", "rows")]
    heads += [words[f"train.scores.{name}"] for name in ("precision", "recall", "f1")]
    lines = [
        [
            *(one.name, str(one.rows), _banded(one.precision, one.precision_interval)),
            *(_banded(one.recall, one.recall_interval), _number(one.f1)),
        ]
        for one in by_class(found)
    ]
    return heads, lines


def _banded(value: float, band: tuple[float, float]) -> str:
    return f"{value:.3f} ({band[0]:.3f} – {band[1]:.3f})" if math.isfinite(value) else "–"


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _confusion(found: Scores, words: Words) -> Iterator[str]:
    """A row per true class, a column per guess."""
    if len(found.classes) <= MOST_CLASSES:
        yield paper.paragraph(words["export.report.confusion"])
        lines = ([name, *map(str, row)] for name, row in zip(found.classes, found.confusion, strict=True))
        yield paper.table(["", *found.classes], lines)


def _data(training: Training, account: Account, name: str, words: Words) -> Iterator[str]:
    """Where the rows come from, how they were split, and what was done to them."""
    data = training.data
    rows: list[tuple[str, str]] = [(words["datasets.dataset.label"], name)]
    if account.target:
        rows.append((words["datasets.target.label"], account.target))
    shown = ", ".join(data.features[:12]) + (" …" if len(data.features) > 12 else "")
    rows.append((words["export.report.features"], f"{len(data.features)}: {shown}"))
    yield paper.table((), [*rows, *_settings(training.source, "datasets", ("dataset", "points"), words)])
    heads = [words["export.report.class"], words["chart.train"], words["chart.valid"], words["train.part.test"]]
    yield paper.table(heads, _shares(data))
    for finding in account.noticed:
        said = words[f"doctor.finding.{finding.key}"].format_map(dict(finding.values))
        yield f"<p><strong>{escape(words[f'doctor.{finding.severity}'])}.</strong> {escape(said)}</p>"
    for notice in data.notices:
        yield paper.paragraph(words[f"datasets.notice.{notice.key}"].format_map(dict(notice.values)))


def _shares(data: Dataset) -> Iterator[list[str]]:
    """Rows of each class in each part."""
    import numpy as np

    parts = (data.train, data.valid, data.test)
    counts = [np.bincount(part.y, minlength=len(data.classes)) for part in parts]
    for k, name in enumerate(data.classes[:MOST_CLASSES]):
        yield [name, *(str(int(count[k])) for count in counts)]
    yield ["Σ", *(str(len(part.y)) for part in parts)]


def _settings(config: Any, feature: str, but: Sequence[str], words: Words) -> Iterator[tuple[str, str]]:
    """Every setting by its label."""
    for f in fields(config):
        if f.name not in but:
            value = getattr(config, f.name)
            label = words.get(f"{feature}.{f.name}.label", f.name)
            yield label, words.get(f"{f.name}.{value}", written(value)) or "–"


def _again(training: Training, account: Account, words: Words) -> Iterator[str]:
    """How to make the same curve again."""
    yield paper.heading(words["export.report.again"])
    if training.origin is not None:
        yield paper.paragraph(words["export.report.forked"].format_map({"number": training.origin.epoch}))
        return
    if account.command:
        yield f"<p>{escape(words['export.report.command'])} <code>{escape(account.command)}</code></p>"
    if account.link:
        yield f"<p>{escape(words['export.report.link'])} <code>{escape(account.link)}</code></p>"
