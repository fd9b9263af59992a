"""What a network takes a row for: a bar per class, with a thin line from the lowest seed to the highest."""

from __future__ import annotations

from typing import Any

import gradio as gr

# Bars that are there are changed, not made anew: they glide while somebody types, or while the network learns.
_SCRIPT = """
const box = element.querySelector('.chances'), bars = box.querySelector('.chance-bars');
function made(name, ...inner) {
    const one = document.createElement('span');
    one.className = name;
    one.append(...inner);
    return one;
}
function bar() {
    const track = made('chance-track', document.createElement('i'), made('chance-spread'));
    const row = made('chance', made('chance-name'), track, document.createElement('b'));
    return row;
}
function show() {
    const {caption = '', note = '', rows = []} = props.value || {};
    box.hidden = !rows.length;
    box.querySelector('.chart-caption').textContent = caption;
    box.querySelector('.chart-note').textContent = note;
    while (bars.children.length > rows.length) bars.lastChild.remove();
    while (bars.children.length < rows.length) bars.append(bar());
    const most = Math.max(...rows.map(row => row[1]));
    rows.forEach(([name, p, low, high], k) => {
        const [said, track, share] = bars.children[k].children, [fill, spread] = track.children;
        bars.children[k].classList.toggle('first', p === most);
        said.textContent = name;
        said.title = name;
        fill.style.width = 100 * p + '%';
        spread.style.left = 100 * low + '%';
        spread.style.width = 100 * (high - low) + '%';
        spread.hidden = high - low < 0.004;
        share.textContent = (100 * p).toFixed(1) + '%';
    });
}
watch('value', show);
show();
"""

_STYLE = """
.chances { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 12px 14px; }
.chances { background: var(--block-background-fill); font-variant-numeric: tabular-nums; }
.chances[hidden] { display: none; }
.chances .chart-caption { font-weight: 600; }
.chances .chart-note { margin: 8px 0 0; color: var(--body-text-color-subdued); font-size: .9rem; }
.chance-bars { display: flex; flex-direction: column; gap: 6px; margin-top: 10px; }
.chance { display: grid; grid-template-columns: minmax(48px, 1fr) 3fr 64px; gap: 10px; align-items: center; }
.chance-name { overflow: hidden; overflow-wrap: anywhere; max-height: 2.6em; line-height: 1.3; }
.chance b { text-align: right; font-weight: 400; }
.chance-track { position: relative; height: 14px; border-radius: 7px; background: var(--border-color-primary); }
.chance-track i { display: block; height: 100%; border-radius: 7px; background: #8a8a8a; }
.chance-track i { transition: width .12s linear; }
.chance-spread { position: absolute; top: 5px; height: 4px; border-radius: 2px; background: var(--body-text-color); }
.chance-spread { box-shadow: 0 0 0 1px var(--block-background-fill); transition: left .12s linear, width .12s linear; }
.chance-spread[hidden] { display: none; }
.chance.first .chance-track i { background: #d55e00; }
.chance.first :is(.chance-name, b) { font-weight: 600; }
"""


def chances(**kwargs: Any) -> gr.HTML:
    """The bars. Value: {"caption", "note", "rows": [(class, probability, lowest, highest), …]}."""
    return gr.HTML(
        None,
        html_template='<div class="chances" hidden><span class="chart-caption" aria-live="polite"></span>'
        '<div class="chance-bars"></div><p class="chart-note"></p></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        padding=False,
        **kwargs,
    )
