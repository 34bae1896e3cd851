"""DenseNet: torchvision's names, which timm shares, and pytorchcv's names of the networks for CIFAR."""

from cardinet.weights.layout import Layout

TORCHVISION = Layout(
    (
        (r"^layer(\d+)\.(\d+)\.(\w+)\.", "features.denseblock<1>.denselayer<2+1>.<3>."),
        (r"^transition", "features.transition"),
        (r"^(conv|bn)1\.", "features.<1>0."),
        (r"^bn_last\.", "features.norm5."),
        (r"^fc\.", "classifier."),
        (r"\.bn(\d?)\.", ".norm<1>."),
    )
)
CIFAR = Layout(
    (
        (r"^layer(\d+)\.(\d+)\.(bn|conv)(\d?)\.", "features.stage<1>.unit<2+1>.conv<4>.<3>."),
        (r"^transition(\d+)\.", "features.stage<1+1>.trans<1+1>.conv."),
        (r"^conv1\.", "features.init_block."),
        (r"^bn_last\.", "features.post_activ.bn."),
        (r"^fc\.", "output."),
    )
)

LAYOUTS = {"DenseNet": {"torchvision": TORCHVISION, "timm": TORCHVISION, "pytorchcv": CIFAR}}
