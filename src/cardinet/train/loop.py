"""The training loop: steps, lines of metrics, evaluations, checkpoints."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor

from cardinet.base.errors import WorkError, out_of_memory
from cardinet.blocks.classifier import Classifier
from cardinet.data.batches import Batch
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.runs.folder import RunFolder
from cardinet.runs.metrics import Metrics
from cardinet.train.divergence import divergence, guess_loss, has_diverged
from cardinet.train.estimate import evaluation_batch
from cardinet.train.interrupt import Interrupt
from cardinet.train.listener import Listener, Tick
from cardinet.train.saving import Saving
from cardinet.train.state import Progress, Window, capture
from cardinet.train.task import Task
from cardinet.train.trainee import Trainee
from cardinet.train.training_step import NonFinite
from cardinet.train.whole_step import train_batches, whole_step

WEIGHTS_KEPT = ("wrong", "error", "loss", "mean_average_precision")
"""The figures of the weights themselves that a line has beside those of their average."""

SECONDS_TO_SHOW = {"cpu": 0.1, "cuda": 1.0}
"""The seconds between two updates of the display. On a GPU each update waits for the device."""


class Loop:
    """Runs a task from the step in `progress` to the last step.

    Batches, learning rates and draws are functions of the step, so a loop that starts from a checkpoint continues as if
    it had never stopped. The best checkpoint is chosen on validation data only.
    """

    def __init__(
        self,
        task: Task,
        subject: Trainee,
        progress: Progress,
        folder: RunFolder,
        listener: Listener,
    ) -> None:
        self.task = task
        self.subject = subject
        self.progress = progress
        self.folder = folder
        self.metrics = Metrics(folder.metrics, listener.said)
        self.saving = Saving(task, subject, folder, self.metrics)
        self.listener = listener
        self.at_once = evaluation_batch(task, subject.network)
        self.decisions = task.source.labelling.decisions(len(task.source.classes))
        self.unread: list[tuple[Tensor, Tensor, int]] = []
        self.guess = guess_loss(task.recipe.objective, len(task.source.classes))
        self.last_loss = 0.0
        self.shown = self.saved = time.monotonic()
        self.counted = time.perf_counter()

    @property
    def over(self) -> bool:
        """Whether no step is left to do."""
        return self.progress.stopped or self.progress.step >= self.task.clock.length

    def run(self, interrupt: Interrupt) -> None:
        """Train to the last step, or until a method ends the run after an evaluation.

        Raises Interrupted, after saving, if the user asks to stop, and WorkError if a number becomes NaN or infinite.
        """
        task = self.task
        if self.over:
            return
        self.subject.network.train()
        self.counted = time.perf_counter()
        batches = train_batches(task)
        try:
            stream = batches.stream(self.progress.step)
            while not self.over:
                start = time.perf_counter()
                batch = interrupt.awaited(stream) if task.ranks.alone else next(stream)
                if batch is not None:
                    self._step(batch, time.perf_counter() - start)
                asked, due = task.ranks.any(interrupt.asked, self._due())
                if batch is not None:
                    self._after_step(due)
                asked |= task.ranks.alone and interrupt.asked  # several processes leave after one step
                if asked and not self.over:
                    self._check_finite()
                    self.save()
                    interrupt.leave(self.folder.path, self.progress.step, task.clock.length)
            self.saving.writes.wait()
        finally:
            batches.close()
            self.saving.writes.end()

    def _step(self, batch: Batch, waited: float) -> None:
        """Train on a batch, after a wait of `waited` seconds for it."""
        task, progress = self.task, self.progress
        try:
            done = progress.step
            loss, wrong = whole_step(task, self.subject, batch, done, task.learning_rate(done), task.momentum(done))
        except NonFinite as error:
            raise self._stopped(error.what, progress.step + 1, batch) from None
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise WorkError(self._too_large(len(batch.labels))) from None
        progress.step += 1
        self.unread.append((loss, wrong, len(batch.labels) * task.ranks.count))
        progress.window.waiting += waited
        if self.task.device == "cpu":
            self._read_losses()
        self._count_time()

    def _count_time(self) -> None:
        """Add the time since the last call to the time of training."""
        now = time.perf_counter()
        self.progress.window.seconds += now - self.counted
        self.progress.seconds += now - self.counted
        self.counted = now

    def _read_losses(self) -> None:
        """Copy the losses of the last steps to the host. On a GPU this waits for the device, so it happens rarely."""
        window = self.progress.window
        first = self.progress.step - len(self.unread) + 1
        for step, (loss, wrong, images) in enumerate(self.unread, first):
            value = loss.item()
            if not math.isfinite(value):
                raise self._stopped(f"the loss is {value}", step, None)
            window.loss += value
            self.last_loss = value
            window.wrong += int(wrong.item())
            window.images += images
            window.steps += 1
        self.unread.clear()

    def _stopped(self, what: str, step: int, batch: Batch | None) -> WorkError:
        """The error for numbers with which the training cannot go on, with their likely cause."""
        recipe, window = self.task.recipe, self.progress.window
        lr = self.task.learning_rate(step - 1)
        mean, std = self.task.preprocessing.mean, self.task.preprocessing.std
        less = recipe.optimizer.rate(self.task.clock.batch_size) / 10
        cause = f"the learning rate ({lr:g}) is too high; start again with --lr {less:g}, or let --find-lr suggest one"
        # All processes that have a batch here have stopped at the same number, whose cause may lie in one of them.
        if batch is not None and self.task.ranks.any(not batch.pixels.isfinite().all())[0]:
            cause = f"the batch holds NaN or infinite values; check mean {mean} and std {std}"
        elif self.task.precision == "bfloat16":
            exact = "start again with --set precision=float32"
            learned = window.steps and window.loss / window.steps < 1
            cause = f"low precision; {exact}" if learned else f"{cause}; where lower rates stop too, {exact}"
        return WorkError(
            f"Step {step}: {what}. Likely cause: {cause}. Training stopped and nothing of this step was saved; the "
            f"last good checkpoint is {self.folder.last}."
        )

    def _too_large(self, pictures: int) -> str:
        """What to do if a step finds no memory for so many pictures of a batch in this process."""
        batch, parts = self.task.clock.batch_size, min(self.task.recipe.training.accumulate, pictures)
        return (
            f"Step {self.progress.step + 1}: {self.task.device} has not enough memory for {-(-pictures // parts):,} "
            f"pictures at once. Start again with --find-batch: the batch of {batch:,}, and so its learning rate, stays "
            "and passes in as many parts as are needed. Or take --set recompute=true, smaller pictures or a smaller "
            f"network. The last good checkpoint is {self.folder.last}."
        )

    def _check_finite(self) -> None:
        """Raise WorkError if parameters, statistics or momenta are NaN or infinite although the loss is finite."""
        tensors = {n: t for n, t in capture(self.subject).items() if t.is_floating_point()}
        sums = torch.stack([tensor.sum() for tensor in tensors.values()]).isfinite().tolist()  # reads each value once
        # The sum of finite values may overflow, so the sums only say where to look.
        wrong = [name for name, good in zip(tensors, sums, strict=True) if not (good or tensors[name].isfinite().all())]
        if wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise self._stopped(f"{wrong[0]}{more} overflowed", self.progress.step, None)

    def _due(self) -> bool:
        """Whether the leader's time for a checkpoint has come."""
        waited = time.monotonic() - self.saved
        due = self.task.ranks.leads and waited >= self.task.recipe.training.checkpoint_seconds
        return due and not self.saving.writes.busy

    def _after_step(self, due: bool) -> None:
        """What follows a step; `due`: the time for a checkpoint has come."""
        self.saving.writes.check()
        clock, progress = self.task.clock, self.progress
        logs, evaluates = clock.logs(progress.step), clock.evaluates(progress.step)
        now = time.monotonic()
        saves = evaluates or due
        shows = evaluates or now - self.shown >= SECONDS_TO_SHOW[self.task.device.partition(":")[0]]
        if logs or saves or shows:
            self._read_losses()
            self._count_time()
        if saves:
            self._check_finite()
        if shows:
            self.shown = now
            self._show()
        if logs:
            self._log()
            self._check_course()
        best, model = self._evaluate() if evaluates else (False, False)
        if saves:
            self.saving.save(progress, best=best, model=model)
            self.saved = time.monotonic()
            self.counted = time.perf_counter()  # evaluations and checkpoints are not training

    def _show(self) -> None:
        clock, progress, window = self.task.clock, self.progress, self.progress.window
        steps, seconds = max(1, window.steps), max(1e-9, window.seconds)
        sides, side = self.task.sides, self.task.preprocessing.crop
        done, whole = (count * sides.share(count, side) for count in (progress.step, clock.length))
        left = (whole - done) * progress.seconds / done
        speed = window.images / seconds
        self.listener.stepped(
            Tick(progress.step, clock.length, clock.epoch(progress.step), window.loss / steps, speed, left)
        )

    def _log(self) -> None:
        window, step = self.progress.window, self.progress.step
        self._write(
            {
                "kind": "train",
                "step": step,
                "epoch": self.task.clock.epoch(step),
                "loss": window.loss / window.steps,
                "error": window.wrong / (window.images * self.decisions),
                "lr": self.task.learning_rate(step - 1),
                **({} if (momentum := self.task.momentum(step - 1)) is None else {"momentum": momentum}),
                **self.subject.figures(),
                "images_per_second": window.images / window.seconds,
                "waiting": window.waiting / window.seconds,
                "seconds": self.progress.seconds,
            }
        )

    def _check_course(self) -> None:
        """Raise WorkError if the training diverges; else begin a new window."""
        window = self.progress.window
        mean = window.loss / window.steps
        if has_diverged(mean, self.last_loss, self.guess, window.steps):
            raise self._stopped(divergence(mean, window.steps, self.guess), self.progress.step, None)
        self.progress.window = Window()

    def _write(self, row: dict[str, Any]) -> None:
        if self.task.ranks.leads:
            self.metrics.append(row)
        self.listener.logged(row)

    def _evaluate(self) -> tuple[bool, bool]:
        """Evaluate and write the line. Whether this is the best checkpoint, and whether its model is to be kept.

        The model that is kept is the best on validation data, else the latest.
        """
        self.saving.writes.wait()  # the workers of an evaluation are forked, and a fork has no other thread
        name = self.task.judge
        if name is None:
            return False, True
        started = time.perf_counter()
        row = self._judge(name, self.subject.judged())
        seconds = time.perf_counter() - started
        if self.subject.judged() is not self.subject.network:
            alone = self._judge(name, self.subject.network)
            row |= {f"weights_{key}": alone[key] for key in WEIGHTS_KEPT if key in alone}
        best = self.task.selects and self._is_best(row)
        reasons = [reason for hooks in self.subject.hooks.values() if (reason := hooks.evaluated(row)) is not None]
        self.progress.stopped = bool(reasons) and not self.over
        ends = {"ends": True} if self.progress.stopped else {}
        self._write({**row, "best": best, "seconds": seconds, **ends})
        if best:
            self.progress.best = row
        if self.progress.stopped:
            step, length = self.progress.step, self.task.clock.length
            self.listener.said(f"The run ends early, after step {step:,} of {length:,}: {'; '.join(reasons)}.")
        return best, best or not self.task.selects

    def _judge(self, name: str, network: Classifier) -> dict[str, Any]:
        """The line of metrics.jsonl on a network and a split."""
        task = self.task
        result = evaluate(
            network,
            task.source.splits[name],
            task.preprocessing,
            len(task.source.classes),
            EvaluationSettings(batch_size=self.at_once, workers=task.recipe.machine.workers),
            device=task.device,
            progress=lambda done, total: self.listener.progress("evaluating", done, total),
            ranks=task.ranks,
        )
        step = self.progress.step
        return {"kind": "evaluation", "step": step, "epoch": task.clock.epoch(step), **result.summary()}

    def _is_best(self, row: dict[str, Any]) -> bool:
        """Whether this is the lowest error so far.

        Of equal errors the later counts: label smoothing biases the loss.
        """
        before = self.progress.best
        return before is None or row["error"] <= before["error"]

    def save(self) -> None:
        """Write the last checkpoint, and wait until it is written."""
        self._read_losses()
        self.saving.save(self.progress)
        self.saving.writes.wait()
