"""Restore folded BN: `--unfold`."""

from __future__ import annotations

from collections.abc import Collection

from cardinet.base.errors import RequestError
from cardinet.base.option import Option
from cardinet.rewriting.kinds.kind import Kind


class Unfold(Kind):
    """Restore BN, with the statistics of training pictures."""

    def check_beside(self, others: Collection[str]) -> None:
        if "in_channels" in others:
            raise RequestError(
                "--unfold takes statistics from unchanged pictures; use it and --in-channels in two commands."
            )


UNFOLD = Unfold(
    option=Option(name="unfold", help="Restore the BN that --fold or --prune removed, to train further."),
    pictures="--unfold takes the statistics of BN from training pictures; name some with --data.",
)
