"""The look: calm paper and ink, one accent, light and dark, from a phone to a projector."""

from __future__ import annotations

import json

import gradio as gr

from bigmodel.ui.words import LANGUAGES, say

_FONTS = ["Inter", "ui-sans-serif", "system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono CJK SC", "monospace"]

INK = gr.themes.Color(
    name="ink",
    c50="#f7f8fa",
    c100="#eef0f4",
    c200="#dfe3ea",
    c300="#c5ccd8",
    c400="#8f9aad",
    c500="#667085",
    c600="#475066",
    c700="#333b4f",
    c800="#1d2434",
    c900="#131927",
    c950="#0b101b",
)


def theme() -> gr.themes.Base:
    """Contrast AA in both modes; system fonts, so that nothing is fetched."""
    return gr.themes.Base(
        primary_hue="indigo", secondary_hue="indigo", neutral_hue=INK, font=_FONTS, font_mono=_MONO, radius_size="lg"
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_950",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_hover="#991b1b",
        button_cancel_background_fill_dark="#b91c1c",
        button_cancel_background_fill_hover_dark="#991b1b",
        button_cancel_text_color="white",
        button_cancel_text_color_dark="white",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )


# On a phone the order is: what to press, what comes of it, how to set it.
_CSS = """
.gradio-container, .gradio-container > main { width: 100%; max-width: 1480px !important; margin: 0 auto; }
.masthead { align-items: center; flex-wrap: nowrap !important; gap: 8px; }
.masthead h1 { font-size: 1.55rem; letter-spacing: -0.01em; margin: 0; line-height: 1.2; }
.masthead p { margin: 2px 0 0; color: var(--body-text-color-subdued); }
.masthead button { flex: none; min-width: 88px !important; }
.actions { gap: 8px; flex-wrap: nowrap !important; }
.actions button { min-width: 0 !important; }
.examples { flex-wrap: wrap !important; }
.examples button { flex: 0 1 auto !important; width: auto; white-space: nowrap; }
.html-container { padding: 0 !important; }
.dark { color-scheme: dark; }
.dark input[type=range] { --neutral-200: var(--neutral-700); accent-color: var(--primary-300) !important; }
.label-wrap { text-align: start; }
[data-testid=upload-text] { font-size: 0 !important; }
[data-testid=upload-text] > span:not([data-testid=upload-icon]) { display: none; }
[data-testid=upload-text]::after { font-size: var(--text-md); line-height: 1.5; text-align: center; }
.charts { flex-wrap: wrap; }
.status-box:has(.status-text:empty) { display: none !important; }
.charts > * { flex: 1 1 300px; min-width: min(300px, 100%) !important; }
.orders-box { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 12px 14px; gap: 10px; }
.orders { align-items: end; gap: 8px; }
.edge { align-items: center; border-left: 3px solid #d97706; padding-left: 12px; }
.prose.lesson { border-left: 3px solid var(--color-accent); padding-left: 14px; }
button:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
@media (max-width: 760px) {
    .gradio-container > main { padding: 10px !important; }
    .masthead p { display: none; }
    .masthead h1 { font-size: 1.02rem; white-space: nowrap; }
    .masthead button { min-width: 64px !important; }
    .tab-container button { padding: 0 9px !important; font-size: .92rem; }
    .steer-actions button { padding: 8px 4px !important; font-size: .92rem; }
    .actions:has(> :nth-child(4)) { flex-wrap: wrap !important; }
    .actions:not(.examples):has(> :nth-child(4)) > button { flex: 1 1 28% !important; }
    .desk { flex-direction: column; }
    .desk > .controls { display: contents; }
    .desk > .controls > * { order: 2; width: 100%; }
    .desk > .controls > :is(.first, :has(.first)) { order: 0; }
    .desk > .results { order: 1; width: 100%; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""


def css() -> str:
    """The page's style. Gradio words the place for a file in the browser's language: here it follows the page's."""
    places = {language: f"html[lang={language}] [data-testid=upload-text]::after" for language in LANGUAGES}
    said = {place: json.dumps(say("app.drop", language), ensure_ascii=False) for language, place in places.items()}
    return _CSS + "".join(f"{place} {{ content: {text}; }}\n" for place, text in said.items())
