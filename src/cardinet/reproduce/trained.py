"""A finished training of an experiment."""

from __future__ import annotations

from dataclasses import dataclass

from cardinet.blocks.classifier import Classifier
from cardinet.runs.environment import device_of
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model


@dataclass(frozen=True)
class Trained:
    """A finished training: its folder and its test error, a share."""

    folder: RunFolder
    error: float

    @property
    def device(self) -> str:
        """The device on which it was trained, or the CPU if that is not there."""
        return device_of("auto") if self.folder.record().device.startswith("cuda") else "cpu"

    def model(self) -> Model:
        """The model of the run: the best on its validation pictures."""
        return load_model(self.folder.model)

    def network(self) -> Classifier:
        """The network of the model in eval mode, on the device of the run."""
        network = self.model().network.to(self.device).eval()
        assert isinstance(network, Classifier)
        return network
