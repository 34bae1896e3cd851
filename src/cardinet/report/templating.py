"""The templates of all pages: one environment, which escapes every text."""

from __future__ import annotations

import base64
import functools
import re
from typing import Any

import jinja2
from markupsafe import Markup, escape

from cardinet.base.terminal_text import visible
from cardinet.report import number_text


@functools.cache
def environment() -> jinja2.Environment:
    """The templates and filters of the pages."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cardinet.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters.update(
        count=number_text.count,
        short=number_text.short,
        significant=number_text.significant,
        percent=number_text.percent,
        duration=number_text.duration,
        plural=number_text.plural,
        data_uri=data_uri,
        toml=toml,
        breakable=breakable,
    )
    return environment


def _shown(value: Any) -> Any:
    """The text of a value in the page: a text becomes one line, HTML keeps its lines. Hidden characters are escaped."""
    if isinstance(value, Markup):
        return Markup("\n".join(map(visible, value.split("\n"))))
    return visible(value) if isinstance(value, str) else value


def data_uri(png: bytes) -> str:
    """The bytes of a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def breakable(text: str) -> Markup:
    """A path, name or value that the page may break after its separators, but not within a number."""
    return Markup(re.sub(r"([/_=:]|(?<!\d)\.|\.(?!\d)|(?<=\w)(?<!\de)-)(?=\w)", r"\1<wbr>", str(escape(visible(text)))))


def toml(text: str) -> Markup:
    """TOML as HTML, with marked section lines, keys and comments."""
    lines = []
    for line in text.strip("\n").split("\n"):
        if re.match(r"\s*\[", line):
            lines.append(Markup("<b>{}</b>").format(line))
        elif line.lstrip().startswith("#"):
            lines.append(Markup("<i>{}</i>").format(line))
        elif found := re.match(r"([^=]+)(=.*)", line):
            lines.append(Markup("<u>{}</u>{}").format(found[1], found[2]))
        else:
            lines.append(escape(line))
    return Markup("\n").join(lines)
