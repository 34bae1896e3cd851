"""How each kind of network is drawn: one file for each kind of description, and one row here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cardinet.draw.kinds import dense, fractal, fused, highway, inception, plain, repvgg, residual
from cardinet.draw.plan import Plan
from cardinet.networks.families.alexnet import AlexNet
from cardinet.networks.families.deeply_fused import DeeplyFused
from cardinet.networks.families.densenet import DenseNet
from cardinet.networks.families.fractalnet import FractalNet
from cardinet.networks.families.googlenet import GoogLeNet
from cardinet.networks.families.highway import Highway
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.families.vgg import VGG
from cardinet.networks.inception import Inception
from cardinet.networks.residual import Residual

KINDS: dict[type, Callable[[Any], Plan]] = {
    Residual: residual.plan,
    DenseNet: dense.plan,
    FractalNet: fractal.plan,
    MergeAndRun: fused.run_plan,
    DeeplyFused: fused.fused_plan,
    Highway: highway.plan,
    RepVGG: repvgg.plan,
    Inception: inception.plan,
    GoogLeNet: inception.googlenet_plan,
    VGG: plain.vgg_plan,
    AlexNet: plain.alexnet_plan,
}


def plan_of(spec: Any) -> Plan | None:
    """The plan of a description; None for a kind of network from elsewhere, of which only the counts are known."""
    kind = next((KINDS[one] for one in type(spec).__mro__ if one in KINDS), None)
    return None if kind is None else kind(spec)
