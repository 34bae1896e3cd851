"""GoogLeNet: torchvision names its modules by the paper's numbers, 3a to 5b."""

from __future__ import annotations

from cardinet.weights.layout import Layout

PLACES = {"3": ("layer1", 0, "ab"), "4": ("layer2", 1, "abcde"), "5": ("layer3", 1, "ab")}
"""Our stage for a number of the paper, the number of pools at its start, and the letters of its modules."""

TORCHVISION = Layout(
    (
        (r"^stem\.0\.", "conv1."),
        (r"^stem\.([23])\.", "conv<1>."),
        *(
            (rf"^{stage}\.{i}\.", f"inception{size}{letter}.")
            for size, (stage, first, letters) in PLACES.items()
            for i, letter in enumerate(letters, first)
        ),
        (r"branches\.0\.0\.", "branch1."),
        (r"branches\.(\d)\.(\d)\.", "branch<1+1>.<2>."),
    )
)

LAYOUTS = {"GoogLeNet": {"torchvision": TORCHVISION}}
