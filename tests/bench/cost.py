"""How cost grows with members: one to 128 networks in packed stacks, for three sizes of net, at one thread and at two.

`measure` times it, `chart` draws it: a plain SVG that follows the reader's light or dark scheme. plotly writes SVG only
in a browser or with a browser of its own; a line chart is a page of text.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

NETS = (("10-16-2", "article", (16,), 30), ("64-64-10", "digits", (64,), 6), ("64-256-256-10", "digits", (256, 256), 1))
"""Name, data set, hidden layers, and how many epochs are long enough to time."""

MEMBERS = (1, 2, 4, 8, 16, 32, 64, 128)
THREADS = (1, 2)
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall of an epoch (trained and measured) of so many members, the median of all turns.

    `times` says how many times that is of what one member takes on one thread.
    """

    net: str
    threads: int
    members: int
    seconds: float
    times: float


def measure(
    nets: Sequence[tuple[str, str, tuple[int, ...], int]] = NETS,
    members: Sequence[int] = MEMBERS,
    repeats: int = REPEATS,
) -> Iterator[Cost]:
    """All of it, turn by turn, so that what else the machine does falls on all alike."""
    import torch

    from bigmodel.datasets import DatasetConfig, load_dataset

    before = torch.get_num_threads()
    for name, dataset, widths, epochs in nets:
        data = load_dataset(DatasetConfig(dataset=dataset))
        spent: dict[tuple[int, int], list[float]] = {}
        for turn in range(repeats + 1):
            for count in members:
                for threads in THREADS:
                    torch.set_num_threads(threads)
                    seconds = _epochs(data, widths, count, epochs) / epochs
                    if turn:  # the first warms up
                        spent.setdefault((threads, count), []).append(seconds)
        torch.set_num_threads(before)
        medians = {key: statistics.median(values) for key, values in spent.items()}
        one = medians[1, members[0]]
        for (threads, count), seconds in medians.items():
            yield Cost(name, threads, count, seconds, seconds / one)


def _epochs(data, widths: tuple[int, ...], count: int, epochs: int) -> float:
    """Seconds of so many epochs of a race of `count` rates, from the first step to the last measurement."""
    from bigmodel.compare import CompareConfig
    from bigmodel.compare.entries import entries, lanes
    from bigmodel.networks import build
    from bigmodel.train.course import advance, begin

    # Rates at which nothing diverges: who leaves costs nothing any more.
    spread = {"rates_as": "range", "lowest": 1e-4, "highest": 0.01, "count": max(2, count)}
    config = CompareConfig(**spread, widths=widths, epochs=epochs)
    planned = lanes(config, entries(config), range(count), (config.seed,), data)
    courses = [begin(lane, build(lane, data), data) for lane, _ in planned]
    begun = time.perf_counter()
    for course in courses:
        while course.ended is None:
            advance(course)
    return time.perf_counter() - begun


def told(costs: Sequence[Cost]) -> str:
    """What the most members cost, in one sentence."""
    most = max(cost.members for cost in costs)
    ends = [cost for cost in costs if cost.members == most and cost.threads == 1]
    return f"{most} networks cost " + ", ".join(f"{cost.times:.0f} × one ({cost.net})" for cost in ends)


# ---- the picture ---------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 84, 52
COLOURS = ("#0083c9", "#d55e00", "#009e73")
"""Of the nets; they read on white and on black."""

STYLE = """
.page { fill: #ffffff; } text { fill: #1f2328; font: 13px system-ui, sans-serif; } .head { font-weight: 600; }
.grid { stroke: #d0d7de; } .alone { stroke: #6e7781; } .line { fill: none; stroke-width: 2.2; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; } text { fill: #e6edf3; } .grid { stroke: #30363d; } .alone { stroke: #9198a1; }
}
"""


