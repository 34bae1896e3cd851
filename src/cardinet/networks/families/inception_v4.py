"""Inception-v4: Szegedy et al. 2016 (arXiv 1602.07261), Figures 3 to 9."""

from cardinet.networks.family import family, row
from cardinet.networks.inception import Inception
from cardinet.networks.parts.inception_pieces import AVERAGE, MAX, conv, fork, reduction_a

STEM = (
    conv("3x3", 32, stride=2),
    conv("3x3", 32, valid=True),
    conv("3x3", 64),
    fork([MAX], [conv("3x3", 96, stride=2)]),
    fork(
        [conv("1x1", 64), conv("3x3", 96, valid=True)],
        [conv("1x1", 64), conv("1x7", 64), conv("7x1", 64), conv("3x3", 96, valid=True)],
    ),
    fork([conv("3x3", 192, stride=2)], [MAX]),
)
A = fork(
    [conv("1x1", 96)],
    [conv("1x1", 64), conv("3x3", 96)],
    [conv("1x1", 64), conv("3x3", 96), conv("3x3", 96)],
    [AVERAGE, conv("1x1", 96)],
)
B = fork(
    [conv("1x1", 384)],
    [conv("1x1", 192), conv("1x7", 224), conv("7x1", 256)],
    [conv("1x1", 192), conv("7x1", 192), conv("1x7", 224), conv("7x1", 224), conv("1x7", 256)],
    [AVERAGE, conv("1x1", 128)],
)
REDUCTION_B = fork(
    [conv("1x1", 192), conv("3x3", 192, stride=2)],
    [conv("1x1", 256), conv("1x7", 256), conv("7x1", 320), conv("3x3", 320, stride=2)],
    [MAX],
)
SPLIT = fork([conv("1x3", 256)], [conv("3x1", 256)])
C = fork(
    [conv("1x1", 256)],
    [conv("1x1", 384), SPLIT],
    [conv("1x1", 384), conv("3x1", 448), conv("1x3", 512), SPLIT],
    [AVERAGE, conv("1x1", 256)],
)

v4 = Inception(stem=STEM, stages=(4 * (A,), (reduction_a(192, 224, 256, 384), *7 * (B,)), (REDUCTION_B, *3 * (C,))))

FAMILY = family(
    "Inception",
    paper="arXiv 1602.07261",
    input_size=299,
    rows={"inception_v4": row(v4, "timm:inception_v4", "pytorchcv:inceptionv4")},
)
