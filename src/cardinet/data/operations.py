"""The operations that RandAugment, TrivialAugment and AugMix draw from: one table, for a picture and for a batch.

On a picture they are Pillow's, so that they equal torchvision's operations on Pillow pictures byte for byte. On a batch
of tensors they give the same bytes: Pillow's fixed-point coordinates, its grey values, its rounding. (torchvision's own
operations on tensors differ from those on Pillow pictures by one level in places, and by single pixels where a picture
is sheared or turned.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from PIL import Image

    from cardinet.data.draws import Uniforms, Whole

Matrix = tuple[Any, Any, Any, Any, Any, Any]
"""(a, b, c, d, e, f), numbers or arrays: the point (x, y) of the result shows (ax + by + c, dx + ey + f)."""

FIXED = 16
"""The bits behind the point in Pillow's coordinates."""


class Look(NamedTuple):
    """How moved pictures are read: the interpolation, and the colour of what comes from outside."""

    interpolation: Literal["nearest", "bilinear"]
    colour: tuple[int, ...]


@dataclass(frozen=True)
class Move:
    """Move the pixels: `matrix(magnitude, width, height)` leads from the result to the picture."""

    matrix: Callable[[Any, int, int], Matrix]

    def on_picture(self, image: Image.Image, magnitude: float, look: Look) -> Image.Image:
        """A picture of mode L or RGB at this magnitude, whose meaning is the operation's own."""
        from PIL import Image

        way = Image.Resampling[look.interpolation.upper()]
        colour = look.colour if len(look.colour) > 1 else look.colour[0]
        matrix = self.matrix(magnitude, *image.size)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, way, fillcolor=colour)

    @staticmethod
    def on_rows(pixels: torch.Tensor, tasks: Tasks, look: Look) -> torch.Tensor:
        """The pixels, uint8 (n, C, H, W), each row by its own operation of this kind."""
        import numpy as np

        height, width = pixels.shape[2:]
        matrices = np.empty((len(pixels), 6))
        for operation, rows, magnitudes in tasks:
            for column, value in enumerate(operation.matrix(magnitudes, width, height)):
                matrices[rows, column] = value
        return moved(pixels, matrices, look)


@dataclass(frozen=True)
class Levels:
    """Give every value a new one: by Pillow, or by `table(pixels, magnitudes)`, uint8 (n, C or 1, 256)."""

    picture: Callable[[Image.Image, float], Image.Image]
    table: Callable[[torch.Tensor, Uniforms], torch.Tensor]

    def on_picture(self, image: Image.Image, magnitude: float, look: Look) -> Image.Image:
        """A picture of mode L or RGB at this magnitude, whose meaning is the operation's own."""
        return self.picture(image, magnitude)

    @staticmethod
    def on_rows(pixels: torch.Tensor, tasks: Tasks, look: Look) -> torch.Tensor:
        """The pixels, uint8 (n, C, H, W), each row by its own operation of this kind."""
        tables = pixels.new_empty((*pixels.shape[:2], 256))
        for operation, rows, magnitudes in tasks:
            tables[rows] = operation.table(pixels[rows], magnitudes)
        return tables.gather(2, pixels.flatten(2).long()).view(pixels.shape)


@dataclass(frozen=True)
class Blend:
    """Draw a picture near to or away from `other`: other + (1 + magnitude) * (picture - other)."""

    picture: Callable[[Image.Image, float], Image.Image]
    other: Callable[[torch.Tensor], torch.Tensor]

    def on_picture(self, image: Image.Image, magnitude: float, look: Look) -> Image.Image:
        """A picture of mode L or RGB at this magnitude, whose meaning is the operation's own."""
        return self.picture(image, magnitude)

    @staticmethod
    def on_rows(pixels: torch.Tensor, tasks: Tasks, look: Look) -> torch.Tensor:
        """The pixels, uint8 (n, C, H, W), each row by its own operation of this kind."""
        import numpy as np
        import torch

        others, factors = torch.empty_like(pixels), np.empty(len(pixels))
        for operation, rows, magnitudes in tasks:
            others[rows], factors[rows] = operation.other(pixels[rows]), 1.0 + magnitudes
        return blended(others, pixels, factors)


Operation = Move | Levels | Blend
Tasks = Sequence[tuple[Any, slice, "Uniforms"]]
"""The operations of one kind on consecutive rows of a batch: (operation, rows, the magnitude of each)."""


def operate(pixels: torch.Tensor, names: Sequence[str], which: Whole, magnitudes: Uniforms, look: Look) -> torch.Tensor:
    """uint8 (N, C, H, W), each sample by one operation: `names[which]`, with its magnitude; both (N,). In place.

    Samples with a `which` below 0 stay unchanged.
    """
    import numpy as np
    import torch

    for kind in (Move, Levels, Blend):
        tasks: list[tuple[Any, slice, Uniforms]] = []
        found: list[npt.NDArray[np.int64]] = []
        begin = 0
        for number, name in enumerate(names):
            rows = np.flatnonzero(which == number) if isinstance(OPERATIONS[name], kind) else ()
            if len(rows):
                tasks.append((OPERATIONS[name], slice(begin, begin + len(rows)), magnitudes[rows]))
                found.append(np.asarray(rows))
                begin += len(rows)
        if found:
            place = torch.from_numpy(np.concatenate(found)).to(pixels.device, non_blocking=True)
            pixels[place] = kind.on_rows(pixels.index_select(0, place), tasks, look)
    return pixels


