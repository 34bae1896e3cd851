"""Swapout: Singh, Hoiem and Forsyth 2016 (arXiv 1605.06465): both sides of a unit are dropped per element."""

from functools import partial

from cardinet.networks.families.resnet_v2 import preact20
from cardinet.networks.family import family, row
from cardinet.networks.parts.merge import Swapout

wide20 = preact20.but(widths=(64, 128, 256), width=64, merge=Swapout())

wide_stem = partial(
    row,
    reading="The stem is as wide as the first stage, and shortcuts are padded with zeros. With 1x1 projections "
    "without BN (kind = B, project = conv) the 32 layers have 7,427,146 parameters, the published 7.43 M.",
)

FAMILY = family(
    "Swapout",
    paper="arXiv 1605.06465",
    input_size=32,
    rows={"swapout20_w4": wide_stem(wide20), "swapout32_w4": wide_stem(wide20.but(depths=(5, 5, 5)))},
)
