"""Check the memory for an export before the work starts."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.build.meta import on_meta
from cardinet.export.parity import BATCH
from cardinet.measure.memory import FLOAT, network_bytes
from cardinet.runs.memory_checks import require_passes
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats.format import Format


def require_export(model: Model, format: Format, held: int, *, int8: bool) -> None:
    """Raise RequestError if an export and its proof need more memory than there is.

    The numbers of copies of the formats are fitted to the measured peaks of wide_resnet101_2, resnet152 and resnet18.
    `held` is the number of pictures for an int8 file, which are in memory as uint8 and as float32.
    """
    network, p = on_meta(model.network), model.preprocessing
    pixels = held * p.channels * p.crop**2 * (1 + FLOAT)
    copies = format.int8.copies if int8 and format.int8 is not None else format.copies
    work = f"The export, with batches of {amount(BATCH, 'picture')} of {p.crop} x {p.crop} pixels,"
    require_passes((network,), p.crop, BATCH, copies * network_bytes(network) + pixels, work)