def moved(pixels: torch.Tensor, matrices: npt.NDArray[np.float64], look: Look) -> torch.Tensor:
    """uint8 (n, C, H, W), each picture read through its matrix, (n, 6), as Pillow's `transform` does."""
    import torch

    count, channels, height, width = pixels.shape
    lines = pixels.flatten(2)
    down = torch.arange(height, dtype=torch.int32, device=pixels.device)[:, None]
    across = torch.arange(width, dtype=torch.int32, device=pixels.device)

    def read(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = (y.clamp(0, height - 1) * width).add_(x.clamp(0, width - 1)).view(count, 1, -1)
        return lines.gather(2, place.long().expand(-1, channels, -1)).view(pixels.shape)

    if look.interpolation == "nearest":
        a, b, c, d, e, f = (_column(value, pixels.device) for value in _fixed(matrices))
        x, y = (a * across + b * down + c) >> FIXED, (d * across + e * down + f) >> FIXED
        found = read(y, x)
    else:
        a, b, c, d, e, f = (_column(value, pixels.device) for value in matrices.T)
        right, low = across + 0.5, down + 0.5
        x, y = a * right.double() + b * low.double() + c, d * right.double() + e * low.double() + f
        left, top = (x - 0.5).floor(), (y - 0.5).floor()
        right, low = ((x - 0.5) - left)[:, None], ((y - 0.5) - top)[:, None]
        x0, y0 = left.int(), top.int()
        upper, lower = (between(read(line, x0).double(), read(line, x0 + 1).double(), right) for line in (y0, y0 + 1))
        found = between(upper, lower, low).to(torch.uint8)
    inside = ((x >= 0) & (x < width) & (y >= 0) & (y < height))[:, None]
    found *= inside  # many times as fast as `where`, which has to broadcast
    if any(look.colour):
        found += ~inside * torch.tensor(look.colour, dtype=torch.uint8, device=pixels.device).view(-1, 1, 1)
    return found


def _fixed(matrices: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """The columns of the matrices in Pillow's fixed-point numbers, for the centres of pixels, (6, n)."""
    import numpy as np

    a, b, c, d, e, f = matrices.T
    whole = np.stack([a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5])
    return np.floor(whole * 2.0**FIXED + 0.5).astype(np.int32)


def _column(values: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """(n,) as (n, 1, 1) on the device."""
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(device, non_blocking=True)[:, None, None]


def between(first: torch.Tensor, second: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """first + share * (second - first)."""
    return first + share * (second - first)


def blended(other: torch.Tensor, pixels: torch.Tensor, factors: Uniforms) -> torch.Tensor:
    """other + factor * (pixels - other) in float32, cut to uint8, as Pillow's `blend`; (n, ...) and factors (n,)."""
    import numpy as np
    import torch

    factor = torch.from_numpy(factors.astype(np.float32)).to(pixels.device, non_blocking=True)
    start = other.float()
    mixed = between(start, pixels.float(), factor.view(-1, *[1] * (pixels.dim() - 1)))
    return mixed.clamp_(0, 255).to(torch.uint8)


def grey(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (n, C, H, W) as grey, (n, 1, H, W), as Pillow's mode L."""
    import torch

    if pixels.shape[1] == 1:
        return pixels
    red, green, blue = pixels.int().split(1, dim=1)
    weighted: torch.Tensor = red * 19595 + green * 38470 + blue * 7471 + 0x8000
    return (weighted >> 16).to(torch.uint8)


def smoothed(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (n, C, H, W) by Pillow's filter SMOOTH: (the sum of 3 x 3 + 4 x the centre) / 13; edges stay."""
    import torch

    if min(pixels.shape[2:]) < 3:
        return pixels
    whole = pixels.to(torch.int16)
    rows = whole[:, :, :-2] + whole[:, :, 1:-1] + whole[:, :, 2:]
    sums = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * whole[:, :, 1:-1, 1:-1]
    found = pixels.clone()
    found[:, :, 1:-1, 1:-1] = ((2 * sums + 13) // 26).to(torch.uint8)
    return found


def _values(pixels: torch.Tensor) -> torch.Tensor:
    """0 to 255, uint8 (256,)."""
    import torch

    return torch.arange(256, dtype=torch.uint8, device=pixels.device)


def brightness(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    values = _values(pixels).expand(len(pixels), 1, 256)
    return blended(values.new_zeros(1), values, 1.0 + magnitudes)


def contrast(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    """Away from the mean grey value, which is rounded."""
    area = pixels.shape[2] * pixels.shape[3]
    mean = (2 * grey(pixels).flatten(1).sum(1) + area) // (2 * area)
    return blended(mean.view(-1, 1, 1), _values(pixels).expand(len(pixels), 1, 256), 1.0 + magnitudes)


def posterize(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    """Keep the highest bits; the magnitude is their number."""
    import numpy as np

    kept = (256 - 2 ** (8 - magnitudes.astype(np.int64))).astype(np.uint8)
    return _values(pixels) & _column(kept, pixels.device)


def solarize(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    """Invert from the threshold on, 255 times the magnitude."""
    import torch

    values = _values(pixels)
    return torch.where(values < _column(255.0 * magnitudes, pixels.device), values, 255 - values)


def auto_contrast(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    """Stretch each channel to 0 .. 255."""
    import torch

    low, high = (value.double()[..., None] for value in torch.aminmax(pixels.flatten(2), dim=2))
    scale = torch.full_like(high, 255.0) / (high - low)  # torch would multiply the number 255.0 by the reciprocal
    stretched = (_values(pixels) * scale + -low * scale).clamp_(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, _values(pixels))


def equalize(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    """Make the values of each channel about equally frequent."""
    import torch

    values = pixels.flatten(2).long()
    one = torch.ones(1, dtype=torch.int32, device=pixels.device)
    found = one.new_zeros((*pixels.shape[:2], 256)).scatter_add_(2, values, one.expand(values.shape))
    last = found.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - last) // 255
    before = found.cumsum(2) - found
    equal = ((before + step // 2) // step.clamp(min=1)).clamp_(max=255).to(torch.uint8)
    return torch.where(step > 0, equal, _values(pixels))


def invert(pixels: torch.Tensor, magnitudes: Uniforms) -> torch.Tensor:
    return 255 - _values(pixels)


def shear_x(magnitude: Any, width: int, height: int) -> Matrix:
    return 1.0, magnitude, 0.0, 0.0, 1.0, 0.0


def shear_y(magnitude: Any, width: int, height: int) -> Matrix:
    return 1.0, 0.0, 0.0, magnitude, 1.0, 0.0


def translate_x(magnitude: Any, width: int, height: int) -> Matrix:
    """By whole pixels; the magnitude is cut."""
    import numpy as np

    return 1.0, 0.0, -np.trunc(magnitude), 0.0, 1.0, 0.0


def translate_y(magnitude: Any, width: int, height: int) -> Matrix:
    import numpy as np

    return 1.0, 0.0, 0.0, 0.0, 1.0, -np.trunc(magnitude)


def rotate(magnitude: Any, width: int, height: int) -> Matrix:
    """Around the centre, against the clock, by degrees."""
    import numpy as np

    turn = -np.deg2rad(magnitude)
    cos, sin = np.round(np.cos(turn), 15), np.round(np.sin(turn), 15)
    x, y = width / 2, height / 2
    return cos, sin, (cos * -x + sin * -y) + x, -sin, cos, (-sin * -x + cos * -y) + y  # summed in Pillow's order


def _enhanced(name: str) -> Callable[[Image.Image, float], Image.Image]:
    def picture(image: Image.Image, magnitude: float) -> Image.Image:
        from PIL import ImageEnhance

        return getattr(ImageEnhance, name)(image).enhance(1.0 + magnitude)  # type: ignore[no-any-return]

    return picture


def _remade(name: str) -> Callable[[Image.Image, float], Image.Image]:
    def picture(image: Image.Image, magnitude: float) -> Image.Image:
        from PIL import ImageOps

        return getattr(ImageOps, name)(image)  # type: ignore[no-any-return]

    return picture


def _posterized(image: Image.Image, magnitude: float) -> Image.Image:
    """Also to 0 bits, which is black, and which Pillow's own function refuses."""
    kept = 256 - 2 ** (8 - int(magnitude))
    return image.point([value & kept for value in range(256)] * len(image.getbands()))


def _solarized(image: Image.Image, magnitude: float) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.solarize(image, 255.0 * magnitude)  # type: ignore[arg-type]  # as torchvision calls it


OPERATIONS: dict[str, Operation | None] = {
    "Identity": None,
    "ShearX": Move(shear_x),
    "ShearY": Move(shear_y),
    "TranslateX": Move(translate_x),
    "TranslateY": Move(translate_y),
    "Rotate": Move(rotate),
    "Brightness": Levels(_enhanced("Brightness"), brightness),
    "Color": Blend(_enhanced("Color"), grey),
    "Contrast": Levels(_enhanced("Contrast"), contrast),
    "Sharpness": Blend(_enhanced("Sharpness"), smoothed),
    "Posterize": Levels(_posterized, posterize),
    "Solarize": Levels(_solarized, solarize),
    "AutoContrast": Levels(_remade("autocontrast"), auto_contrast),
    "Equalize": Levels(_remade("equalize"), equalize),
    "Invert": Levels(_remade("invert"), invert),
}
"""All operations by torchvision's names. Their magnitudes are torchvision's too; None: the picture as it is."""
