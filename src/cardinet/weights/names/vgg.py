"""VGG: torchvision and timm number one chain of convolutions, norms, ReLUs and pools."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cardinet.weights.layout import Layout


class Numbered(Layout):
    """`conv3_2.weight` becomes `features.7.weight`: a position in the chain, which depends on all layers before it."""

    def translate(self, names: Iterable[str]) -> dict[str, str]:
        """As `Layout`; `names` are in call order."""
        names = list(names)
        apart = 3 if any(name.startswith("bn") for name in names) else 2
        places: dict[str, int] = {}
        for name in names:
            if hit := re.match(r"conv((\d+)_\d+)\.weight", name):
                places[hit[1]] = apart * len(places) + int(hit[2]) - 1
        found = super().translate(names)
        for name in names:
            if (hit := re.match(r"(conv|bn)(\d+_\d+)\.(\w+)$", name)) and hit[2] in places:
                found[name] = f"features.{places[hit[2]] + (hit[1] == 'bn')}.{hit[3]}"
        return found


LAYOUTS = {
    "VGG": {
        "torchvision": Numbered((("^fc6", "classifier.0"), ("^fc7", "classifier.3"), (r"^fc\.", "classifier.6."))),
        "timm": Numbered(
            (("^fc6", "pre_logits.fc1"), ("^fc7", "pre_logits.fc2"), (r"^fc\.", "head.fc.")),
            convolutions=(("fc6", 7), ("fc7", 1)),
        ),
    }
}
