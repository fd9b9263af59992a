"""The data doctor on the page: what a table holds, its classes as bars, and what was noticed, sign and sentence."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from bigmodel.errors import BigModelError
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.datasets import Reading
    from bigmodel.datasets.doctor import Report

Result = TypeVar("Result")
EVERY = 0.2
"""Seconds between two signs of how far a look has come."""
FOLDED = 4
"""So many notes are put behind a line that counts them: what is wrong comes first."""
BARS = 10
COLUMNS = 60

# Names and cells come from other people's files: text nodes only.
_SCRIPT = """
const box = element.querySelector('.doctor'), body = box.querySelector('.doctor-body');
const working = box.querySelector('.doctor-working'), bar = box.querySelector('progress');
const signs = {bad: '✕', warn: '!', note: 'i', good: '✓'};
function make(tag, name, ...inside) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.append(...inside);
    return node;
}
function table(head, rows) {
    const lines = rows.map(row => make('tr', '', ...row.map((cell, k) => make(k ? 'td' : 'th', '', cell))));
    const whole = make('table', '', make('thead', '', make('tr', '', ...head.map(cell => make('th', '', cell)))),
        make('tbody', '', ...lines));
    const frame = make('div', 'frame', whole);
    frame.tabIndex = 0;
    return frame;
}
function listed(findings) {
    const list = make('ul', 'findings');
    for (const [severity, said, sentence] of findings) {
        const sign = make('span', 'sign', signs[severity] || '');
        sign.setAttribute('role', 'img');
        sign.setAttribute('aria-label', said);
        const item = make('li', '', sign, make('span', '', sentence));
        item.dataset.severity = severity;
        list.append(item);
    }
    return list;
}
function show() {
    const v = props.value || {};
    const parts = [];
    working.textContent = v.working || '';
    bar.hidden = !v.working;
    if (v.share > 0) bar.value = v.share; else bar.removeAttribute('value');
    if (v.facts) parts.push(make('p', 'facts', v.facts));
    const all = v.findings || [], notes = v.folded ? all.filter(([severity]) => severity === 'note') : [];
    const first = listed(all.filter(finding => !notes.includes(finding)));
    if (first.children.length) parts.push(first);
    if (notes.length) parts.push(make('details', 'notes', make('summary', '', v.folded), listed(notes)));
    if (v.bars && v.bars.length) {
        const bars = make('div', 'bars');
        const most = Math.max(...v.bars.map(bar => bar[1]));
        for (const [name, count, share] of v.bars) {
            const fill = make('i', '');
            fill.style.width = (100 * count / most) + '%';
            bars.append(make('span', 'name', name), make('span', 'track', fill), make('span', 'count', share));
        }
        parts.push(make('h4', '', v.bars_title), bars);
    }
    if (v.columns) {
        parts.push(make('h4', '', v.columns.title), table(v.columns.head, v.columns.rows));
        if (v.columns.more) parts.push(make('p', 'more', v.columns.more));
    }
    if (v.first && v.first.rows.length) {
        const fold = make('details', '', make('summary', '', v.first.title), table(v.first.head, v.first.rows));
        parts.push(fold);
    }
    box.hidden = !parts.length && !v.working;
    body.replaceChildren(...parts);
}
watch('value', show);
show();
"""

_STYLE = """
.doctor { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 12px 14px; min-width: 0;
    background: var(--block-background-fill); color: var(--body-text-color); font-size: .9rem; }
.doctor[hidden] { display: none; }
.doctor h4 { margin: 12px 0 6px; font-size: .85rem; font-weight: 600; color: var(--body-text-color-subdued); }
.doctor p { margin: 0; }
.doctor-working:not(:empty) { font-weight: 600; }
.doctor progress { width: 100%; height: 6px; margin: 6px 0 0; accent-color: var(--color-accent); display: block; }
.doctor progress[hidden] { display: none; }
.facts { font-weight: 600; }
.more { color: var(--body-text-color-subdued); margin-top: 4px; }
.findings { list-style: none; margin: 10px 0 0; padding: 0; display: grid; gap: 8px; }
.doctor .findings li { display: grid; grid-template-columns: 20px 1fr; gap: 8px; line-height: 1.4; margin: 0;
    overflow-wrap: anywhere; }
