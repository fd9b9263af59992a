"""The panel of what happens inside: closed it costs nothing, open it has every layer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bigmodel.train import Health
from bigmodel.ui.train import health
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epoch, epochs, sent, setup, snapshot, strict

INSIDE = Health(("hidden1", "output"), (0.1, 0.2), (1e-3, 2e-3), (0.25, float("nan")))


def test_a_closed_panel_is_sent_a_few_bytes() -> None:
    """From one epoch to the next goes a number, not the figure; an epoch that was not examined changes nothing."""
    examined = [replace(epoch(number, 500), health=INSIDE) for number in range(1, 400)]
    before, after = (health.view(snapshot(setup(), *examined[:count]), "en") for count in (398, 399))
    assert before != after
    assert sent(before, after) < 100
    assert health.view(snapshot(setup(), *examined, epoch(400, 500)), "en") == after


def test_what_is_fetched_is_new_in_another_language_or_run() -> None:
    """The mark that makes an open panel fetch differs by language, and by run at the same epoch."""
    one, two = (snapshot(setup(), replace(epoch(3), health=INSIDE, train_loss=loss)) for loss in (0.5, 0.6))
    marks = [health.view(run, language)[0]["turn"] for run in (None, one, two) for language in LANGUAGES]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_open_panel_shows_every_layer(language: str) -> None:
    """The figure that is fetched has a line a layer under its caption, before a run the empty axes."""
    run = snapshot(setup(), epoch(0), *(replace(one, health=INSIDE) for one in epochs(5)[1:]))
    value = health.drawn(run, language)
    strict([value])
    names = {say("train.layer.hidden", language, number="1"), say("train.layer.output", language)}
    assert names <= {line.get("name") for line in value["data"]}
    assert health.layer("unheard-of", language) == "unheard-of"
    assert value["layout"]["meta"]["caption"] == say("chart.health.caption", language)
    assert health.drawn(None, language)["data"] == []
