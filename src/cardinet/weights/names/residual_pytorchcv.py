"""The residual networks in pytorchcv: units of a body and an identity, under one of several stems."""

from cardinet.weights.layout import Layout

Rules = tuple[tuple[str, str], ...]

UNITS: Rules = (
    (r"\.gate\.fc(\d)\.", ".se.conv<1>."),
    (r"^layer(\d+)\.(?:units\.)?(\d+)\.(conv|bn)(\d)\.", "features.stage<1>.unit<2+1>.body.conv<4>.<3>."),
    (r"^layer(\d+)\.(?:units\.)?(\d+)\.", "features.stage<1>.unit<2+1>."),
    (r"^closing_bn\.", "features.post_activ.bn."),
)
BARE: Rules = ((r"^conv1\.", "features.init_block."),)
PLAIN: Rules = ((r"^(conv|bn)1\.", "features.init_block.<1>."),)
POOLED: Rules = ((r"^(conv|bn)1\.", "features.init_block.conv.<1>."),)
DEEP: Rules = (
    (r"^conv1\.0\.", "features.init_block.conv1.conv."),
    (r"^conv1\.1\.", "features.init_block.conv1.bn."),
    (r"^conv1\.3\.", "features.init_block.conv2.conv."),
    (r"^conv1\.4\.", "features.init_block.conv2.bn."),
    (r"^conv1\.6\.", "features.init_block.conv3.conv."),
    (r"^bn1\.", "features.init_block.conv3.bn."),
)
"""The stems: a bare convolution; one with BN; both before a pool; three convolutions."""

CONV: Rules = ((r"downsample\.0\.", "identity_conv."),)
CONV_BN: Rules = ((r"downsample\.0\.", "identity_conv.conv."), (r"downsample\.1\.", "identity_conv.bn."))
AVG_CONV_BN: Rules = (
    (r"downsample\.1\.", "identity_block.conv.conv."),
    (r"downsample\.2\.", "identity_block.conv.bn."),
)
"""The projections."""

OUTPUT: Rules = ((r"^fc\.", "output."),)
OUTPUT_FC: Rules = ((r"^fc\.", "output.fc."),)

CIFAR = Layout((*PLAIN, *CONV_BN, *UNITS, *OUTPUT))
IMAGENET = Layout((*POOLED, *CONV_BN, *UNITS, *OUTPUT))
DEEP_AVG = Layout((*DEEP, *AVG_CONV_BN, *UNITS, *OUTPUT))
SENET = Layout((*DEEP, *CONV_BN, *UNITS, *OUTPUT_FC))
PREACTIVATED_CIFAR = Layout((*BARE, *CONV, *UNITS, *OUTPUT))
PREACTIVATED = Layout((*PLAIN, *CONV, *UNITS, *OUTPUT))
SELECTIVE = Layout(
    (
        (r"\.conv2\.paths\.(\d)\.0\.", ".body.conv2.branches.branch<1+2>.conv."),
        (r"\.conv2\.paths\.(\d)\.1\.", ".body.conv2.branches.branch<1+2>.bn."),
        (r"\.conv2\.fc1\.", ".body.conv2.fc1.conv."),
        (r"\.conv2\.bn\.", ".body.conv2.fc1.bn."),
        (r"\.conv2\.fc2\.", ".body.conv2.fc2."),
        (r"\.(\d+)\.bn2\.", ".<1>.bn3."),
        *IMAGENET.rules,
    )
)
SPLIT = Layout(
    (
        (r"\.conv2\.conv\.", ".body.conv2.conv.conv."),
        (r"\.conv2\.bn0\.", ".body.conv2.conv.bn."),
        (r"\.conv2\.fc(\d)\.", ".body.conv2.att.conv<1>."),
        (r"\.conv2\.bn1\.", ".body.conv2.att.bn."),
        (r"\.(\d+)\.bn2\.", ".<1>.bn3."),
        *DEEP,
        *AVG_CONV_BN,
        *UNITS,
        *OUTPUT_FC,
    )
)
ROR = Layout(
    (
        (r"^layer(\d+)\.level\.downsample\.0\.", "features.body.stages.stage<1>.shortcut.conv."),
        (r"^layer(\d+)\.level\.downsample\.1\.", "features.body.stages.stage<1>.shortcut.bn."),
        (r"^root\.downsample\.0\.", "features.body.shortcut.conv."),
        (r"^root\.downsample\.1\.", "features.body.shortcut.bn."),
        *CIFAR.rules,
        (r"^features\.stage(\d)\.", "features.body.stages.stage<1>.units."),
    )
)

LAYOUTS = {
    "ResNet": {"pytorchcv": IMAGENET},
    "ResNet-CIFAR": {"pytorchcv": CIFAR},
    "ResNet-D": {"pytorchcv": DEEP_AVG},
    "ResNetV2": {"pytorchcv": PREACTIVATED},
    "ResNetV2-CIFAR": {"pytorchcv": PREACTIVATED_CIFAR},
    "SENet-154": {"pytorchcv": SENET},
    "SKNet": {"pytorchcv": SELECTIVE},
    "ResNeSt": {"pytorchcv": SPLIT},
    "RoR": {"pytorchcv": ROR},
}
