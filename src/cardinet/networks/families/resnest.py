"""ResNeSt: Zhang et al. 2020 (arXiv 2004.08955): split attention on ResNet-D's deep stem and average-pool shortcuts."""

from cardinet.networks.families.resnet import resnet50
from cardinet.networks.family import family
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
    """The deeper networks have a stem of twice the width."""
    return resnest50.but(depths=depths, stem=Stem(layout="deep", width=64))


FAST = [(1, 1, 64), (2, 1, 64), (4, 1, 64), (1, 2, 40), (2, 2, 40), (4, 2, 40), (1, 4, 24)]


LARGE = {101: (256, (3, 4, 23, 3)), 200: (320, (3, 24, 36, 3)), 269: (416, (3, 30, 48, 8))}
"""Input size and depths."""

FAMILY = family(
    "ResNeSt",
    paper="arXiv 2004.08955",
    input_size=224,
    sizes={f"resnest{n}": size for n, (size, _) in LARGE.items()},
    rows={
        "resnest50": resnest50,
        "resnest14d": resnest50.but(depths=(1, 1, 1, 1)),
        "resnest26d": resnest50.but(depths=(2, 2, 2, 2)),
        **{f"resnest{n}": large(depths) for n, (_, depths) in LARGE.items()},
        **{f"resnest50_fast_{r}s{c}x{d}d": fast(r, c, d) for r, c, d in FAST},
    },
    readings={
        f"resnest{n}": "no dropout before the classifier, as in timm; the paper has 0.2 (head_dropout = 0.2)."
        for n in (200, 269)
    },
    peers={
        "timm:resnest50d": "resnest50",
        "timm:resnest14d": "resnest14d",
        "timm:resnest26d": "resnest26d",
        "timm:resnest50d_4s2x40d": "resnest50_fast_4s2x40d",
        "timm:resnest50d_1s4x24d": "resnest50_fast_1s4x24d",
        **{f"timm:resnest{n}e": f"resnest{n}" for n in LARGE},
        "pytorchcv:resnestabc14": "resnest14d",
        "pytorchcv:resnestabc26": "resnest26d",
        "pytorchcv:resnesta50": "resnest50",
        "pytorchcv:resnesta101": "resnest101",
        "pytorchcv:resnesta152": large((3, 8, 36, 3)),
        **{f"pytorchcv:resnesta{n}": large(LARGE[n][1]).but(head_dropout=0.2) for n in (200, 269)},
    },
    refused={"pytorchcv:resnesta18": "its basic units end in split attention without a ReLU, which no paper has."},
)
