"""The coach's panel: what is wrong with the run, its evidence, and a button that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.errors import BigModelError, RunError
from bigmodel.runs import ENDED, Earlier, Run, Snapshot
from bigmodel.train import Epoch
from bigmodel.train.coach import Diagnosis, Mend, diagnose
from bigmodel.ui.data import Source
from bigmodel.ui.train.earlier import shown
from bigmodel.ui.train.setup import Setup, settings, standing, tuned
from bigmodel.ui.train.steer import branch
from bigmodel.ui.widgets import QUIET
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

BAD = ("diverged", "rate_high", "rate_leaps", "collapse", "telling")

_SCRIPT = """
const list = element.querySelector('ul'), title = element.querySelector('b'), calm = element.querySelector('p');
function item({key, name, text, mend, bad}) {
    const made = document.createElement('li'), said = document.createElement('div');
    const head = document.createElement('strong'), why = document.createElement('span');
    const button = document.createElement('button');
    made.className = bad ? 'bad' : '';
    head.textContent = name;
    why.textContent = text;
    said.append(head, why);
    button.type = 'button';
    button.dataset.mend = key;
    button.textContent = mend;
    button.onclick = () => { button.disabled = true; trigger('select', {mend: key}); };
    made.append(said, button);
    return made;
}
let drawn = '';
function show() {
    const v = props.value || {title: '', calm: '', items: []};
    // The same diagnosis stays: a button that is about to be pressed must not be made anew.
    const now = JSON.stringify(v.items.map(one => [one.key, one.mend, one.name, v.turn]));
    title.textContent = v.title;
    calm.textContent = v.calm;
    calm.hidden = !v.calm;
    if (now !== drawn) list.replaceChildren(...v.items.map(item));
    else v.items.forEach(({text}, k) => { list.children[k].querySelector('span').textContent = text; });
    drawn = now;
}
watch('value', show);
show();
"""

_STYLE = """
.coach { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 12px 14px; }
.coach { background: var(--block-background-fill); }
.coach ul { list-style: none; margin: 0; padding: 0; }
.coach li { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin-top: 10px; }
.coach li { border-left: 4px solid #d97706; padding-left: 12px; }
.coach li.bad { border-left-color: #dc2626; }
.coach li > div { flex: 1 1 300px; }
.coach strong { display: block; }
.coach p { margin: 4px 0 0; color: var(--body-text-color-subdued); }
.coach button { padding: 6px 14px; border-radius: 8px; cursor: pointer; text-align: left; max-width: 100%; }
.coach button { border: 1px solid var(--color-accent); color: var(--body-text-color); font-weight: 600; }
.coach button { background: var(--background-fill-primary); }
.coach button:disabled { opacity: .5; }
"""


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """The list of what is wrong; a press on a mend starts it and fills the form with what it set."""
    advice = gr.HTML(
        None,
        html_template='<section class="coach" role="status"><b></b><p></p><ul></ul></section>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        elem_id="train-coach",
        padding=False,
    )

    def mended(visitor: str, language: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        run = live.run("train", visitor, request)
        key = (getattr(event, "_data", None) or {}).get("mend")
        if run is None:
            return [gr.skip() for _ in desk.inputs]
        found = [one for one in advise(run.snapshot()) if one.key == key]
        try:
            if not found:
                raise RunError("coach.gone")
            source, config = mend(live, run, found[0].mend, language)
        except BigModelError as error:
            raise gr.Error(word(error, language), print_exception=False) from None
        return [*desk.data.show(source), *desk.form.show(config)]

    pressed = advice.select(mended, [page.visitor, page.language], desk.inputs, **QUIET)
    live.attach(pressed, "train")
    return [advice]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """What is wrong with a run as it stands; at its end, that nothing is."""
    found = advise(snapshot) if snapshot else ()
    over = snapshot is not None and snapshot.state in ENDED
    epochs = [event for event in snapshot.events if isinstance(event, Epoch)] if snapshot else []
    calm = "" if found else say("coach.waiting", language)
    if snapshot is not None and tuned(snapshot.events):
        return [{"title": say("coach.title", language), "calm": say("coach.tuned", language), "items": [], "turn": 0}]
    if not found and over and len(epochs) > 1:
        said = {"train": epochs[-1].train_loss, "valid": epochs[-1].valid_loss}
        calm = say("coach.healthy", language, **said)
    items = [
        {
            "key": one.key,
            "name": say(f"coach.{one.key}", language),
            "text": evidence(one, snapshot, language),
            "mend": mend_words(one.mend, language),
            "bad": one.key in BAD,
        }
        for one in found
    ]
    # A new run gives a pressed button back, even when it has the same illness.
    turn = epochs[0].number if epochs else 0
    return [{"title": say("coach.title", language), "calm": calm, "items": items, "turn": turn}]


def advise(snapshot: Snapshot) -> tuple[Diagnosis, ...]:
    """The diagnoses of a run as it stands."""
    setup = next((event for event in snapshot.events if isinstance(event, Setup)), None)
    config = standing(snapshot.events)
    if setup is None or setup.plane is None or config is None:
        return ()
    over = snapshot.state in ENDED
    return diagnose(snapshot.events, config, rows=setup.rows[1], over=over)


def evidence(found: Diagnosis, snapshot: Snapshot | None, language: str) -> str:
    """The numbers behind a diagnosis, in a sentence."""
    values = dict(found.values)
    setup = next((event for event in snapshot.events if isinstance(event, Setup)), None) if snapshot else None
    if "place" in values and setup is not None:
        values["name"] = setup.classes[values["place"]]
    elif found.key == "beaten":
        values["name"] = say(f"train.baseline.{values['name']}", language)
    return say(f"coach.{found.key}.why", language, **values)


def mend_words(cure: Mend, language: str) -> str:
    """What the button of a mend says."""
    told = [say(f"train.{name}.label", language) + " " + shown(value, name, language) for name, value in cure.settings]
    if cure.leave_out:
        told.append(say("coach.without", language, column=cure.leave_out))
    if cure.distinct:
        told.append(say("coach.once", language))
    key = "coach.anew" if cure.kind == "anew" else "coach.on" if cure.epoch is None else "coach.fork"
    return say(key, language, number=cure.epoch, settings=", ".join(told))


def mend(live: Live, run: Run, cure: Mend, language: str) -> tuple[Source, Any]:
    """Do what the coach proposes: fork the run, or start anew over its curve. The data and settings of the new run."""
    from bigmodel.ui.train import training

    snapshot, source = run.snapshot(), run.shelf.get("source")
    now, whole = standing(snapshot.events), settings(snapshot.events)
    if source is None or now is None or whole is None:
        raise RunError("coach.gone")
    wish = replace(now, **dict(cure.settings))
    if cure.kind == "fork":
        if "epochs" not in dict(cure.settings):
            wish = replace(wish, epochs=max(wish.epochs, _last(snapshot.events)))
        last = _last(snapshot.events) if cure.epoch is None else cure.epoch
        return source, branch(live, run, wish, language, last)
    if cure.leave_out:
        source = replace(source, leave_out=(*source.leave_out, cure.leave_out))
    if cure.distinct:
        source = replace(source, config=replace(source.config, distinct=True))
    before = Earlier(run.id, say("coach.before", language), snapshot.events)
    live.launch(run.owner, "train", training(source, wish, run.rate, under=(before,))).lay_over((before,))
    return source, wish


def _last(events: Sequence[Any]) -> int:
    return max((event.number for event in events if isinstance(event, Epoch)), default=0)
