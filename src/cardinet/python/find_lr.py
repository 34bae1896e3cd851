"""`cardinet.find_lr(...)`: the command `cardinet train --find-lr` for programs and notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.python.asked import request_of, shown_by

if TYPE_CHECKING:
    from cardinet.data.kinds.datasets import Given
    from cardinet.train.listener import Listener
    from cardinet.train.range_test import RangeTest


def find_lr(
    network: str | None = None,
    data: Given | None = None,
    *,
    recipe: str | Path | None = None,
    weights: str | Path | None = None,
    page: str | Path | None = None,
    listener: Listener | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> RangeTest:
    """Try rising learning rates for some steps of a run, as `cardinet train --find-lr` does; nothing trained is kept.

    The arguments are those of `cardinet.train`; `page` is a new .html file for the drawn losses. The result's
    `curve.suggestion` is a rate for `lr`, None if the loss does not clearly fall; `curve.rates`, `curve.losses` and
    `curve.smoothed` are the whole curve. Raises RequestError with all faults of the request, WorkError if it fails.
    """
    from cardinet.data.kinds.datasets import source_text
    from cardinet.report.range_page import write_range_page
    from cardinet.train.processes import connected_for
    from cardinet.train.range_test import range_test, resolve_range_test

    source = None if data is None else source_text(data)
    request = request_of(network, source, recipe, weights, settings, options)
    place = None if page is None else Path(page)
    with connected_for(None) as ranks, shown_by(listener) as shown:
        found = range_test(resolve_range_test(request, place, shown, ranks), shown)
    if place is not None:
        write_range_page(found, "cardinet.find_lr(...)", place)
    return found
