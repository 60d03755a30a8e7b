"""A run: everything that a training step reads or changes, from the settings to the sums of the epoch so far.

Its state is complete: a run that is loaded from it takes the same steps, bit for bit, as the one it was taken from.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gpugrad import data, errors, optim, random
from gpugrad.ops.losses import cross_entropy
from gpugrad.ops.reductions import argmax
from gpugrad.train.metrics import Epoch
from gpugrad.train.models import MODELS
from gpugrad.train.nonfinite import finite, origin
from gpugrad.train.steps import Steps, precision
from gpugrad.transforms.modes import no_grad

Labels = np.ndarray[Any, Any]

VALIDATION = 180
"""Training items that are set apart and shown after each epoch: whoever chooses a rate or a model chooses by them, so that
the test items measure and no more. The defaults were chosen by cross-validation among the training items, as was keeping
the last epoch: with a rate that falls to nothing it does better than the epoch that looked best.
"""


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do. With these and the state, it is determined."""

    model: str
    epochs: int
    lr: float
    batch_size: int
    seed: int
    compiled: bool = True
    dtype: str = "float32"


@dataclass
class Sums:
    """What the steps of the present epoch add up to."""

    loss: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0


class Run:
    """Digits, a model, AdamW with a one-cycle schedule, and where they stand.

    What is measured on validation and test data is measured in float32, as `gpugrad predict` computes.
    """

    def __init__(self, settings: Settings, device: str) -> None:
        self.settings = settings
        self.device = device
        random.seed(settings.seed)
        rest, test = data.digits()
        self.train_set, self.validation_set, self.test_set = (
            data.ArrayDataset(*(t.to(device) for t in tensors))
            for tensors in (*_divided(rest.tensors, len(rest) - VALIDATION), test.tensors)
        )
        alone = len(self.train_set) % settings.batch_size == 1  # a last batch of one has no variance to normalise by
        self.loader = data.DataLoader(self.train_set, settings.batch_size, shuffle=True, drop_last=alone)
        self.model = MODELS[settings.model]().to(device)
        self.parameters, self.buffers = list(self.model.parameters()), list(self.model.buffers())
        self.optimizer = optim.AdamW(self.parameters, lr=settings.lr)
        self.schedule = optim.Schedule(self.optimizer, optim.one_cycle(max(2, settings.epochs * len(self.loader))))
        self.steps = Steps(self.model, self.optimizer, self.parameters, settings.compiled, settings.dtype, device)
        self.history: list[Epoch] = []
        self.sums = Sums()

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether all epochs are complete."""
        return self.epoch >= self.settings.epochs

    @property
    def midway(self) -> bool:
        """Whether an epoch has begun and has batches left."""
        return bool(self.loader.state_dict()["batch"])

    # ---- training -------------------------------------------------------------------------------------------------

    def step(self, x: Any, y: Any) -> None:
        """One step of gradient descent. TrainingError, and all is as before it, if anything is not finite."""
        before = (random.default_generator.state_dict(), [b.detach() for b in self.buffers])
        began = time.perf_counter()
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad()
        loss, fine, right = self.steps.gradients(x, y)
        value = loss.item()
        if not math.isfinite(value):
            self._stop(f"the loss is {value}", before, x, y)
        if not fine.item() and not self._gradients_are_finite() and not self.steps.may_overflow:
            self._stop("a gradient is not finite", before, x, y)
        self.steps.update()
        self.schedule.step()
        n = x.shape[0]
        self.sums.loss += value * n
        self.sums.right += int(right.item())
        self.sums.seen += n
        self.sums.seconds += time.perf_counter() - began

    def _gradients_are_finite(self) -> bool:
        return all(finite(p.grad) for p in self.parameters if p.grad is not None)  # though a sum of them is not

    def _stop(self, what: str, before: tuple[Mapping[str, int], list[Any]], x: Any, y: Any) -> None:
        generator, buffers = before
        random.default_generator.load_state_dict(generator)  # so that the step drops the same elements again
        with no_grad():
            for b, was in zip(self.buffers, buffers, strict=True):
                b.copy_(was)
        with precision(self.settings.dtype):
            where = origin(self.model, cross_entropy, x, y)
        batch = self.sums.seen // self.settings.batch_size + 1
        raise errors.TrainingError(
            f"step {self.schedule.count + 1} (epoch {self.epoch + 1}, batch {batch}): {what}. It began with {where}. Try a smaller --lr than {self.settings.lr:g}"
        )

    def end_epoch(self) -> Epoch:
        """Validate, and add a row to the history. TrainingError, and none is added, if the loss is not finite."""
        loss, guess = _evaluated(self.model, self.validation_set)
        if not math.isfinite(loss):
            raise errors.TrainingError(
                f"epoch {self.epoch + 1}: the loss on validation data is {loss} after step {self.schedule.count}, whose own was finite. Try a smaller --lr than {self.settings.lr:g}"
            )
        sums = self.sums
        row = Epoch(
            epoch=self.epoch + 1,
            train_loss=sums.loss / sums.seen,
            train_accuracy=sums.right / sums.seen,
            validation_loss=loss,
            validation_accuracy=float(np.mean(guess == _truth(self.validation_set))),
            learning_rate=self.schedule.rates[0],
            seconds=sums.seconds,
            samples_per_second=sums.seen / max(sums.seconds, 1e-9),
        )
        self.history.append(row)
        self.sums = Sums()
        return row

    def test(self) -> tuple[Labels, Labels]:
        """The classes of the test data, and the class that each item is taken for: to be asked once, in the end."""
        return _truth(self.test_set), _evaluated(self.model, self.test_set)[1]

    # ---- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All of it, as nested dictionaries of tensors and numbers."""
        return {
            "settings": asdict(self.settings),
            **{name: part.state_dict() for name, part in self._parts().items()},
            "history": [asdict(e) for e in self.history],
            "sums": asdict(self.sums),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], device: str) -> Run:
        """The run that a state was taken from. FormatError if it is not the state of one."""
        try:
            run = cls(Settings(**state["settings"]), device)
            run.history, run.sums = [Epoch(**e) for e in state["history"]], Sums(**state["sums"])
            for name, own in run._parts().items():
                own.load_state_dict(state[name])
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            if isinstance(problem, errors.GpugradError):
                raise
            raise errors.FormatError(f"not the state of a run of `gpugrad train`: {problem}") from None
        return run

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own, by its name in that of the run."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "loader": self.loader,
            "generator": random.default_generator,
            **({"scaler": self.steps.scaler} if self.steps.scaler.enabled else {}),
        }


def _divided(tensors: Sequence[Any], count: int) -> tuple[list[Any], list[Any]]:
    """The first ``count`` items, and the others; the data come shuffled."""
    return [t[:count] for t in tensors], [t[count:] for t in tensors]


def _evaluated(model: Any, dataset: data.ArrayDataset) -> tuple[float, Labels]:
    """The mean loss on a data set, and the class that each item is taken for."""
    x, y = dataset.tensors
    model.eval()
    with no_grad():
        logits = model(x)
        guess: Labels = argmax(logits, -1).to("cpu").numpy()
        return cross_entropy(logits, y).item(), guess


def _truth(dataset: data.ArrayDataset) -> Labels:
    labels: Labels = dataset.tensors[1].to("cpu").numpy()
    return labels
