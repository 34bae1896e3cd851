"""The pieces of Inception networks, written as the papers' figures draw them.

A branch is a tuple of pieces (convolutions, pools, forks) that run one after another. A `Concatenation` is a tuple of
branches side by side. The auxiliary heads, which only help training, are in
`networks/auxiliary_head.py`; the papers do not count them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SkipValidation

from cardinet.base.errors import RequestError
from cardinet.networks.part import Part, part
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count

Side = Literal[1, 3, 5, 7]
Padding = Literal["same", "valid"]


class Piece(Part):
    """Base of the parts that form Inception modules. The module of a piece takes its number of input channels.

    `window` is (stride, rows, columns). An output pixel sees one row plus `rows` more, less the padding; columns
    likewise. So n rows become floor((n - 1 - rows) / stride) + 1.
    """

    ROLE: ClassVar[str] = "piece"

    @property
    def window(self) -> tuple[int, int, int]:
        raise NotImplementedError

    def add_paths(self, graph: PathGraph, start: int) -> int:
        """Add the piece to a graph, and return the number of its output; see `PathGraph`."""
        raise NotImplementedError


Chain = tuple[SkipValidation[Piece], ...]
Branches = Annotated[tuple[Annotated[Chain, Field(min_length=1)], ...], Field(min_length=1)]


@part
class Convolution(Piece):
    """A convolution, BN (eps 1e-3), ReLU."""

    width: Count
    """The output channels of the convolution."""

    kernel: tuple[Side, Side] = (1, 1)
    """The rows and the columns of the kernel."""

    stride: Literal[1, 2] = 1
    """The stride in both directions."""

    padding: Padding = "same"
    """The padding: same keeps the size at stride 1, valid has none."""

    MODULE: ClassVar[str] = "inception:ConvNormReLU"

    @property
    def window(self) -> tuple[int, int, int]:
        rows, columns = self.kernel if self.padding == "valid" else (1, 1)
        return self.stride, rows - 1, columns - 1

    def add_paths(self, graph: PathGraph, start: int) -> int:
        return graph.chain(start, 1)


@part
class Pooling(Piece):
    """A max or average pool."""

    kind: Literal["max", "avg"]
    """The value of each window: its largest value, or its average."""

    kernel: Side = 3
    """The side of the window."""

    stride: Literal[1, 2] = 1
    """The stride in both directions."""

    padding: Padding = "same"
    """The padding: same keeps the size at stride 1, valid has none."""

    counts_padding: bool = True
    """Whether an average counts the padded pixels too."""

    MODULE: ClassVar[str] = "inception:Pool"

    @property
    def window(self) -> tuple[int, int, int]:
        lost = self.kernel - 1 if self.padding == "valid" else 0
        return self.stride, lost, lost

    def add_paths(self, graph: PathGraph, start: int) -> int:
        return start


@part
class Concatenation(Piece):
    """concat( T_1(x), ..., T_C(x) ).

    Raises RequestError if the branches give maps of different sizes.
    """

    branches: Branches
    """The branches side by side; each is a chain of pieces."""

    MODULE: ClassVar[str] = "inception:Concatenate"

    def __post_init__(self) -> None:
        refuse(side_by_side(self.branches))

    @property
    def window(self) -> tuple[int, int, int]:
        return window(self.branches[0])

    def add_paths(self, graph: PathGraph, start: int) -> int:
        return graph.add(*(Way(along(branch, graph, start)) for branch in self.branches))


@part
class InceptionResidual(Piece):
    """act( x + scale * conv1x1( concat( T_1(x), ..., T_C(x) ) ) ) (arXiv 1602.07261).

    Raises RequestError if a branch does not keep the size of the picture.
    """

    branches: Branches
    """The branches side by side; each is a chain of pieces that keeps the size of the picture."""

    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The factor of the branches before they are added."""

    activation: bool = True
    """Whether a ReLU follows the sum."""

    MODULE: ClassVar[str] = "inception:ScaledResidual"

    def __post_init__(self) -> None:
        refuse(side_by_side(self.branches))
        if self.window != (1, 0, 0):
            raise RequestError("The branches of an InceptionResidual change the size; use stride 1 and same padding.")

    @property
    def window(self) -> tuple[int, int, int]:
        return window(self.branches[0])

    def add_paths(self, graph: PathGraph, start: int) -> int:
        ends = [along(branch, graph, start) for branch in self.branches]
        return graph.add(Way(start), *(Way(end, 1, unit=True) for end in ends))


def along(chain: Iterable[Piece], graph: PathGraph, start: int) -> int:
    """Add pieces that run one after another to a graph, and return the number of their output."""
    for piece in chain:
        start = piece.add_paths(graph, start)
    return start


def window(chain: Iterable[Piece]) -> tuple[int, int, int]:
    """The window of pieces that run one after another."""
    stride, rows, columns = 1, 0, 0
    for piece in chain:
        own, high, wide = piece.window
        stride, rows, columns = stride * own, rows + stride * high, columns + stride * wide
    return stride, rows, columns


def not_pieces(chains: Iterable[Chain]) -> Iterator[str]:
    """A sentence for each value in chains that is not a piece."""
    for chain in chains:
        for x in chain:
            if not isinstance(x, Piece):
                yield f"{x!r} is not a piece; give one, such as Convolution(width=64)."


def side_by_side(branches: Sequence[Chain]) -> list[str]:
    """Faults of branches side by side, one sentence each."""
    if found := list(not_pieces(branches)):
        return found
    first = window(branches[0])
    return [
        f"branches[{i}] has stride and border {window(branch)} but branches[0] has {first}, so their maps "
        "differ in size; give all branches the same strides and padding."
        for i, branch in enumerate(branches)
        if window(branch) != first
    ]


def refuse(findings: Iterable[str]) -> None:
    """Raise RequestError with all findings, if there are any."""
    if found := list(findings):
        raise RequestError(*found)


def conv(kernel: str, width: int, *, stride: Literal[1, 2] = 1, valid: bool = False) -> Convolution:
    """A convolution as the figures write it: conv("1x7", 224). In these networks stride 2 has no padding ("valid")."""
    rows, columns = kernel.split("x")
    padding: Padding = "valid" if valid or stride == 2 else "same"
    return Convolution(width=width, kernel=(int(rows), int(columns)), stride=stride, padding=padding)  # type: ignore[arg-type]


def fork(*branches: Sequence[Piece]) -> Concatenation:
    """Branches side by side, concatenated."""
    return Concatenation(branches=tuple(map(tuple, branches)))


def residual(*branches: Sequence[Piece], scale: float = 1.0, activation: bool = True) -> InceptionResidual:
    """Branches of an Inception-ResNet block."""
    return InceptionResidual(branches=tuple(map(tuple, branches)), scale=scale, activation=activation)


MAX = Pooling(kind="max", stride=2, padding="valid")
AVERAGE = Pooling(kind="avg", counts_padding=False)


def reduction_a(k: int, l: int, m: int, n: int) -> Concatenation:  # noqa: E741 - the paper's letters
    """35x35 to 17x17: Szegedy et al. 2016, Figure 7, with the widths of its Table 1."""
    return fork([conv("3x3", n, stride=2)], [conv("1x1", k), conv("3x3", l), conv("3x3", m, stride=2)], [MAX])
