"""The residual networks in torchvision, which has our names, and in timm, which has other names for some."""

from cardinet.weights.layout import Layout

OURS = Layout()
PREACTIVATED = Layout(
    (
        (r"^conv1\.", "stem.conv."),
        (r"^layer(\d+)\.(\d+)\.", "stages.<1-1>.blocks.<2>."),
        (r"\.bn(\d)\.", ".norm<1>."),
        (r"downsample\.0\.", "downsample.conv."),
        (r"^closing_bn\.", "norm."),
        (r"^fc\.", "head.fc."),
    ),
    convolutions=(("fc", 1),),
)
GATED = Layout(((r"\.gate\.", ".se."),))
SELECTIVE = Layout(
    (
        (r"\.paths\.(\d)\.0\.", ".paths.<1>.conv."),
        (r"\.paths\.(\d)\.1\.", ".paths.<1>.bn."),
        (r"\.conv2\.(bn|fc\d)\.", ".conv2.attn.<1>."),
        (r"\.fc1\.", ".fc_reduce."),
        (r"\.fc2\.", ".fc_select."),
        (r"^(layer.*)\.conv([13])\.", "<1>.conv<2>.conv."),
        (r"^(layer\d+\.\d+)\.bn1\.", "<1>.conv1.bn."),
        (r"^(layer\d+\.\d+)\.bn2\.", "<1>.conv3.bn."),
    )
)
SPLIT = Layout(((r"^(layer\d+\.\d+)\.bn2\.", "<1>.bn3."),))

LEGACY_RULES = (
    (r"^(conv1|bn1)\.", "layer0.<1>."),
    (r"\.gate\.", ".se_module."),
    (r"^fc\.", "last_linear."),
)
LEGACY = Layout(LEGACY_RULES)
LEGACY_DEEP = Layout(
    (
        (r"^conv1\.0\.", "layer0.conv1."),
        (r"^conv1\.1\.", "layer0.bn1."),
        (r"^conv1\.3\.", "layer0.conv2."),
        (r"^conv1\.4\.", "layer0.bn2."),
        (r"^conv1\.6\.", "layer0.conv3."),
        (r"^bn1\.", "layer0.bn3."),
        *LEGACY_RULES[1:],
    )
)

LAYOUTS = {
    "ResNet": {"torchvision": OURS, "timm": OURS},
    "ResNetV2": {"timm": PREACTIVATED},
    "SENet": {"timm": GATED},
    "SENet, as its authors have it": {"timm": LEGACY},
    "SENet-154, as its authors have it": {"timm": LEGACY_DEEP},
    "SKNet": {"timm": SELECTIVE},
    "ResNeSt": {"timm": SPLIT},
}
