"""TensorBoard: event files, which `tensorboard --logdir runs` shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from cardinet.train.trackers import Entry, Folder, Status, Tracked, Tracker, Tracking

SUFFIX = "cardinet"


class TensorBoard(Tracker):
    """Writes event files.

    When a run is continued, its event files are replaced by one with the lines that metrics.jsonl has then, so the two
    always agree.
    """

    folder: Folder | None = None
    """The folder in which each run gets a folder of event files with the run's name; none: tensorboard in the run
    folder.
    """

    NAME: ClassVar[str] = "TensorBoard"
    LIBRARIES: ClassVar[tuple[str, ...]] = ("tensorboard",)
    MODULES: ClassVar[tuple[str, ...]] = ("torch.utils.tensorboard.summary", "tensorboard.plugins.hparams.api_pb2")

    def open(self, run: Tracked) -> Tracking:
        place = run.folder / "tensorboard" if self.folder is None else Path(self.folder) / run.folder.name
        return _Events(place, run)


class _Events(Tracking):
    """One file of events. Values are written as float64, by this thread, so that a full disk is noticed here."""

    def __init__(self, folder: Path, run: Tracked) -> None:
        import time

        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        ours = f"{run.identity}.{SUFFIX}"
        earlier = sorted(folder.glob(f"events.out.tfevents.*.{ours}"))
        self.file = open(folder / f"events.out.tfevents.{time.time():017.6f}.{ours}", "xb")  # noqa: SIM115
        self.writer = RecordWriter(self.file)
        self.names = {"train/loss", "train/error", *(f"{split}/error" for split in run.splits)}
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        for path in earlier:
            path.unlink()
        self._describe(run)

    def _describe(self, run: Tracked) -> None:
        """The settings as hyperparameters, and run.toml as text."""
        from torch.utils.tensorboard.summary import hparams, text

        names = {*self.names, *(f"final/{split}/error" for split in run.splits if split != "train")}
        experiment, start, self.end = hparams(dict(run.settings), dict.fromkeys(sorted(names), 0.0))
        indented = "".join(f"    {line}\n" for line in run.described.splitlines())  # Markdown's block of code
        for summary in (experiment, start, text("run.toml", indented)):
            self._add(summary, 0)

    def log(self, entry: Entry) -> None:
        from torch.utils.tensorboard.summary import scalar

        for key, value in entry.values.items():
            self._add(scalar(key, value, new_style=True, double_precision=True), entry.step, entry.time)
        self.writer.flush()

    def close(self, status: Status) -> None:
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

        if status != "finished":  # the summary that torch makes says success
            content = plugin_data_pb2.HParamsPluginData.FromString(self.end.value[0].metadata.plugin_data.content)
            content.session_end_info.status = api_pb2.Status.Value("STATUS_FAILURE")
            self.end.value[0].metadata.plugin_data.content = content.SerializeToString()
        self._add(self.end, 0)
        self.writer.flush()
        self.file.close()

    def _add(self, summary: Any, step: int, when: float | None = None) -> None:
        import time

        from tensorboard.compat.proto.event_pb2 import Event

        self._write(Event(wall_time=time.time() if when is None else when, step=step, summary=summary))

    def _write(self, event: Any) -> None:
        self.writer.write(event.SerializeToString())
