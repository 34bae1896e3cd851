"""Other libraries' names for the tensors of our networks: one file a family."""

from __future__ import annotations

from cardinet.weights.layout import Layout
from cardinet.weights.names import alexnet, densenet, googlenet, inception, repvgg, residual, residual_pytorchcv, vgg

LAYOUTS: dict[tuple[str, str], Layout] = {
    (library, family): layout
    for file in (residual, residual_pytorchcv, repvgg, vgg, alexnet, inception, googlenet, densenet)
    for family, by_library in file.LAYOUTS.items()
    for library, layout in by_library.items()
}
"""The layouts by (library, family); families have the names of `networks/`."""
