"""Small networks of every topology."""

from __future__ import annotations

from collections.abc import Mapping

from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.families.densenet import DenseNet
from cardinet.networks.families.fractalnet import FractalNet
from cardinet.networks.families.googlenet import GoogLeNet
from cardinet.networks.families.highway import Highway
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.inception import Inception
from cardinet.networks.parts.inception_pieces import MAX, conv, fork, residual
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.spatial import SelectiveKernel, SplitAttention
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec

small = find("resnet20_cifar").spec.but(depths=(2, 1, 2), widths=(8, 16, 32), width=8)
bottleneck = small.but(transform="bottleneck", cardinality=4)
pre = find("preact164_cifar").spec.but(depths=(1, 2, 1))
one, three = conv("1x1", 4), conv("3x3", 4)
inception = Inception(
    stem=(conv("3x3", 8), MAX),
    stages=(
        (residual([one], [one, three], scale=0.5), fork([one], [three])),
        (fork([one], [three, fork([conv("1x3", 4)], [conv("3x1", 4)])]), residual([one])),
    ),
    embedding=5,
)
google = GoogLeNet(widths=(((4, 4, 4, 4, 4, 4),), ((4, 4, 4, 4, 4, 4),) * 2))
dense = DenseNet(depths=(3, 2), growth=4, stem="cifar", stem_width=8)
run = MergeAndRun(depths=(2, 1, 2), widths=(4, 8, 16))
rep = RepVGG(depths=(2, 1, 3), widths=(8, 8, 16))
highway = Highway(depths=(2, 1), widths=(8, 16), pools=(2, 0), dropout=(0, 0, 0), narrow=8)
fractal = FractalNet(columns=3, widths=(4, 8), dropout=(0, 0))

SMALL: Mapping[str, NetworkSpec] = {
    "residual": small,
    "residual, projections everywhere": small.but(kind="C"),
    "residual, zeros for new channels": small.but(kind="A"),
    "residual, no shortcut where the shape changes": small.but(kind="identity"),
    "no shortcuts": small.but(kind="none"),
    "form a": bottleneck.but(form="a"),
    "form b": bottleneck.but(form="b"),
    "form c": bottleneck,
    "deep stem, average pool in shortcuts": find("resnet50").spec.but(
        depths=(1, 2, 1, 1), widths=(8,) * 4, layout="deep", project="avg conv bn"
    ),
    "pre-activation": pre,
    "copies": small.but(depths=(1, 1, 2), copies=3),
    "copies, pre-activation": pre.but(transform="basic", copies=2),
    "levels": small.but(levels=Levels()),
    "levels around stages, pooled": small.but(levels=Levels(around=("stage",), shrink="max")),
    "level around the network": small.but(levels=Levels(around=("network",))),
    "scaled shortcut": small.but(carry="Scaled(skip=0.5)"),
    "gated shortcut": small.but(carry="ShortcutGate()"),
    "gated shortcut and branch": small.but(carry="ExclusiveGate()"),
    "squeeze and excitation": small.but(gate="SqueezeExcite(reduction=4)"),
    "selective kernels": bottleneck.but(spatial=SelectiveKernel(cardinality=2)),
    "split attention": bottleneck.but(spatial=SplitAttention(cardinality=2, radix=2)),
    "Inception": inception,
    "GoogLeNet": google,
    "GoogLeNet, naive": google.but(naive=True),
    "FractalNet": fractal,
    "FractalNet, one column": fractal.but(column=1),
    "FractalNet, five columns": fractal.but(columns=5, widths=(4,), dropout=(0,)),
    "plain by fusion": fuse(8, 3).but(shallow="none"),
    "fused": fuse(14, 6),
    "fused, a base net": fuse(8, 3).but(path=("shallow", "deep1", "shallow")),
    "inception-like": DeeplyFused(depths=(2, 1, 2), widths=(4, 8, 16), branches=2),
    "merge-and-run": run,
    "merge-and-run, concatenated": run.but(join="concatenate"),
    "merge-and-run, bare": run.but(shallow="identity"),
    "DenseNet": dense,
    "DenseNet without bottlenecks": dense.but(bottleneck=False),
    "RepVGG": rep,
    "RepVGG, one convolution": rep.but(form="deployment"),
    "RepVGG, grouped": rep.but(cardinality=2),
    "Highway": highway,
    "VGG": find("vgg16").spec.but(depths=(1, 2), widths=(4, 8)),
    "AlexNet": find("alexnet_2012").spec,
}
