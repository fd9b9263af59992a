"""All entries as they learn: their curves in one chart, their small boundaries side by side."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from bigmodel import plots
from bigmodel.compare import Trial
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.compare.choose import chooses, on_point, on_tile
from bigmodel.ui.compare.seen import Seen, named, part, rate
from bigmodel.ui.compare.tiles import tile_wall
from bigmodel.ui.wire import columns
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.ui.compare import Track
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """The curves, and the tiles under them: a press chooses an entry, a tile's button takes it out of the race."""
    curves = chart(height=400, elem_id="compare-curves")
    tiles = tile_wall(elem_id="compare-tiles")
    track.tiles = tiles
    chooses(page, live, curves, on_point)
    chooses(page, live, tiles, on_tile)
    return [curves, tiles]


def view(seen: Seen | None, language: str) -> list[Any]:
    """Curves and tiles of a race as it stands."""
    words = chart_words(language)
    if seen is None:
        return [frame(plots.rate_curves((), (), (), words)), None]
    names = [named(trial.entry, seen.varied, language) for trial in seen.trials]
    best = seen.answer.best if seen.answer else None
    curves = plots.rate_curves(seen.trials, seen.curves, names, words, best=best, chosen=seen.chosen)
    return [frame(curves), wall(seen, names, language)]


def wall(seen: Seen, names: list[str], language: str) -> dict[str, Any] | None:
    """The tiles, each with the name, the colour and the loss of its entry."""
    if seen.tiles is None:
        return None
    colours = plots.entry_colours(seen.trials)
    best = seen.answer.best if seen.answer else None
    tiles = [
        {
            "trial": place,
            "title": names[place],
            "name": rate(seen.trials[place].learning_rate, 3),
            "kind": " · ".join(part(seen.trials[place].entry, name, language) for name in seen.varied),
            "note": note(seen.trials[place], language),
            "colour": colours[place],
            "state": "best" if place == best else "runs" if seen.trials[place].runs else "gone",
        }
        for place in seen.tiles.places
    ]
    few = len(tiles) < len(seen.trials)
    return {
        "caption": say("compare.tiles", language),
        "note": say("compare.tiles.few", language, shown=len(tiles), of=len(seen.trials)) if few else "",
        "side": seen.tiles.side,
        "colours": [[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in plots.PALETTE],
        "pixels": base64.b64encode(seen.tiles.pixels).decode("ascii"),
        "leave": say("compare.leave", language) if seen.busy else "",
        "chosen": seen.chosen,
        "tiles": columns(tiles),
    }


def note(trial: Trial, language: str) -> str:
    """What stands under a tile: the validation loss, or why there is none."""
    if trial.diverged_at is not None:
        return say("compare.remark.diverged", language, step=trial.diverged_at)
    if trial.left:
        return say("compare.remark.left", language, epoch=trial.number)
    return say("compare.tiles.loss", language, loss=trial.valid_loss)
