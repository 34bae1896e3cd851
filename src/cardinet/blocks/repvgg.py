"""RepVGG's blocks in training and in deployment form (Ding et al. 2021, Figure 2; arXiv 2101.03697)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap
from cardinet.blocks.convolution import convolution
from cardinet.blocks.recomputation import Units

Gate = Callable[[int], nn.Module]


class Block(nn.Module):
    """relu( gate( linear(x) ) ); the two forms have different layers in `linear`."""

    def __init__(self, w_in: int, w_out: int, stride: int, cardinality: int, gate: Gate | None) -> None:
        super().__init__()
        self.add_layers(w_in, w_out, stride, cardinality)
        self.gate = None if gate is None else gate(w_out)
        self.relu = nn.ReLU(inplace=True)

    def add_layers(self, w_in: int, w_out: int, stride: int, cardinality: int) -> None:
        """Register the convolutions and norms."""
        raise NotImplementedError

    def linear(self, x: Tensor) -> Tensor:
        """The block before its gate and activation."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        if self.gate is not None:
            x = self.gate(x)
        y: Tensor = self.relu(x)
        return y


class TrainingBlock(Block):
    """bn3x3( conv3x3(x) ) + bn1x1( conv1x1(x) ) + bn(x), the last only where the block keeps the shape."""

    def add_layers(self, w_in: int, w_out: int, stride: int, cardinality: int) -> None:
        self.conv3x3 = nn.Conv2d(w_in, w_out, 3, stride, padding=1, groups=cardinality, bias=False)
        self.bn3x3 = nn.BatchNorm2d(w_out)
        self.conv1x1 = convolution(w_in, w_out, 1, stride, groups=cardinality, bias=False)
        self.bn1x1 = nn.BatchNorm2d(w_out)
        self.bn = nn.BatchNorm2d(w_out) if stride == 1 and w_in == w_out else None

    def linear(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn3x3(self.conv3x3(x)) + self.bn1x1(self.conv1x1(x))
        return y if self.bn is None else y + self.bn(x)


class DeploymentBlock(Block):
    """conv(x), one 3x3 with bias."""

    def add_layers(self, w_in: int, w_out: int, stride: int, cardinality: int) -> None:
        self.conv = nn.Conv2d(w_in, w_out, 3, stride, padding=1, groups=cardinality)

    def linear(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


FORMS: dict[str, type[Block]] = {"training": TrainingBlock, "deployment": DeploymentBlock}


class RepVGGSpec(ClassifierSpec, Protocol):
    """The description of a RepVGG, with the gate as a constructor."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    cardinality: int
    gate: Gate | None
    form: str


class RepVGG(Classifier):
    """stage0, layer1, layer2, ..., avgpool, fc; block 0 is stage0; blocks 2, 4, 6, ... are grouped."""

    def __init__(self, spec: RepVGGSpec) -> None:
        block = FORMS[spec.form]
        w_in = min(64, spec.widths[0])
        body: dict[str, nn.Module] = {"stage0": block(spec.in_channels, w_in, 2, 1, spec.gate)}
        taps = [Tap("stem", "stage0", w_in, 2)]
        number = 0
        for stage, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), 1):
            blocks = []
            for i in range(depth):
                number += 1
                groups = 1 if number % 2 else spec.cardinality
                blocks.append(block(w_in, width, 2 if i == 0 else 1, groups, spec.gate))
                w_in = width
            body[f"layer{stage}"] = Units(*blocks)
            taps.append(Tap(f"layer{stage}", f"layer{stage}", width, 2 ** (stage + 1)))
        super().__init__(body, {"avgpool": nn.AdaptiveAvgPool2d(1), "fc": nn.Linear(w_in, spec.num_classes)}, taps)