def chart(costs: Sequence[Cost]) -> str:
    """The costs as SVG: both axes logarithmic, a colour per net, dashes for two threads, dots for no packing at all."""
    nets = tuple(dict.fromkeys(cost.net for cost in costs))
    members = sorted({cost.members for cost in costs})
    highest = max(members[-1], *(cost.times for cost in costs))
    lowest = min(1.0, *(cost.times for cost in costs))
    place = _Place(members[0], members[-1], lowest, highest)
    drawn = [*_axes(place, members), *_legend(nets)]
    drawn.append(_line([(m, m / members[0]) for m in members], place, 'class="line alone" stroke-dasharray="1 5"'))
    for net, colour in zip(nets, COLOURS, strict=False):
        for threads in sorted({cost.threads for cost in costs}):
            own = sorted(
                (cost for cost in costs if (cost.net, cost.threads) == (net, threads)), key=lambda c: c.members
            )
            dashes = ' stroke-dasharray="7 4"' if threads > 1 else ""
            drawn.append(_line([(c.members, c.times) for c in own], place, f'class="line" stroke="{colour}"{dashes}'))
            drawn += [_dot(cost, place, colour) for cost in own]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    title = f"<title>{escape(told(costs))}</title>"
    page = f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
    return "\n".join([head, title, f"<style>{STYLE}</style>", page, *drawn, "</svg>", ""])


@dataclass(frozen=True)
class _Place:
    """Where a value stands: members from left to right, times from bottom to top, both by their logarithms."""

    fewest: float
    most: float
    lowest: float
    highest: float

    def x(self, members: float) -> float:
        along = math.log(members / self.fewest) / math.log(self.most / self.fewest)
        return round(LEFT + along * (WIDTH - LEFT - RIGHT), 1)

    def y(self, times: float) -> float:
        along = math.log(times / self.lowest) / math.log(self.highest / self.lowest)
        return round(HEIGHT - BOTTOM - along * (HEIGHT - TOP - BOTTOM), 1)


def _axes(place: _Place, members: Sequence[int]) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for count in members:
        yield f'<line class="grid" x1="{place.x(count)}" x2="{place.x(count)}" y1="{TOP}" y2="{bottom}"/>'
        yield f'<text x="{place.x(count)}" y="{bottom + 19}" text-anchor="middle">{count}</text>'
    for times in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        if place.lowest <= times <= place.highest:
            yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{place.y(times)}" y2="{place.y(times)}"/>'
            yield f'<text x="{LEFT - 8}" y="{place.y(times) + 4}" text-anchor="end">{times} ×</text>'
    yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle">networks trained at once</text>'
    turned = f'transform="translate(16 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle"'
    yield f"<text {turned}>time of an epoch, one = 1 ×</text>"


def _legend(nets: Sequence[str]) -> Iterator[str]:
    yield f'<text class="head" x="{LEFT}" y="24">What more networks cost</text>'
    for k, (net, colour) in enumerate(zip(nets, COLOURS, strict=False)):
        yield _key(LEFT + 150 * k, 48, net, f'stroke="{colour}"')
    kinds = (("1 thread", ""), ("2 threads", 'stroke-dasharray="7 4"'), ("one after another", 'stroke-dasharray="1 5"'))
    for k, (name, dashes) in enumerate(kinds):
        yield _key(LEFT + 150 * k, 70, name, f'class="line alone" {dashes}')


def _key(x: float, y: float, name: str, look: str) -> str:
    stroke = f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" stroke-width="2.2" {look}/>'
    return f'{stroke}<text x="{x + 32}" y="{y}">{escape(name)}</text>'


def _line(points: Sequence[tuple[float, float]], place: _Place, look: str) -> str:
    return f'<polyline {look} points="{" ".join(f"{place.x(m)},{place.y(t)}" for m, t in points)}"/>'


def _dot(cost: Cost, place: _Place, colour: str) -> str:
    threads = f"{cost.threads} thread{'s' if cost.threads > 1 else ''}"
    said = f"{cost.members} × {cost.net}, {threads}: {1000 * cost.seconds:.3g} ms an epoch, {cost.times:.2f} × one"
    at = f'cx="{place.x(cost.members)}" cy="{place.y(cost.times)}"'
    return f'<circle {at} r="3" fill="{colour}"><title>{escape(said)}</title></circle>'
