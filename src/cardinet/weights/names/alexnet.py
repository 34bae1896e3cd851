"""AlexNet: torchvision numbers the layers of its chains; pytorchcv has stages that end in a pool."""

from cardinet.weights.layout import Layout

LAYOUTS = {
    "AlexNet": {
        "torchvision": Layout(
            (
                (r"^conv1\.", "features.0."),
                (r"^conv2\.", "features.3."),
                (r"^conv3\.", "features.6."),
                (r"^conv4\.", "features.8."),
                (r"^conv5\.", "features.10."),
                (r"^fc6\.", "classifier.1."),
                (r"^fc7\.", "classifier.4."),
                (r"^fc\.", "classifier.6."),
            )
        ),
        "pytorchcv": Layout(
            (
                (r"^conv([12])\.", "features.stage<1>.unit1.conv."),
                (r"^conv([345])\.", "features.stage3.unit<1-2>.conv."),
                (r"^fc([67])\.", "output.fc<1-5>.fc."),
                (r"^fc\.", "output.fc3."),
            )
        ),
    }
}
