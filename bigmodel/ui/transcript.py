"""A transcript as it grows: words tinted by doubt, a click plays from there, and files to take away."""

from __future__ import annotations

from typing import Any

import gradio as gr

# All text goes in as text nodes: it comes from a recording.
_SCRIPT = """
const page = element.querySelector('.transcript-text'), files = element.querySelector('.transcript-files');
let run = null, count = 0;
function clock(seconds) {
    const minutes = Math.floor(seconds / 60);
    return minutes + ':' + (seconds - 60 * minutes).toFixed(1).padStart(4, '0');
}
function line(segment) {
    const row = document.createElement('p'), stamp = document.createElement('time');
    stamp.textContent = clock(segment.start);
    row.append(stamp);
    const text = document.createElement('span');
    for (const [word, start, end, confidence] of segment.words) {
        const span = document.createElement('span');
        span.className = 'word';
        span.tabIndex = 0;
        span.textContent = word;
        span.style.setProperty('--doubt', String(1 - confidence));
        span.title = clock(start) + ' – ' + clock(end) + ' · ' + Math.round(100 * confidence) + '%';
        const play = () => trigger('select', {time: start});
        span.addEventListener('click', play);
        span.addEventListener('keydown', event => { if (event.key === 'Enter') play(); });
        text.append(span, segment.space);
    }
    if (!segment.words.length) { text.textContent = segment.silence; text.className = 'silence'; }
    row.append(text);
    return row;
}
function save(name, content) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([content], {type: 'text/plain;charset=utf-8'}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function show() {
    const value = props.value || {};
    const segments = value.segments || [];
    if (value.run !== run || segments.length < count) { run = value.run; count = 0; page.replaceChildren(); }
    for (; count < segments.length; count++) page.append(line(segments[count]));
    page.dataset.hint = value.hint || '';
    files.replaceChildren(...(value.exports || []).map(([name, content]) => {
        const button = document.createElement('button');
        button.textContent = '↓ ' + name.split('.').pop().toUpperCase();
        button.title = name;
        button.addEventListener('click', () => save(name, content));
        return button;
    }));
}
watch('value', show);
show();
"""

_STYLE = """
.transcript { display: grid; gap: 12px; }
.transcript-text { font-size: 1.2rem; line-height: 1.7; min-height: 160px; max-height: 58vh; overflow: auto; }
.transcript-text { padding: 16px 20px; border-radius: 14px; border: 1px solid var(--border-color-primary); }
.transcript-text { background: var(--block-background-fill); }
.transcript-text:empty::before { content: attr(data-hint); color: var(--body-text-color-subdued); font-size: 1rem; }
.transcript-text p { display: grid; grid-template-columns: 4.2em 1fr; margin: 0; }
.transcript-text p { align-items: baseline; }
.transcript-text time { color: var(--body-text-color-subdued); font-size: .85rem; font-variant-numeric: tabular-nums; }
.silence { color: var(--body-text-color-subdued); font-style: italic; }
.word { border-radius: 4px; cursor: pointer; }
.word { background: color-mix(in srgb, #f59e0b calc(var(--doubt) * 70%), transparent); }
.word:hover { outline: 2px solid var(--color-accent); }
.transcript-files { display: flex; gap: 8px; flex-wrap: wrap; }
.transcript-files button { margin: 0 !important; padding: 6px 12px; border-radius: 8px; }
.transcript-files button { border: 1px solid var(--border-color-primary); }
.transcript-files button { background: var(--block-background-fill); color: var(--body-text-color); cursor: pointer; }
"""


def transcript(**kwargs: Any) -> gr.HTML:
    """Value: {"run", "hint", "segments": [{"start", "space", "silence", "words": [[text, start, end, confidence], …]}],
    "exports": [[file name, content], …]}. A click on a word is a `select` event with its `time`."""
    return gr.HTML(
        None,
        html_template='<div class="transcript"><div class="transcript-text" role="region"></div>'
        '<div class="transcript-files"></div></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        **kwargs,
    )
