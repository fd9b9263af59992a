"""Train a classifier: its settings, its events, the loop, and the score on the test part.

A training is a comparison of one: the same packed stack (`networks.py`) and the same steps serve `compare/`. Here its
members are the same network started from different seeds, which gives the curves their band.

Every loss and accuracy in an event is measured at the end of an epoch over the whole training and the whole validation
part, without dropout and without penalties, so that the two can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from bigmodel.config import bounded, check, chosen, listed
from bigmodel.errors import BigModelError, ConfigError

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.metrics import Scores
    from bigmodel.networks import Stack
    from bigmodel.optimizers import Moments
    from bigmodel.train.album import Album
    from bigmodel.train.course import Course
    from bigmodel.train.finetune import Tuned
    from bigmodel.train.steering import Steering


ARCHITECTURES = ("logistic", "mlp", "cnn", "lstm", "gru", "transformer", "image_cnn")
"""What `networks/plain.py` knows to build."""

SEQUENTIAL = ("lstm", "gru", "transformer")
"""Those that are nothing without a hidden layer."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a training and a comparison share: the network, the loss, the optimizer and how long it runs.

    `momentum` is SGD's. `weight_decay` is AdamW's: it shrinks every number beside the step. `l1` and `l2` work with
    every optimizer: they are terms of the loss, l1·Σ|w| + l2/2·Σw² over the weights (not the biases). `warmup` is a
    share of the steps, `clip` the longest slope of a member (0: any), `seconds` the working time after which the
    training ends wherever it stands.
    """

    architecture: str = chosen("mlp", *ARCHITECTURES)
    widths: tuple[int, ...] = listed((64, 64), 1, 1024, most=8)
    activation: str = chosen("relu", "relu", "tanh", "sigmoid", "gelu")
    normalisation: str = chosen("none", "none", "batch", "layer")
    dropout: float = bounded(0.0, 0.0, 0.9, step=0.05)
    loss: str = chosen("cross_entropy", "cross_entropy", "mse")
    label_smoothing: float = bounded(0.0, 0.0, 0.5, step=0.01)
    optimizer: str = chosen("adam", "sgd", "adagrad", "rmsprop", "adam", "adamw")
    momentum: float = bounded(0.9, 0.0, 0.99, step=0.01)
    weight_decay: float = bounded(0.01, 0.0, 1.0, log=True)
    l1: float = bounded(0.0, 0.0, 1.0, log=True)
    l2: float = bounded(0.0, 0.0, 1.0, log=True)
    clip: float = bounded(0.0, 0.0, 100.0, log=True)
    schedule: str = chosen("constant", "constant", "step", "cosine", "one_cycle")
    warmup: float = bounded(0.0, 0.0, 0.5, step=0.01)
    batch: int = bounded(32, 1, 1024, step=1)
    epochs: int = bounded(10, 1, 10_000, step=1)
    seconds: float = bounded(3600.0, 1.0, 86_400.0)
    seed: int = bounded(42, 0, 2**31 - 1, step=1)
    seeds: int = bounded(1, 1, 16, step=1)

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError(problems)

    def problems(self) -> tuple[BigModelError, ...]:
        """All that is wrong with these settings."""
        found = [BigModelError("train.batch_alone")] if self.normalisation == "batch" and self.batch == 1 else []
        if self.architecture in SEQUENTIAL and not self.widths:
            found.append(BigModelError("train.no_layers", architecture=self.architecture))
        try:
            check(self)
        except ConfigError as error:
            return (*error.problems, *found)
        return tuple(found)

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack."""
        raise NotImplementedError

    def per_member(self, name: str) -> tuple[float, ...]:
        """A setting of the optimizer, one number per member: what `Knobs` holds."""
        if name == "learning_rate":
            return tuple(rate for rate, _ in self.members)
        return (getattr(self, name),) * len(self.members)


LIVE = ("learning_rate", "batch", "dropout", "weight_decay")
"""What may change while a training runs."""


@dataclass(frozen=True)
class Change:
    """`field` (one of LIVE) has `value` from the step after `step` on."""

    step: int
    field: str
    value: float

    @classmethod
    def read(cls, text: str) -> Change:
        """From the form that `str` gives: "120:learning_rate=0.01". ValueError for anything else."""
        step, _, rest = text.partition(":")
        field, _, value = rest.partition("=")
        return cls(int(step), field.strip(), float(value))

    def __str__(self) -> str:
        return f"{self.step}:{self.field}={float(self.value)!r}".removesuffix(".0")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Setting):
    """One setting, trained from `seeds` different starts (seed, seed + 1, …) at once.

    With `patience` the training ends once so many epochs brought no lower validation loss, and the network is brought
    back to its best epoch at the end, whatever the end was. `encoder_rate` is that of a pre-trained encoder while it is
    fine-tuned (see `train/finetune.py`); the head takes the `learning_rate`. `changes` are made on the way, each at its
    step: what a person changed while it ran makes the same curve again.
    """

    learning_rate: float = bounded(1e-3, 1e-7, 10.0, log=True)
    encoder_rate: float = bounded(1e-4, 1e-7, 0.1, log=True)
    patience: int = bounded(0, 0, 1000, step=1)
    changes: tuple[Change, ...] = ()

    def problems(self) -> tuple[BigModelError, ...]:
        """All that is wrong with these settings, the changes among them."""
        found = list(super().problems())
        if found:
            return tuple(found)
        for change in self.changes:
            try:
                replace(self, changes=()).changed(change.field, change.value)
            except ConfigError as error:
                found += error.problems
        return tuple(found)

    def changed(self, field: str, value: float) -> TrainConfig:
        """With a field of LIVE at another value. ConfigError for another field or a value out of its limits."""
        if field not in LIVE:
            raise ConfigError((BigModelError("train.not_live", name=field, options=", ".join(LIVE)),))
        number = int(value) if field == "batch" and math.isfinite(value) and value == int(value) else value
        return replace(self, **{field: number})  # type: ignore[arg-type]

    def recorded(self, change: Changed) -> TrainConfig:
        """With a change that has taken effect, so that it is made again at its step."""
        made = Change(change.step, change.field, change.new)
        return self if made in self.changes else replace(self, changes=(*self.changes, made))

    def at(self, step: int) -> TrainConfig:
        """What holds after `step` steps: the changes made by then are plain settings, the later ones are left."""
        config = replace(self, changes=tuple(change for change in self.changes if change.step >= step))
        for change in sorted(self.changes, key=lambda change: change.step):
            if change.step < step:
                config = config.changed(change.field, change.value)
        return config

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack."""
        return tuple((self.learning_rate, self.seed + k) for k in range(self.seeds))


@dataclass(frozen=True)
class Member:
    """One network's measurement. `diverged_at` is the step at which it broke; its numbers are NaN from there on."""

    learning_rate: float
    seed: int
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    diverged_at: int | None