.sign { width: 20px; height: 20px; border-radius: 50%; display: inline-grid; place-items: center; font-size: .75rem;
    font-weight: 700; color: white; background: #475066; }
[data-severity=bad] .sign { background: #b91c1c; }
[data-severity=warn] .sign { background: #b45309; }
[data-severity=good] .sign { background: #15803d; }
.bars { display: grid; grid-template-columns: minmax(40px, auto) 1fr auto; gap: 4px 8px; align-items: center; }
.bars .name { max-width: 130px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .track { height: 10px; border-radius: 5px; background: var(--border-color-primary); overflow: hidden; }
.bars i { display: block; height: 100%; background: var(--color-accent); border-radius: 5px; }
.bars .count { font-variant-numeric: tabular-nums; color: var(--body-text-color-subdued); }
.frame { overflow: auto; max-height: 264px; border: 1px solid var(--border-color-primary); border-radius: 8px; }
.doctor .frame table { border: none; border-collapse: collapse; width: 100%; margin: 0; padding: 0;
    font-variant-numeric: tabular-nums; }
.doctor .frame tr { border: none; }
.doctor .frame :is(th, td) { text-align: left; padding: 4px 8px; white-space: nowrap; max-width: 150px;
    overflow: hidden; text-overflow: ellipsis; font-weight: 400;
    border: none; border-bottom: 1px solid var(--border-color-primary); }
.doctor .frame tr:last-child :is(th, td) { border-bottom: none; }
.doctor .frame thead tr th { border-bottom: 1px solid var(--border-color-primary); }
.doctor .frame thead th { position: sticky; top: 0; background: var(--block-background-fill); font-weight: 600; }
.doctor .frame tbody th { font-weight: 600; }
.doctor details { margin-top: 10px; }
.doctor summary { cursor: pointer; font-weight: 600; font-size: .85rem; color: var(--body-text-color-subdued);
    margin-bottom: 6px; }
"""


def report_card(**kwargs: Any) -> gr.HTML:
    """A place for what `view` makes of a report. Nothing is seen of it while it is None."""
    return gr.HTML(
        None,
        html_template='<div class="doctor" hidden><p class="doctor-working" role="status"></p>'
        '<progress max="1" hidden></progress><div class="doctor-body"></div></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        **kwargs,
    )


def view(report: Report, language: str) -> dict[str, Any]:
    """A report in words."""
    facts = say("doctor.facts", language, rows=report.rows, columns=len(report.columns), target=report.target)
    noticed = [finding_line(finding, language) for finding in report.findings]
    noticed += [
        ["note", say("doctor.note", language), say(f"datasets.notice.{n.key}", language, **dict(n.values))]
        for n in report.notices
    ]
    if report.problem is not None:
        noticed.insert(0, ["bad", say("doctor.bad", language), word(report.problem, language)])
    notes = sum(severity == "note" for severity, _, _ in noticed)
    total = sum(count for _, count in report.classes)
    bars = [[name, count, f"{count:,} · {count / total:.0%}"] for name, count in report.classes[:BARS]]
    if len(report.classes) > BARS:
        rest = sum(count for _, count in report.classes[BARS:])
        others = say("doctor.others", language, count=len(report.classes) - BARS)
        bars.append([others, rest, f"{rest:,} · {rest / total:.0%}"])
    return {
        "facts": facts,
        "findings": noticed,
        "folded": say("doctor.notes", language, count=notes) if FOLDED <= notes < len(noticed) else "",
        "bars_title": say("doctor.classes", language, count=len(report.classes)),
        "bars": bars,
        "columns": columns_table(report, language),
        "first": {
            "title": say("doctor.first", language, count=len(report.first)),
            "head": [column.name for column in report.columns[:COLUMNS]],
            "rows": [list(row[:COLUMNS]) for row in report.first],
        },
    }


def working(event: Reading, language: str) -> dict[str, Any]:
    """What stands there while a table is read and looked at."""
    text = say(f"doctor.working.{event.stage}", language, done=event.done, of=event.of)
    return {"working": text, "share": event.done / event.of if event.of else 0.0}


def waited(steps: Generator[Reading, None, Result], language: str, skipped: int) -> Generator[list[Any], None, Result]:
    """The result of a look; until then, now and then, the outputs of a handler whose last one is the card: `skipped`
    others stay as they are."""
    told = -EVERY
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if time.monotonic() - told >= EVERY:
            told = time.monotonic()
            yield [*(gr.skip() for _ in range(skipped)), working(event, language)]


def failed(error: BigModelError, language: str) -> dict[str, Any]:
    """What stands there when a table cannot be read at all."""
    return {"findings": [["bad", say("doctor.bad", language), word(error, language)]]}


def finding_line(finding: Any, language: str) -> list[str]:
    """Severity, what the severity is called, and the sentence."""
    sentence = say(f"doctor.finding.{finding.key}", language, **dict(finding.values))
    return [finding.severity, say(f"doctor.{finding.severity}", language), sentence]


def columns_table(report: Report, language: str) -> dict[str, Any]:
    """Type, gaps and variety of each column, an example from it."""
    rows = [
        [
            column.name,
            say(f"doctor.type.{column.type}", language),
            f"{column.missing:.0%}" if column.missing >= 0.005 or not column.missing else "<1%",
            f"{column.distinct:,}",
            column.example,
        ]
        for column in report.columns[:COLUMNS]
    ]
    more = len(report.columns) - len(rows)
    return {
        "title": say("doctor.columns", language),
        "head": [say(f"doctor.head.{name}", language) for name in ("column", "type", "missing", "distinct", "example")],
        "rows": rows,
        "more": say("doctor.more", language, count=more) if more else "",
    }
