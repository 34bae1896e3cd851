"""Inception-ResNet v1 and v2: Szegedy et al. 2016 (arXiv 1602.07261), Figures 10 to 20.

A block concatenates its branches. A 1x1 with bias and without BN restores the input's width. The result is multiplied
by a scale and added to the input: form b of the aggregated transform, with unequal branches.
"""

from cardinet.networks.families import inception_v3, inception_v4
from cardinet.networks.family import family, row
from cardinet.networks.inception import Inception
from cardinet.networks.parts.inception_pieces import AVERAGE, MAX, Concatenation, conv, fork, reduction_a, residual


def reduction_b(first: int, second: int, third: tuple[int, int]) -> Concatenation:
    """17x17 to 8x8: Figures 13 and 18."""
    return fork(
        [conv("1x1", 256), conv("3x3", first, stride=2)],
        [conv("1x1", 256), conv("3x3", second, stride=2)],
        [conv("1x1", 256), conv("3x3", third[0]), conv("3x3", third[1], stride=2)],
        [MAX],
    )


A1 = residual(
    [conv("1x1", 32)],
    [conv("1x1", 32), conv("3x3", 32)],
    [conv("1x1", 32), conv("3x3", 32), conv("3x3", 32)],
    scale=0.17,
)
B1 = residual([conv("1x1", 128)], [conv("1x1", 128), conv("1x7", 128), conv("7x1", 128)], scale=0.10)
C1 = residual([conv("1x1", 192)], [conv("1x1", 192), conv("1x3", 192), conv("3x1", 192)], scale=0.20)
C1_LAST = residual(*C1.branches, activation=False)

MIXED_5B = fork(
    [conv("1x1", 96)],
    [conv("1x1", 48), conv("5x5", 64)],
    [conv("1x1", 64), conv("3x3", 96), conv("3x3", 96)],
    [AVERAGE, conv("1x1", 64)],
)
A2 = residual(
    [conv("1x1", 32)],
    [conv("1x1", 32), conv("3x3", 32)],
    [conv("1x1", 32), conv("3x3", 48), conv("3x3", 64)],
    scale=0.17,
)
B2 = residual([conv("1x1", 192)], [conv("1x1", 128), conv("1x7", 160), conv("7x1", 192)], scale=0.10)
C2 = residual([conv("1x1", 192)], [conv("1x1", 192), conv("1x3", 224), conv("3x1", 256)], scale=0.20)
C2_LAST = residual(*C2.branches, activation=False)
REDUCTION_A2, REDUCTION_B2 = reduction_a(256, 256, 384, 384), reduction_b(384, 288, (288, 320))

v1 = Inception(
    stem=(*inception_v3.STEM[:-1], conv("3x3", 256, stride=2)),
    stages=(
        5 * (A1,),
        (reduction_a(192, 192, 256, 384), *10 * (B1,)),
        (reduction_b(384, 256, (256, 256)), *5 * (C1,), C1_LAST),
    ),
    embedding=512,
)
v2 = Inception(
    stem=inception_v3.STEM,
    stages=(
        (MIXED_5B, *10 * (A2,)),
        (REDUCTION_A2, *20 * (B2,)),
        (REDUCTION_B2, *9 * (C2,), C2_LAST, conv("1x1", 1536)),
    ),
)
v2_paper = Inception(
    stem=inception_v4.STEM, stages=(5 * (A2,), (REDUCTION_A2, *10 * (B2,)), (REDUCTION_B2, *5 * (C2,)))
)

FAMILY = family(
    "Inception",
    paper="arXiv 1602.07261",
    input_size=299,
    rows={
        "inception_resnet_v1": row(
            v1,
            "pytorchcv:inceptionresnetv1",
            reading="The authors released no network. As in pytorchcv, which follows FaceNet's code, there is a "
            "sixth C block with scale 1 and no ReLU, and an embedding of 512 with BN before the classifier.",
        ),
        "inception_resnet_v2": row(
            v2,
            "timm:inception_resnet_v2",
            "pytorchcv:inceptionresnetv2",
            reading="The released network (slim): 10, 20 and 10 blocks on 320, 1088 and 2080 channels, and a last "
            "1x1 to 1536. The paper draws 5, 10 and 5 blocks after the stem of v4.",
        ),
        "inception_resnet_v2_paper": row(
            v2_paper,
            reading="From memory of the paper's figures. They show 384, 1154 and 2048 channels, but their "
            "reductions give 1152 and 2144, which are used here. No count was published.",
        ),
    },
)
