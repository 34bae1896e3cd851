"""A runtime of the table `runtimes` as a contender."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.torch_passes import set_threads
from cardinet.bench.work import Subject, Unable, Work

if TYPE_CHECKING:
    from cardinet.runtimes.runtime import Runtime, Use

CALIBRATION = 64
"""The random pictures that calibrate an int8 network; the measured ones are drawn in the same way."""


class RuntimeContender(Contender):
    """Inference by a runtime at its settings there. Its translation is written once, before anything is timed."""

    runtime: ClassVar[str]
    measures: ClassVar[tuple[str, ...]] = ("inference", "start")

    @property
    def row(self) -> Runtime:
        from cardinet.runtimes import RUNTIMES

        return RUNTIMES[self.runtime]

    def check(self, work: Work) -> None:
        super().check(work)
        if work.measure != "training" and (reason := self.row.hindrance(work.precision, work.device)):
            raise Unable(reason)

    def write_files(self, subject: Subject, work: Work) -> None:
        from cardinet.base.errors import CardinetError
        from cardinet.runtimes.translated import TranslatedRuntime

        if isinstance(self.row, TranslatedRuntime):
            try:
                self.row.write(subject.model().network, self.use(subject, work), subject.folder)
            except CardinetError as error:
                raise Unable(error.findings[0].rstrip(".")) from None

    def inference(self, subject: Subject, work: Work) -> Pass:
        import torch

        from cardinet.base.errors import CardinetError
        from cardinet.runtimes.translated import TranslatedRuntime

        set_threads(work)
        use = self.use(subject, work)
        try:
            if isinstance(self.row, TranslatedRuntime):
                run = self.row.load(self.row.file(subject.folder, use), use)
            else:
                run = self.row.prepare(subject.model(work.device).network, use)
        except CardinetError as error:
            raise Unable(error.findings[0].rstrip(".")) from None
        pixels = self.row.placed(torch.from_numpy(subject.pixels(work.batch)), use)
        return lambda: run(pixels).cpu().numpy()  # a copy to the CPU waits for the GPU

    def use(self, subject: Subject, work: Work) -> Use:
        """What the runtime is asked for."""
        import torch

        from cardinet.runtimes.runtime import Use

        shape = (work.batch, subject.channels, subject.side, subject.side)
        calibration = None
        if work.precision == "int8":
            calibration = torch.from_numpy(subject.calibration(CALIBRATION))
        return Use(shape, work.precision, work.threads, work.device, calibration)
