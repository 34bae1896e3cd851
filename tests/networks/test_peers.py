"""Every name of another library in the tables is that library's network, by value: logits and gradients.

The largest networks are compared by `proofs/peers.py`, with the same code.
"""

from __future__ import annotations

import fnmatch

import pytest

from cardinet.networks.registry import PEERS
from networks.peers import LARGE, agree, compare, small

pytestmark = pytest.mark.long


def test_number_of_pairs() -> None:
    assert len(PEERS) >= 230
    assert len(small()) >= 70
    assert all(fnmatch.filter(PEERS, pattern) for pattern in LARGE)


@pytest.mark.parametrize("name", small())
def test_a_peer_gives_the_same_logits_and_gradients(name: str) -> None:
    found = compare(name)
    assert agree(found), found
