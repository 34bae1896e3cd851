"""The HTML that a notebook shows for predictions: a small picture, and the probabilities as bars."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from html import escape

from cardinet.base.terminal_text import visible
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import PictureError
from cardinet.data.picture_inputs import PictureInput
from cardinet.data.thumbnail import thumbnail

SIDE = 128
MOST = 24
"""The most predictions that are shown for a list."""

Answer = tuple[str, Sequence[str], Sequence[float], PictureInput | None, Sequence[str]]


def prediction_html(
    classes: Sequence[str], probabilities: Sequence[float], picture: PictureInput | None, given: Sequence[str]
) -> str:
    """One prediction as HTML in the colours of the surrounding page; the `given` answers are bold."""
    name = "" if picture is None else picture.name
    return (
        f'<div style="font:14px/1.4 system-ui,sans-serif">{_card(name, classes, probabilities, picture, given)}</div>'
    )


def predictions_html(found: Sequence[Answer]) -> str:
    """Several predictions side by side as HTML, at most the first `MOST`."""
    cards = "".join(_card(*one) for one in found[:MOST])
    more = f"<p>... and {len(found) - MOST:,} more.</p>" if len(found) > MOST else ""
    return (
        '<div style="font:14px/1.4 system-ui,sans-serif;display:grid;gap:18px;'
        f'grid-template-columns:repeat(auto-fill,minmax(330px,1fr))">{cards}</div>{more}'
    )


def _card(
    name: str,
    classes: Sequence[str],
    probabilities: Sequence[float],
    picture: PictureInput | None,
    given: Sequence[str],
) -> str:
    rows = "".join(
        f'<div style="display:flex;gap:8px;{"font-weight:600" if label in given else "opacity:.75"}">'
        f'<bdi style="flex:1;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">{escape(visible(label))}</bdi>'
        f'<span style="font-variant-numeric:tabular-nums">{100 * share:.2f}&nbsp;%</span></div>'
        f'<div style="height:3px;margin-bottom:4px;background:currentColor;width:{100 * share:.1f}%;'
        f'min-width:1px;opacity:.55"></div>'
        for label, share in zip(classes, probabilities, strict=True)
    )
    drawn = "" if picture is None else _small(picture)
    return (
        f'<div style="display:flex;gap:14px;align-items:flex-start;max-width:460px">{drawn}'
        f'<div style="flex:1;min-width:0">{rows}<div style="font-size:11px;opacity:.6;overflow-wrap:anywhere">'
        f"{escape(visible(name))}</div></div></div>"
    )


def _small(picture: PictureInput) -> str:
    """The picture as an HTML element; empty if the picture can no longer be read."""
    with suppress(PictureError):
        small = thumbnail(picture.image(DataSettings().pixel_limit), SIDE)
        longest = max(small.width, small.height)
        size = [max(1, round(side * SIDE / longest)) for side in (small.width, small.height)]
        pixels = "image-rendering:pixelated;" if longest < SIDE // 2 else ""
        address = base64.b64encode(small.png).decode()
        return (
            f'<img width="{size[0]}" height="{size[1]}" style="{pixels}" src="data:image/png;base64,{address}" alt="">'
        )
    return ""
