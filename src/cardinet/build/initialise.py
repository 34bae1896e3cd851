"""Initial weights."""

from __future__ import annotations

from torch import nn

from cardinet.base.errors import RequestError, nearest

INITS = ("torchvision", "paper")


def initialise(network: nn.Module, init: str) -> None:
    """Draw the initial weights in place, in one pass in `modules()` order, from torch's generator.

    Convolutions are normal with std sqrt(2 / fan_out) (He et al. 2015) and have a bias of 0. BN has weight 1 and bias
    0. Linear layers keep torch's weights. A network's `fans` may have another rule for an `init`: "fan_in", or None to
    keep torch's weights in convolutions too. At the end every module with a method `initialise(init)` is called, for
    its own layers.

    torchvision: the same seed gives torchvision's weights, bit for bit, for every network that torchvision has too
    (GoogLeNet and Inception-v3: with aux_logits=False and init_weights=False).

    paper: linear biases are 0 too (fb.resnet.torch, ResNeXt). These follow their own paper or its code: AlexNet, VGG,
    DenseNet, FractalNet, Highway, deeply-fused and merge-and-run nets, the attention layers of SKNet, the last gamma of
    ResNeSt's units, and gates on shortcuts. Wide ResNet and stochastic depth for small pictures use fan_in, as in
    their code (`init_fan` of the description). All other families follow the rule above.

    Raises RequestError for an unknown `init`.
    """
    if init not in INITS:
        raise RequestError(f'There is no initialisation "{init}" ({nearest(init, INITS)}).')
    fan = getattr(network, "fans", {}).get(init, "fan_out")
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and fan is not None:
            nn.init.kaiming_normal_(module.weight, mode=fan, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)
        elif init == "paper" and isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.constant_(module.bias, 0)
    for module in network.modules():
        if own := getattr(module, "initialise", None):
            own(init)
