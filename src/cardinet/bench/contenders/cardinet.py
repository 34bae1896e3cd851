"""Our network as it is shipped: eager, channels_last."""

from __future__ import annotations

from cardinet.bench.contender import Pass
from cardinet.bench.runtime_contender import RuntimeContender
from cardinet.bench.torch_passes import set_threads, training_pass
from cardinet.bench.work import Subject, Work


class Cardinet(RuntimeContender):
    """Inference as `predict` does it; a step as the loop of `train` does it, with its optimizer."""

    name, about = "cardinet", "our network as shipped: eager, channels_last"
    runtime = "eager"
    measures = ("inference", "training", "start")

    def training(self, subject: Subject, work: Work) -> Pass:
        import torch

        from cardinet.bench.torch_passes import DECAY, RATE
        from cardinet.rewrite.strip import strip
        from cardinet.runs.environment import keep_freed_memory
        from cardinet.train.optimizers.sgd import SGD
        from cardinet.train.training_step import groups_of

        set_threads(work)
        keep_freed_memory()
        network = strip(subject.model(work.device).network)
        settings = SGD(lr=RATE, weight_decay=DECAY)
        optimizer = settings.make(groups_of(network.parameters(), settings))
        return training_pass(network, subject, work, torch.channels_last, optimizer)
