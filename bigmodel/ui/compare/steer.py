"""A race is interfered with: further rates, seeds and epochs, or an entry less, while it runs and after its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.compare import CompareConfig
from bigmodel.compare.orders import GoOn, Leave, MoreRates, MoreSeeds, Order, between, beyond
from bigmodel.config import limits_of
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.ui.compare.seen import Seen
from bigmodel.ui.live import PACES
from bigmodel.ui.widgets import QUIET
from bigmodel.ui.words import word

if TYPE_CHECKING:
    from bigmodel.ui.compare import Track
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """Buttons for further rates, and for more seeds and epochs with how many. The tiles' own buttons take out."""
    with gr.Column(visible=False, elem_id="compare-orders", elem_classes="orders-box") as box:
        page.markdown("compare.orders")
        with gr.Row(elem_classes="orders"):
            rates = {
                name: page.button(f"compare.order.{name}", size="sm", elem_id=f"compare-{name}", min_width=120)
                for name in ("lower", "closer", "higher")
            }
        with gr.Row(elem_classes="orders"):
            seeds = _amount(page, "seeds", 2)
            more_seeds = page.button("compare.order.seeds", size="sm", elem_id="compare-more-seeds", min_width=120)
            epochs = _amount(page, "epochs", 10)
            more_epochs = page.button("compare.order.epochs", size="sm", elem_id="compare-more-epochs", min_width=120)
            go_on = page.button("compare.order.go_on", size="sm", elem_id="compare-go-on", min_width=120)
    orders(page, live, track, rates["lower"], lambda race: MoreRates(beyond(race.rates, "low")))
    orders(page, live, track, rates["higher"], lambda race: MoreRates(beyond(race.rates, "high")))
    orders(page, live, track, rates["closer"], closer)
    orders(page, live, track, more_seeds, lambda race, count: MoreSeeds(amount("seeds", count)), seeds)
    orders(page, live, track, more_epochs, lambda race, count: GoOn(amount("epochs", count)), epochs)
    orders(page, live, track, go_on, lambda race: GoOn(0))
    out(page, live, track)
    return [box, go_on]


def _amount(page: Page, name: str, value: int) -> gr.Number:
    field = gr.Number(value, interactive=True, min_width=110, elem_id=f"compare-{name}-more")
    number: gr.Number = page.words(field, label=f"compare.order.{name}.label", info=f"compare.order.{name}.info")
    return number


def amount(name: str, value: Any) -> int:
    """How many further seeds or epochs: a whole number from 1 on. ConfigError for anything else."""
    most = int(limits_of(CompareConfig, name).high)
    if value is None:
        empty = {"field": name, "label": f"compare.order.{name}.label", "value": value, "example": 2}
        raise ConfigError((BigModelError("config.empty", **empty),))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= most or value != int(value):
        said = {"field": name, "label": f"compare.order.{name}.label", "value": value, "low": 1, "high": most}
        raise ConfigError((BigModelError("config.whole", **said),))
    return int(value)


def closer(race: Any) -> MoreRates:
    """Rates between the best and its neighbours."""
    running = [trial for trial in race.trials() if trial.runs]
    if not running:
        raise ConfigError((BigModelError("compare.nobody"),))
    best = min(running, key=lambda trial: trial.valid_loss)
    return MoreRates(between(race.rates, best.learning_rate))


def orders(page: Page, live: Live, track: Track, button: gr.Button, make: Callable[..., Order], *inputs: Any) -> None:
    """A press of the button is an order for the visitor's race, made from the race and the values of `inputs`.

    One that runs takes it between two slices of work; one that has ended is taken up again.
    """

    def press(visitor: str, language: str, speed: str, request: gr.Request, *values: Any) -> None:
        _order(live, (visitor, language, speed), request, lambda race: make(race, *values))

    asked = button.click(
        press,
        [page.visitor, page.language, track.pace, *inputs],
        None,
        **QUIET,
        concurrency_limit=None,
    )
    live.attach(asked, "compare")


def out(page: Page, live: Live, track: Track) -> None:
    """The button of a tile takes its entry out of the race."""

    def press(visitor: str, language: str, speed: str, event: gr.EventData, request: gr.Request) -> None:
        if event.out:
            _order(live, (visitor, language, speed), request, lambda race: Leave(int(event.trial)))

    inputs = [page.visitor, page.language, track.pace]
    track.tiles.select(press, inputs, None, **QUIET, concurrency_limit=None)


def _order(live: Live, asked: tuple[str, str, str], request: gr.Request, make: Callable[[Any], Order]) -> None:
    from bigmodel.ui.compare import taken_up

    visitor, language, speed = asked
    run = live.run("compare", visitor, request)
    if run is None or "race" not in run.shelf:
        return
    race = run.shelf["race"]
    try:
        order = make(race)
        race.check(order)
    except BigModelError as error:
        raise gr.Error(word(error, language), print_exception=False) from None
    if not run.shelf["orders"].ask(order) and not isinstance(order, Leave):
        start = taken_up(run, order, PACES.get(speed, 0.0))
        live.runs.start(live.arrive(visitor, request), "compare", start.job, conclude=start.conclude, rate=start.rate)


def view(seen: Seen | None, language: str) -> list[Any]:
    """The orders are there once there is a race; going on where it stopped, when it did."""
    stands = seen is not None and not seen.busy and seen.rounds[-1].ended in (None, "time")
    return [gr.update(visible=seen is not None), gr.update(visible=stands)]
