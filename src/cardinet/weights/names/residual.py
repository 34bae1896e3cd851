"""The residual networks: our names are torchvision's, which timm uses too for these."""

from cardinet.weights.layout import Layout

SAME = {"torchvision": Layout(), "timm": Layout()}

LAYOUTS = {"ResNet": SAME, "ResNeXt": SAME, "WideResNet": SAME}
