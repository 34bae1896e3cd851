"""Split, transform, merge: one block from the Inception, the ResNet and the depthwise side, by value in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from cardinet.blocks.branches import Concatenated, ConcatenatedUnit
from cardinet.blocks.inception import ScaledResidual
from cardinet.build.binding import bind
from cardinet.build.builder import build
from cardinet.networks.parts.inception_pieces import conv, residual
from cardinet.networks.parts.spatial import Grouped
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import Transform
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual

D = 3
CARDINALITY = 4
WIDTH = 16
SPEC = Residual(
    depths=(2,),
    widths=(WIDTH,),
    stem=Stem(layout="cifar", width=WIDTH),
    transform=Transform(
        kernels=(1, 3, 1), at=1, stride_at=1, base_width=64 * D / WIDTH, spatial=Grouped(cardinality=CARDINALITY)
    ),
)
"""Units of 16 channels in and out, with 4 branches of 3 channels."""


def drawn(module: nn.Module) -> Any:
    """In float64 and eval mode, with BN that is no identity."""
    module.double().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.weight, part.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 2)
            for tensor in (part.bias, part.running_mean):
                assert tensor is not None
                nn.init.normal_(tensor)
    return module


def unit(form: str) -> Any:
    """The second unit of a stage, whose shortcut is the identity."""
    return drawn(build(SPEC.but(form=form))).layer1[1]


def close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= 1e-12 * expected.abs().max())


def test_form_b_with_unequal_branches_is_an_inception_resnet_block() -> None:
    """The block of Inception-ResNet-v2 at 17x17: its branches, its 1x1, and a last BN that multiplies by the scale."""
    torch.manual_seed(0)
    branches = ([conv("1x1", 8)], [conv("1x1", 5), conv("1x7", 6), conv("7x1", 8)])
    block = drawn(bind(residual(*branches, scale=0.1))(WIDTH))
    assert type(block) is ScaledResidual
    assert len({sum(p.numel() for p in branch.parameters()) for branch in block.branches}) == 2

    b = unit("b")
    assert type(b) is ConcatenatedUnit
    b.branches, b.conv3 = block.branches, block.conv
    b.bn3 = nn.BatchNorm2d(WIDTH, eps=1e-30, dtype=torch.float64).eval()
    nn.init.constant_(b.bn3.weight, block.scale)
    x = torch.randn(2, WIDTH, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        expected = block(x)
        assert close(b(x), expected)
        assert (expected - x.clamp(min=0)).abs().max() > 1e-2  # the branches matter


def test_an_inception_resnet_block_with_equal_branches_is_a_resnext_unit() -> None:
    """Scale 1, and the unit's last BN folded into the 1x1 with bias; the unit in form b is the one in form c."""
    torch.manual_seed(0)
    b = unit("b")
    block: Any = bind(residual(*[[conv("1x1", D), conv("3x3", D)]] * CARDINALITY))(WIDTH).double().eval()
    assert type(b.branches) is type(block.branches) is Concatenated
    assert len(b.branches) == len(block.branches) == CARDINALITY
    x = torch.randn(2, WIDTH, 7, 5, dtype=torch.float64)
    with torch.no_grad():
        for theirs, ours in zip(b.branches, block.branches, strict=True):
            pieces: Any = ours
            for place, piece in enumerate(pieces, 1):
                piece.conv.weight.copy_(getattr(theirs, f"conv{place}").weight)
                piece.bn = getattr(theirs, f"bn{place}")
        slope = b.bn3.weight / torch.sqrt(b.bn3.running_var + b.bn3.eps)
        block.conv.weight.copy_(b.conv3.weight * slope[:, None, None, None])
        block.conv.bias.copy_(b.bn3.bias - slope * b.bn3.running_mean)
        assert close(block(x), b(x))


def test_cardinality_1_is_resnet() -> None:
    torch.manual_seed(0)
    theirs = drawn(torchvision.models.resnet50(num_classes=10))
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    checked = 0
    for spec in (find("resnext50_1x64d").spec, find("resnext50_32x4d").spec.but(cardinality=1, base_width=64)):
        ours = build(spec.but(num_classes=10), device="meta")
        ours.load_state_dict(theirs.state_dict(), assign=True)
        with torch.no_grad():
            assert close(ours.eval()(x), theirs(x))
        checked += 1
    assert checked == 2


def test_cardinality_of_the_inner_width_is_depthwise() -> None:
    """One channel a group: every channel is filtered alone, and only the 1x1 convolutions mix them."""
    torch.manual_seed(0)
    inner = 12
    transform = replace(SPEC.transform, base_width=64 / WIDTH, spatial=Grouped(cardinality=inner))
    network = drawn(build(replace(SPEC, transform=transform)))
    c = network.layer1[1]
    assert c.conv2.groups == c.conv2.in_channels == c.conv2.out_channels == inner

    x = torch.randn(2, WIDTH, 6, 5, dtype=torch.float64)
    with torch.no_grad():
        h = c.bn1(torch.einsum("nchw,dc->ndhw", x, c.conv1.weight[:, :, 0, 0])).clamp(min=0)
        filtered = torch.zeros_like(h)
        for channel in range(inner):
            padded = h.new_zeros(2, 8, 7)
            padded[:, 1:7, 1:6] = h[:, channel]
            for u in range(3):
                for v in range(3):
                    filtered[:, channel] += c.conv2.weight[channel, 0, u, v] * padded[:, u : u + 6, v : v + 5]
        h = c.bn2(filtered).clamp(min=0)
        h = c.bn3(torch.einsum("nchw,dc->ndhw", h, c.conv3.weight[:, :, 0, 0]))
        assert close(c(x), (x + h).clamp(min=0))
