"""Text as it is written, token by token: each one tinted by how sure the model was, its rivals one click away."""

from __future__ import annotations

from typing import Any

import gradio as gr

# All text goes in as text nodes: a model may write anything.
_SCRIPT = """
const page = element.querySelector('.prose-text'), rivals = element.querySelector('.prose-rivals');
let run = null, count = 0;
function bar(name, share, after, chosen, sign, said) {
    const row = document.createElement('div'), label = document.createElement('code');
    const track = document.createElement('span'), fill = document.createElement('i');
    const figure = document.createElement('em');
    row.className = chosen ? 'rival chosen' : after > 0 ? 'rival' : 'rival cut';
    label.textContent = sign || name;
    if (said) {
        label.setAttribute('role', 'img');
        label.setAttribute('aria-label', said);
        label.title = said;
    }
    fill.style.width = (100 * share) + '%';
    figure.textContent = (100 * share).toFixed(share < 0.1 ? 2 : 1) + '%';
    track.append(fill);
    row.append(label, track, figure);
    return row;
}
function open(span, piece) {
    page.querySelectorAll('.token.open').forEach(other => other.classList.remove('open'));
    span.classList.add('open');
    const bars = piece.rivals.map(([name, share, after, sign, said]) =>
        bar(name, share, after, name === piece.token, sign, said));
    rivals.replaceChildren(...bars);
}
function show() {
    const value = props.value || {};
    const pieces = value.pieces || [];
    if (value.run !== run || pieces.length < count) {
        run = value.run;
        count = 0;
        page.replaceChildren();
        rivals.replaceChildren();
        const prompt = document.createElement('span');
        prompt.className = 'prompt';
        prompt.textContent = value.prompt || '';
        page.dataset.later = value.prompt ? '' : value.later || '';
        page.append(prompt);
    }
    for (; count < pieces.length; count++) {
        const [text, token, probability, list] = pieces[count];
        const span = document.createElement('span');
        const piece = {token, rivals: list};
        span.className = 'token';
        span.tabIndex = 0;
        span.textContent = text;
        span.style.setProperty('--doubt', String(Math.min(1, -Math.log10(Math.max(probability, 1e-4)) / 3)));
        span.title = (100 * probability).toFixed(1) + '%';
        span.addEventListener('click', () => open(span, piece));
        span.addEventListener('keydown', event => { if (event.key === 'Enter') open(span, piece); });
        page.append(span);
        if (!page.querySelector('.token.open') || value.live) open(span, piece);
    }
    page.scrollTop = page.scrollHeight;
}
watch('value', show);
show();
"""

_STYLE = """
.prose { display: grid; gap: 14px; }
.prose-text { font-size: 1.2rem; line-height: 1.75; white-space: pre-wrap; overflow-wrap: anywhere; }
.prose-text { min-height: 220px; max-height: 58vh; overflow: auto; padding: 18px 20px; border-radius: 14px; }
.prose-text { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); }
.prose-text:not([data-later=""])::before { content: attr(data-later); font-size: 1rem; }
.prose-text:not([data-later=""])::before { color: var(--body-text-color-subdued); }
.prompt { font-weight: 650; }
.token { border-radius: 4px; cursor: pointer; }
.token { background: color-mix(in srgb, #f59e0b calc(var(--doubt) * 55%), transparent); }
.token:hover, .token.open { outline: 2px solid var(--color-accent); }
.prose-rivals { display: grid; gap: 4px; max-width: 560px; }
.rival { display: grid; grid-template-columns: 9em 1fr 5em; gap: 10px; align-items: center; }
.rival code { overflow: hidden; text-overflow: ellipsis; white-space: pre; }
.rival span { height: 10px; border-radius: 5px; background: var(--border-color-primary); overflow: hidden; }
.rival i { display: block; height: 100%; background: var(--color-accent); }
.rival em { font-style: normal; text-align: right; font-variant-numeric: tabular-nums; }
.rival.cut { opacity: .5; }
.rival.cut code { text-decoration: line-through; }
.rival.chosen code { font-weight: 700; }
"""


def prose(**kwargs: Any) -> gr.HTML:
    """Value: {"run", "prompt", "live", "pieces": [[text, token, probability, [[rival, probability, after], …]], …]}.

    A rival that shows nothing has two words more: a visible sign, and its name. A page without a prompt says "later":
    what will stand there. `run` names the text: another one starts a new page.
    Pieces are only ever added, so Gradio sends just the new ones.
    """
    return gr.HTML(
        None,
        html_template='<div class="prose"><div class="prose-text" role="region"></div>'
        '<div class="prose-rivals"></div></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        **kwargs,
    )
