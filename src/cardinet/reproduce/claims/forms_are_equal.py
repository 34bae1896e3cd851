"""Forms (a), (b) and (c) of the aggregated transform are one function: Xie et al. 2016, Figure 3 (arXiv 1611.05431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.functions import largest_difference, small_resnext
from cardinet.reproduce.rules import All, Samples, Within

A, B = "form a against form c", "form b against form c"


def measure(lab: Lab) -> Samples:
    from cardinet.rewrite.forms import to_form

    network = small_resnext().double()
    return {name: [largest_difference(network, to_form(network, form))] for name, form in ((A, "a"), (B, "b"))}


CLAIM = Claim(
    id="forms-are-equal",
    chapter="Cardinality",
    statement="The sum of C transforms, the early concatenation and the grouped convolution are one function.",
    paper="arXiv 1611.05431, Figure 3",
    experiment="A small ResNeXt with drawn BN statistics is rewritten from form c to forms a and b; float64.",
    measures="largest relative difference of the logits",
    percent=False,
    rule=All((Within(A, 0, 1e-10), Within(B, 0, 1e-10))),
    measure=measure,
    minutes={"minutes": 0.2, "hour": 0.2, "gpu": 0.2},
)
