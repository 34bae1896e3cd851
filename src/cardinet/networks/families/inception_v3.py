"""Inception-v3: Szegedy et al. 2015 (arXiv 1512.00567), Table 1 and Figures 5 to 7."""

from cardinet.networks.family import family, row
from cardinet.networks.inception import Inception
from cardinet.networks.parts.inception_pieces import MAX, Concatenation, Pooling, conv, fork, reduction_a

AVERAGE = Pooling(kind="avg")
STEM = (
    conv("3x3", 32, stride=2),
    conv("3x3", 32, valid=True),
    conv("3x3", 64),
    MAX,
    conv("1x1", 80),
    conv("3x3", 192, valid=True),
    MAX,
)


def figure_5(project: int) -> Concatenation:
    """35x35, as released: with a 5x5 where the figure has its single 3x3."""
    return fork(
        [conv("1x1", 64)],
        [conv("1x1", 48), conv("5x5", 64)],
        [conv("1x1", 64), conv("3x3", 96), conv("3x3", 96)],
        [AVERAGE, conv("1x1", project)],
    )


def figure_6(inner: int) -> Concatenation:
    """17x17, n = 7."""
    return fork(
        [conv("1x1", 192)],
        [conv("1x1", inner), conv("1x7", inner), conv("7x1", 192)],
        [conv("1x1", inner), conv("7x1", inner), conv("1x7", inner), conv("7x1", inner), conv("1x7", 192)],
        [AVERAGE, conv("1x1", 192)],
    )


REDUCTION = fork(
    [conv("1x1", 192), conv("3x3", 320, stride=2)],
    [conv("1x1", 192), conv("1x7", 192), conv("7x1", 192), conv("3x3", 192, stride=2)],
    [MAX],
)
SPLIT = fork([conv("1x3", 384)], [conv("3x1", 384)])
FIGURE_7 = fork(
    [conv("1x1", 320)],
    [conv("1x1", 384), SPLIT],
    [conv("1x1", 448), conv("3x3", 384), SPLIT],
    [AVERAGE, conv("1x1", 192)],
)

v3 = Inception(
    stem=STEM,
    stages=(
        (figure_5(32), figure_5(64), figure_5(64)),
        (reduction_a(64, 96, 96, 384), figure_6(128), figure_6(160), figure_6(160), figure_6(192)),
        (REDUCTION, FIGURE_7, FIGURE_7),
    ),
)

FAMILY = family(
    "Inception",
    paper="arXiv 1512.00567",
    input_size=299,
    rows={
        "inception_v3": row(
            v3,
            "timm:inception_v3",
            "torchvision:inception_v3",
            "pytorchcv:inceptionv3",
            reading="The released network (slim). Its stem differs from the paper's Table 1. Average pools count "
            "the padding, as in torchvision and timm; those of slim do not. Dropout is 0.2, as in slim "
            "(torchvision: 0.5). torchvision's transform_input is part of the preprocessing here; only its "
            "pretrained weights use it.",
        )
    },
)
