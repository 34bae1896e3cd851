"""Our network on Cardinet's own kernels."""

from __future__ import annotations

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.torch_passes import set_threads
from cardinet.bench.work import Subject, Unable, Work


class OwnKernels(Contender):
    """The whole network in one call, with folded BN and weights packed once."""

    name, about = "own-kernels", "our network on Cardinet's own kernels"
    measures = ("inference", "start")
    devices = ("cpu",)

    def inference(self, subject: Subject, work: Work) -> Pass:
        import torch

        from cardinet.base.errors import CardinetError
        from cardinet.inference.network import prepare

        set_threads(work)
        try:
            network = prepare(
                subject.model().network, "bfloat16" if work.precision == "bfloat16" else "float32", work.threads
            )
        except CardinetError as error:
            raise Unable(error.findings[0].rstrip(".")) from None
        pixels = torch.from_numpy(subject.pixels(work.batch))
        return lambda: network(pixels).numpy()
