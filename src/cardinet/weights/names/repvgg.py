"""RepVGG: timm has other names for the branches and counts the stages from 0."""

from cardinet.weights.layout import Layout

LAYOUTS = {
    "RepVGG": {
        "timm": Layout(
            (
                (r"\.bn\.", ".identity."),
                (r"(conv|bn)(3x3|1x1)\.", "conv_<2>.<1>."),
                (r"conv_3x3\.", "conv_kxk."),
                (r"\.gate\.", ".attn."),
                (r"^stage0\.", "stem."),
                (r"^layer(\d+)\.", "stages.<1-1>."),
                (r"^fc\.", "head.fc."),
            )
        )
    }
}
