"""The table of named networks: ids before aliases, nearest names, patterns."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cardinet.base.errors import RequestError
from cardinet.networks import registry
from cardinet.networks.family import Named
from cardinet.networks.registry import ALIASES, FAMILIES, NETWORKS, find, matching, unbuildable


def test_ids_are_unique_and_aliases_lead_to_rows() -> None:
    assert sum(len(family.rows) for family in FAMILIES) == len(NETWORKS) >= 40
    assert all(id == row.id for id, row in NETWORKS.items())
    assert set(ALIASES.values()) <= set(NETWORKS)
    assert not set(ALIASES) & set(NETWORKS)


def test_an_alias_finds_the_row_of_its_id() -> None:
    assert find("wide_resnet50_2") is NETWORKS["wrn50_2"]
    assert find("resnet200") is NETWORKS["resnet200_postact"]
    assert find("resnet50") is NETWORKS["resnet50"]


def test_an_id_wins_over_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family may call another library's `x` its `y` where `x` is an id of ours: the id is meant."""
    own = Named("resnet200", NETWORKS["resnet18"].spec, "Test", "none", 32)
    monkeypatch.setitem(registry.NETWORKS, "resnet200", own)
    assert "resnet200" in ALIASES
    assert find("resnet200") is own


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnext50_32x4", "nearest: resnext50_32x4d"),
        ("ResNet50", "nearest: resnet50"),
        ("wide_resnet50", "wide_resnet50_2"),
        ("xyz", "no similar name"),
    ],
)
def test_unknown_names(name: str, hint: str) -> None:
    with pytest.raises(RequestError) as error:
        find(name)
    assert f'There is no network "{name}"' in str(error.value)
    assert hint in str(error.value)


def test_patterns() -> None:
    assert [row.id for row in matching()] == list(NETWORKS)
    assert [row.id for row in matching("resnet1?")] == ["resnet18"]
    assert [row.id for row in matching("wide_resnet*")] == ["wrn50_2", "wrn101_2"]
    assert [row.id for row in matching("resnext50_[24]x*")] == ["resnext50_2x40d", "resnext50_4x24d"]
    named = {id for id in NETWORKS if "32x4d" in id} | {id for alias, id in ALIASES.items() if "32x4d" in alias}
    assert {row.id for row in matching("32x4d")} == named > {"sknet50"}
    assert [row.id for row in matching("torchvision:wide*")] == ["wrn50_2", "wrn101_2"]


def test_a_network_that_cannot_be_built_says_why() -> None:
    assert set(unbuildable()) == {"dfn_original", "highway32_cifar10", "veit_ensemble"}
    assert not set(unbuildable()) & set(NETWORKS)
    with pytest.raises(RequestError, match="highway32_cifar10 cannot be built: the widths"):
        find("highway32_cifar10")
    with pytest.raises(RequestError, match="timm:skresnet50 cannot be built: it splits the input"):
        find("timm:skresnet50")


def test_a_peers_name_means_its_network() -> None:
    assert find("timm:seresnet50").spec == find("seresnet50").spec.but(stride_at=1, pool="pad")
    assert find("timm:resnet200") is find("resnet200_postact")
    assert matching("nothing") == []


def test_the_table_imports_no_torch() -> None:
    code = (
        "import sys, cardinet.networks.registry as r; r.NETWORKS['resnet50'].spec.but(cardinality=2, base_width=40);"
        "print([m for m in ('torch', 'torchvision', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
