"""The Inception networks, by id, as each has names of its own in the libraries.

Our names are positions: stem.2, layer1.0.branches.3.1 (module, branch, position in it), and branches inside branches.
"""

from __future__ import annotations

from cardinet.weights.layout import Layout


def lettered(place: str, first: str, letters: str) -> tuple[tuple[str, str], ...]:
    """Rules from our numbers to letters: layer1.0 is Mixed_5b."""
    return tuple((rf"^{place}\.{i}\.", f"{first}{letter}.") for i, letter in enumerate(letters))


V3 = Layout(
    (
        (r"^stem\.0\.", "Conv2d_1a_3x3."),
        (r"^stem\.1\.", "Conv2d_2a_3x3."),
        (r"^stem\.2\.", "Conv2d_2b_3x3."),
        (r"^stem\.4\.", "Conv2d_3b_1x1."),
        (r"^stem\.5\.", "Conv2d_4a_3x3."),
        *lettered("layer1", "Mixed_5", "bcd"),
        *lettered("layer2", "Mixed_6", "abcde"),
        *lettered("layer3", "Mixed_7", "abc"),
        (r"6a\.branches\.0\.0\.", "6a.branch3x3."),
        (r"6a\.branches\.1\.(\d)\.", "6a.branch3x3dbl_<1+1>."),
        (r"7a\.branches\.0\.(\d)\.", "7a.branch3x3_<1+1>."),
        (r"7a\.branches\.1\.(\d)\.", "7a.branch7x7x3_<1+1>."),
        (r"^(Mixed_..)\.branches\.0\.0\.", "<1>.branch1x1."),
        (r"^(Mixed_..)\.branches\.3\.1\.", "<1>.branch_pool."),
        (r"5(.)\.branches\.1\.(\d)\.", "5<1>.branch5x5_<2+1>."),
        (r"5(.)\.branches\.2\.(\d)\.", "5<1>.branch3x3dbl_<2+1>."),
        (r"6(.)\.branches\.1\.(\d)\.", "6<1>.branch7x7_<2+1>."),
        (r"6(.)\.branches\.2\.(\d)\.", "6<1>.branch7x7dbl_<2+1>."),
        (r"7(.)\.branches\.1\.(\d)\.", "7<1>.branch3x3_<2+1>."),
        (r"7(.)\.branches\.2\.(\d)\.", "7<1>.branch3x3dbl_<2+1>."),
        (r"\.branches\.0\.0\.", "a."),
        (r"\.branches\.1\.0\.", "b."),
    )
)
V4_TIMM = Layout(
    (
        (r"^stem\.(\d)\.", "features.<1>."),
        (r"^layer1\.(\d)\.", "features.<1+6>."),
        (r"^layer2\.(\d)\.", "features.<1+10>."),
        (r"^layer3\.(\d)\.", "features.<1+18>."),
        (r"features\.3\.branches\.1\.0\.", "features.3.conv."),
        (r"features\.5\.branches\.0\.0\.", "features.5.conv."),
        (r"features\.(4|18)\.branches\.(\d)\.(\d)\.", "features.<1>.branch<2>.<3>."),
        (r"features\.(19|20|21)\.branches\.([12])\.(\d)\.", "features.<1>.branch<2>_<3>."),
        (r"(branch\d_\d)\.branches\.0\.0\.", "<1>a."),
        (r"(branch\d_\d)\.branches\.1\.0\.", "<1>b."),
        (r"branches\.0\.0\.", "branch0."),
        (r"branches\.(\d)\.(\d)\.", "branch<1>.<2>."),
        (r"^fc\.", "last_linear."),
    )
)
RESNET_TIMM = Layout(
    (
        (r"^stem\.0\.", "conv2d_1a."),
        (r"^stem\.1\.", "conv2d_2a."),
        (r"^stem\.2\.", "conv2d_2b."),
        (r"^stem\.4\.", "conv2d_3b."),
        (r"^stem\.5\.", "conv2d_4a."),
        (r"^layer1\.0\.", "mixed_5b."),
        (r"^layer2\.0\.", "mixed_6a."),
        (r"^layer3\.0\.", "mixed_7a."),
        (r"^layer3\.10\.", "block8."),
        (r"^layer3\.11\.", "conv2d_7b."),
        (r"^layer1\.(\d+)\.", "repeat.<1-1>."),
        (r"^layer2\.(\d+)\.", "repeat_1.<1-1>."),
        (r"^layer3\.(\d+)\.", "repeat_2.<1-1>."),
        (r"^(repeat\w*\.\d+|block8)\.conv\.", "<1>.conv2d."),
        (r"7a\.branches\.0\.(\d)\.", "7a.branch0.<1>."),
        (r"branches\.0\.0\.", "branch0."),
        (r"branches\.(\d)\.(\d)\.", "branch<1>.<2>."),
        (r"^fc\.", "classif."),
    )
)

PYTORCHCV = (
    (r"^stem\.([345])\.branches\.", "features.init_block.block<1-2>.branches."),
    (r"^stem\.([012])\.", "features.init_block.conv<1+1>."),
    (r"^stem\.([456])\.", "features.init_block.conv<1>."),
    (r"^layer(\d)\.(\d+)\.", "features.stage<1>.unit<2+1>."),
    (r"(stage[23]\.unit1|block2)\.branches\.0\.0\.", "<1>.branches.branch1.conv_list.conv1."),
    (r"branches\.(\d)\.\d\.branches\.0\.0\.", "branches.branch<1+1>.conv1x3."),
    (r"branches\.(\d)\.\d\.branches\.1\.0\.", "branches.branch<1+1>.conv3x1."),
    (r"block1\.branches\.1\.0\.", "block1.branches.branch2.conv."),
    (r"branches\.0\.0\.", "branches.branch1.conv."),
    (r"branches\.3\.1\.", "branches.branch4.conv."),
    (r"branches\.(\d)\.(\d)\.", "branches.branch<1+1>.conv_list.conv<2+1>."),
)
HEAD = ((r"^fc\.", "output.fc."),)
FACENET_HEAD = ((r"^fc\.", "output.fc2."), (r"^fc1\.", "output.fc1."), (r"^bn1\.", "output.bn."))
V2_STAGES = (
    (r"^layer1\.0\.", "features.init_block.block."),
    (r"^layer1\.(\d+)\.", "features.stage1.unit<1>."),
    (r"^layer3\.11\.", "features.final_conv."),
)

LAYOUTS = {
    "inception_v3": {"timm": V3, "torchvision": V3, "pytorchcv": Layout(PYTORCHCV + HEAD)},
    "inception_v4": {"timm": V4_TIMM, "pytorchcv": Layout(PYTORCHCV + HEAD)},
    "inception_resnet_v1": {"pytorchcv": Layout(PYTORCHCV + FACENET_HEAD)},
    "inception_resnet_v2": {"timm": RESNET_TIMM, "pytorchcv": Layout(V2_STAGES + PYTORCHCV + HEAD)},
}
