"""All that is wrong with a request for a benchmark is said at once, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench.contenders_for_tests import Missing
from cardinet.base.errors import RequestError
from cardinet.bench.contenders import chosen, contenders
from cardinet.bench.request import Request, resolve
from cardinet.rewrite.fold import fold

NETWORK = "resnext11_8x16d_digits"


def test_the_table_has_every_contender_once_and_ours_first() -> None:
    table = contenders()
    expected = {"cardinet", "onnxruntime", "openvino", "own-kernels", "timm", "torch-compile", "torchvision"}
    assert set(table) == {*expected, "torchvision-channels-last"}
    assert next(iter(table)) == "cardinet"
    assert all(one.name == name and one.about and one.precisions for name, one in table.items())


def test_words_choose_contenders() -> None:
    assert [one.name for one in chosen(("none",))] == ["cardinet"]
    assert [one.name for one in chosen(("timm,cardinet, timm",))] == ["cardinet", "timm"]
    assert len(chosen(("all",))) == len(contenders())


def test_others_of_which_none_can_run_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contenders(), "missing", Missing())
    with pytest.raises(RequestError, match='--against "missing": no_such_library is not installed'):
        chosen(("missing",))
    assert [one.name for one in chosen(("missing,torchvision",))] == ["cardinet", "missing", "torchvision"]


def test_all_findings_at_once(tmp_path: Path) -> None:
    (tmp_path / "there.html").write_text("")
    request = Request(
        model=NETWORK,
        measures=("inferense,start",),
        against=("torchvison",),
        precisions=("bf16", "float32"),
        batch_sizes=("0,8,x",),
        input_size=0,
        threads=0,
        seconds=float("nan"),
        seed=-1,
        words=("cardinalty=4",),
        out=tmp_path / "there.html",
    )
    with pytest.raises(RequestError) as error:
        resolve(request)
    parts = ['"inferense"', '"torchvison"', '"bf16"', '"0"', '"x"', "input_size = 0", "threads = 0", "seed = -1"]
    parts += ["seconds = nan", "there.html exists", '"cardinalty"']
    assert len(error.value.findings) == len(parts), error.value.findings
    for part, finding in zip(parts, error.value.findings, strict=True):
        assert part in finding
        assert finding.endswith((".", ")"))


def test_a_picture_that_is_too_small() -> None:
    with pytest.raises(RequestError, match="cannot take pictures of 8 x 8 pixels; see --input-size"):
        resolve(Request(model="alexnet", input_size=8, against=("none",)))


def test_the_works_of_a_request() -> None:
    request = Request(
        model=NETWORK, measures=("inference,start",), precisions=("float32,int8",), batch_sizes=("2,4",), threads=3
    )
    asked = resolve(request)
    found = [(one.measure, one.precision, one.batch, one.threads) for one in asked.works()]
    assert found == [
        ("inference", "float32", 2, 3),
        ("inference", "float32", 4, 3),
        ("inference", "int8", 2, 3),
        ("inference", "int8", 4, 3),
        ("start", "float32", 1, 3),
        ("start", "int8", 1, 3),
    ]
    assert asked.side == 8


def test_no_batch_norm_of_a_new_network_is_the_identity_so_that_folding_is_honest() -> None:
    network = resolve(Request(model=NETWORK, against=("none",))).model.network
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 13  # the stem, three units of three, and their shortcuts
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.running_mean.all()
        assert (norm.running_var - 1).abs().max() > 0.1
        assert (norm.weight - 1).abs().max() > 0.1
    x = torch.randn(2, 1, 8, 8)
    folded = fold(network).eval()
    with torch.no_grad():
        torch.testing.assert_close(folded(x), network(x), rtol=1e-3, atol=1e-3)
        for norm in norms:
            norm.reset_parameters()
        assert (folded(x) - network(x)).abs().max() > 0.01
