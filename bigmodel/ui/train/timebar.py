"""The time bar: a slider over the epochs of a run, with a replay. One HTML component, updated in place."""

from __future__ import annotations

from typing import Any

import gradio as gr

# What is asked for goes out at most every 120 ms; the hand's last place always does. While the hand is on the slider,
# the run's own news do not move it.
_SCRIPT = """
const range = element.querySelector('input'), text = element.querySelector('.timebar-text');
const [play, best, now] = element.querySelectorAll('button');
let held = false, sent = 0, waiting = null, playing = null, wished = 0;
const value = () => props.value || {first: 0, last: 0, at: null, best: null, words: {}};
function ask(at) {
    clearTimeout(waiting);
    wished = Date.now();
    const wait = Math.max(0, sent + 120 - Date.now());
    waiting = setTimeout(() => { sent = Date.now(); trigger('select', {at}); }, wait);
}
function rest() { clearInterval(playing); playing = null; show(); }
function tick() {
    const {first, last} = value(), stride = Math.max(1, Math.round((last - first) / 60));
    const next = Number(range.value) + stride;
    range.value = Math.min(last, next);
    ask(next >= last ? null : next);
    if (next >= last) rest();
}
play.onclick = () => {
    if (playing) return rest();
    if (Number(range.value) >= value().last) range.value = value().first;
    ask(Number(range.value));
    playing = setInterval(tick, 220);
    show();
};
best.onclick = () => { rest(); range.value = value().best; ask(value().best); };
now.onclick = () => { rest(); range.value = value().last; ask(null); setTimeout(show, 1100); };
range.onchange = () => { setTimeout(show, 1100); };
range.oninput = () => { if (playing) rest(); ask(Number(range.value)); };
range.onpointerdown = () => { held = true; };
range.onpointerup = range.onpointercancel = () => { held = false; };
function show() {
    const v = value(), {words} = v, idle = v.last <= v.first;
    range.min = v.first;
    range.max = Math.max(v.last, v.first + 1);
    // An answer to an earlier wish does not move it back.
    if (!held && !playing && Date.now() - wished > 1000) range.value = v.at ?? v.last;
    range.disabled = play.disabled = idle;
    best.disabled = idle || v.best === null;
    now.disabled = v.at === null && !playing;
    range.setAttribute('aria-label', words.label || '');
    range.setAttribute('aria-valuetext', v.text || '');
    text.textContent = v.text || '';
    play.textContent = (playing ? words.halt : words.play) || '';
    best.textContent = words.best || '';
    now.textContent = words.now || '';
}
watch('value', show);
show();
"""

_STYLE = """
.timebar { display: flex; flex-direction: column; gap: 4px; }
.timebar-text { color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; min-height: 1.5em; }
.timebar-row { display: flex; align-items: center; gap: 8px; flex-wrap: wrap; }
.timebar input { flex: 1 1 180px; min-width: 0; height: 28px; accent-color: var(--color-accent); }
.timebar button { padding: 4px 12px; border-radius: 8px; cursor: pointer; white-space: nowrap; }
.timebar button { border: 1px solid var(--border-color-primary); color: var(--body-text-color); }
.timebar button { background: var(--block-background-fill); }
@media (max-width: 760px) { .timebar input { flex: 1 1 100%; order: -1; } }
.timebar :disabled { opacity: .45; cursor: default; }
.timebar input:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
"""


def time_bar(**kwargs: Any) -> gr.HTML:
    """A slider over the epochs.

    Value: {"first", "last", "at": the epoch looked at (None: the present), "best", "text", "words": {"label", "play",
    "halt", "best", "now"}}. Its event `select` carries {"at": number or None}.
    """
    return gr.HTML(
        None,
        html_template='<div class="timebar"><span class="timebar-text" aria-live="polite"></span>'
        '<div class="timebar-row"><button type="button"></button><input type="range" step="1">'
        '<button type="button"></button><button type="button"></button></div></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        padding=False,
        **kwargs,
    )
