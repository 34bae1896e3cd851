"""Attribution: which places of a picture an answer rests on. One method a file; `METHODS` is their table.

A method maps a network in eval mode, normalised pictures (B, C, H, W) and a class for each (B,) to raw maps (B, h, w):
the signed contribution of each place to the logit of the class, without a ReLU, scaling or enlargement. It sets no
hooks, needs no gradients of parameters, and works where gradients are switched off around it. What it changes for its
work are copies of the pictures, and only a bounded number of them is computed at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardinet.explain.attribution.gradient_maps import GradCam, GradCamPlus
from cardinet.explain.attribution.integrated_gradients import IntegratedGradients
from cardinet.explain.attribution.method import Method
from cardinet.explain.attribution.occlusion import Occlusion

METHODS: Mapping[str, Method] = {
    "grad-cam": GradCam(),
    "grad-cam++": GradCamPlus(),
    "integrated-gradients": IntegratedGradients(),
    "occlusion": Occlusion(),
}