@dataclass(frozen=True)
class Progress:
    """Within a long epoch: `step` of `steps` done, and the mean batch loss of the latest steps.

    `measures`: the steps of the epoch are made, and it is being measured. That belongs to the Epoch that comes.
    """

    number: int
    of: int
    step: int
    steps: int
    seconds: float
    batch_loss: float
    measures: bool = False

    @property
    def paced(self) -> bool:
        """Whether this is a step of its own (see `runs.Run`)."""
        return not self.measures


@dataclass(frozen=True)
class Changed:
    """A change has taken effect after `step` steps, in epoch `number`."""

    paced: ClassVar[bool] = False

    number: int
    step: int
    seconds: float
    field: str
    old: float
    new: float


@dataclass(frozen=True)
class Health:
    """The first living member in the last step of an epoch, layer by layer of those with weights.

    `gradient` is the length of the loss's slope, `update` the length of the step against that of the weights, `dead`
    the share of units that pass nothing on (ReLU) or are saturated (tanh, sigmoid) on every row looked at: NaN where
    that has no meaning.
    """

    layers: tuple[str, ...]
    gradient: tuple[float, ...]
    update: tuple[float, ...]
    dead: tuple[float, ...]


@dataclass(frozen=True)
class Epoch:
    """The state after `number` of `of` epochs; number 0 is the start, before any step.

    Losses and accuracies are means over the members that have not diverged (NaN when all have). `seconds` counts
    work, not pauses. `surface`, for data of two features only: P(class) on a SURFACE × SURFACE grid over
    `surface_grid(data)` as uint8 (255 = certain), class by class, each row by row from the lowest second feature up;
    None on epochs without. `rate` is that of the last step, schedule and changes included (at the start: of the
    first). `best` is the epoch with the lowest validation loss so far. `health` is None on the start, and on most
    epochs of a very long training. `ended` is None while the training goes on, then "finished", "early" (no better
    for so long), "time" (the time limit) or "diverged" (all members have).
    """

    number: int
    of: int
    step: int
    steps: int
    seconds: float
    rate: float
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    members: tuple[Member, ...]
    surface: bytes | None = None
    ended: str | None = None
    health: Health | None = None
    best: int | None = None


SURFACE = 60
"""Points along each side of the decision surface."""


def train(
    config: TrainConfig,
    stack: Stack,
    data: Dataset,
    *,
    album: Album | None = None,
    steering: Steering | None = None,
    start: int = 0,
    moments: Moments | None = None,
) -> Iterator[Epoch | Progress | Changed]:
    """Train every member of `stack` in place on `data.train`: one Epoch per epoch, Progress within long ones.

    `album` gets a picture after each epoch; what `steering` is asked for takes effect on the way, each with an event.
    A fork: `start` is the number of epochs that the stack has been trained; numbering goes on there, up to
    `config.epochs`. With the optimizer's `moments` of then it goes on exactly as it would have.
    """
    from bigmodel.train.course import advance, begin, news, progress, settle

    course = begin(config, stack, data, surface=len(data.features) == 2, start=start)
    course.watch(album=album, steering=steering, moments=moments)
    try:
        while course.ended is None:
            while not advance(course):
                yield from news(course)
                yield progress(course)
            yield from news(course)
            yield _epoch(course)
    finally:
        settle(course)


def _epoch(course: Course) -> Epoch:
    return Epoch(
        number=course.number,
        of=course.config.epochs,
        step=course.step,
        steps=course.steps,
        seconds=course.seconds,
        rate=course.rate,
        train_loss=mean(m.train_loss for m in course.members),
        valid_loss=mean(m.valid_loss for m in course.members),
        train_accuracy=mean(m.train_accuracy for m in course.members),
        valid_accuracy=mean(m.valid_accuracy for m in course.members),
        members=course.members,
        surface=course.surface,
        ended=course.ended,
        health=course.health,
        best=course.best,
    )


def judge(stack: Stack | Tuned, data: Dataset) -> Scores:
    """The scores on the test part. With several seeds: those of the first member, and every member's accuracy."""
    from bigmodel.datasets import drain
    from bigmodel.metrics import scores
    from bigmodel.train.judging import probabilities

    return scores(data.test.y, drain(probabilities(stack, data.test.x)), data.classes)


def surface_grid(data: Dataset) -> tuple[float, float, float, float]:
    """(x0, x1, y0, y1): what the surface of two-feature data covers, in the units of the raw features."""
    x = data.train.x * data.scale + data.mean
    low, high = x.min(0), x.max(0)
    room = 0.1 * (high - low)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return x0, x1, y0, y1


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN when none is."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
