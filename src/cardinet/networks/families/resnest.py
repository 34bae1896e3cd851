"""ResNeSt: Zhang et al. 2020 (arXiv 2004.08955): split attention on ResNet-D's deep stem and average-pool shortcuts."""

from functools import partial

from cardinet.networks.families.resnet import resnet50
from cardinet.networks.family import family, row
from cardinet.networks.parts.spatial import SplitAttention
from cardinet.networks.parts.stem import Stem
from cardinet.networks.residual import Residual

resnest50 = resnet50.but(
    spatial=SplitAttention(), stem=Stem(layout="deep", width=32), project="avg conv bn", stride_at=1
)


def fast(radix: int, cardinality: int, base_width: int) -> Residual:
    """The paper's fast setting {radix}s{cardinality}x{base_width}d: the pool stands before the 3x3."""
    split = SplitAttention(radix=radix, cardinality=cardinality, pool="before")
    return resnest50.but(spatial=split, base_width=base_width)


def large(depths: tuple[int, ...]) -> Residual:
    """A deeper network, whose stem has twice the width."""
    return resnest50.but(depths=depths, stem=Stem(layout="deep", width=64))


resnest152 = large((3, 8, 36, 3))
resnest200 = large((3, 24, 36, 3))
resnest269 = large((3, 30, 48, 8))

without_dropout = partial(
    row, reading="There is no dropout before the classifier, as in timm. The paper has 0.2 (head_dropout = 0.2)."
)

FAMILY = family(
    "ResNeSt",
    paper="arXiv 2004.08955",
    input_size=224,
    rows={
        "resnest50": row(resnest50, "timm:resnest50d", "pytorchcv:resnesta50"),
        "resnest14d": row(resnest50.but(depths=(1, 1, 1, 1)), "timm:resnest14d", "pytorchcv:resnestabc14"),
        "resnest26d": row(resnest50.but(depths=(2, 2, 2, 2)), "timm:resnest26d", "pytorchcv:resnestabc26"),
        "resnest101": row(large((3, 4, 23, 3)), "timm:resnest101e", "pytorchcv:resnesta101", input_size=256),
        "resnest200": without_dropout(resnest200, "timm:resnest200e", input_size=320),
        "resnest269": without_dropout(resnest269, "timm:resnest269e", input_size=416),
        "resnest50_fast_1s1x64d": fast(1, 1, 64),
        "resnest50_fast_2s1x64d": fast(2, 1, 64),
        "resnest50_fast_4s1x64d": fast(4, 1, 64),
        "resnest50_fast_1s2x40d": fast(1, 2, 40),
        "resnest50_fast_2s2x40d": fast(2, 2, 40),
        "resnest50_fast_4s2x40d": row(fast(4, 2, 40), "timm:resnest50d_4s2x40d"),
        "resnest50_fast_1s4x24d": row(fast(1, 4, 24), "timm:resnest50d_1s4x24d"),
    },
    variants={
        "pytorchcv:resnesta152": resnest152,
        "pytorchcv:resnesta200": resnest200.but(head_dropout=0.2),
        "pytorchcv:resnesta269": resnest269.but(head_dropout=0.2),
    },
    refused={"pytorchcv:resnesta18": "its basic units end in split attention without a ReLU, which no paper has."},
)
