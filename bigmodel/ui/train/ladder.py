"""The ladder: how far a network has climbed, beside what simple models reach. One HTML component, updated in place."""

from __future__ import annotations

from typing import Any

import gradio as gr

_SCRIPT = """
const table = element.querySelector('.ladder');
function cell(tag, text, name) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
}
function rung(own) {
    const made = cell('div', '', own ? 'rung own' : 'rung'), said = cell('span', '', 'rung-name');
    const track = cell('span', '', 'rung-bar');
    said.append(cell('span', ''), cell('small', ''));
    track.append(cell('i', ''));
    made.append(said, track, cell('b', ''), cell('span', '', 'rung-loss'));
    return made;
}
function show() {
    const {heads = ['', '', ''], rows = []} = props.value || {};
    [...table.querySelectorAll('.rung-head span')].forEach((place, k) => { place.textContent = heads[k]; });
    // Rows that are there are changed, not made anew: the bars glide.
    const rungs = table.querySelector('.rungs');
    while (rungs.children.length > rows.length) rungs.lastChild.remove();
    while (rungs.children.length < rows.length) rungs.append(rung(!rungs.children.length));
    rows.forEach(([name, note, accuracy, loss], k) => {
        const [said, track, percent, last] = rungs.children[k].children;
        said.firstChild.textContent = name;
        said.lastChild.textContent = note;
        track.firstChild.style.width = 100 * (accuracy ?? 0) + '%';
        percent.textContent = accuracy === null ? '–' : (100 * accuracy).toFixed(1) + '%';
        last.textContent = loss === null ? '–' : loss.toFixed(3);
    });
}
watch('value', show);
show();
"""


def ladder(**kwargs: Any) -> gr.HTML:
    """A bar per model, the network first.

    Value: {"heads": [title, accuracy, loss], "rows": [(name, note, accuracy, loss), …]}.
    """
    return gr.HTML(
        None,
        html_template='<div class="ladder"><div class="rung rung-head"><span></span><i></i><span></span><span></span>'
        '</div><div class="rungs"></div></div>',
        css_template="""
.ladder { display: flex; flex-direction: column; gap: 2px; font-variant-numeric: tabular-nums; }
.rung { display: grid; grid-template-columns: minmax(160px, 1.2fr) 4fr 72px 56px; gap: 12px; align-items: center; }
.rung { padding: 3px 0; }
.rung > :nth-child(n + 3) { text-align: right; font-weight: 400; }
.rung-head { color: var(--body-text-color-subdued); font-size: .85rem; }
.rung-head > :first-child { color: var(--body-text-color); font-weight: 600; font-size: 1rem; white-space: nowrap; }
.rung-name { line-height: 1.2; }
.rung-name small { display: block; color: var(--body-text-color-subdued); }
.rung-bar { height: 10px; border-radius: 5px; background: var(--border-color-primary); overflow: hidden; }
.rung-bar i { display: block; height: 100%; border-radius: 5px; background: #8a8a8a; transition: width .12s linear; }
.rung.own .rung-bar i { background: #d55e00; }
.rung.own > *, .rung.own > b { font-weight: 600; }
.rung-loss { color: var(--body-text-color-subdued); }
.rung > b { white-space: nowrap; }
@media (max-width: 760px) {
    .rung { grid-template-columns: minmax(92px, 1.3fr) 1.4fr 68px 46px; gap: 8px; }
    .rung-head { grid-template-columns: 1fr 0 auto auto; }
    .rung-head > :first-child { white-space: normal; }
}
""",
        js_on_load=_SCRIPT,
        **kwargs,
    )
