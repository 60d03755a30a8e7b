"""Optimizers, learning-rate schedules and gradient clipping.

>>> import gpugrad as gg
>>> w = gg.tensor([1.0, -2.0], requires_grad=True)
>>> opt = gg.optim.Adam([w], lr=0.1)
>>> for _ in range(200):
...     opt.zero_grad()
...     loss = (w * w).sum()
...     loss.backward()
...     opt.step()
>>> bool(loss < 1e-3)
True
"""

from gpugrad.optim.adam import Adam as Adam
from gpugrad.optim.adam import AdamW as AdamW
from gpugrad.optim.clipping import clip_grad_norm_ as clip_grad_norm_
from gpugrad.optim.clipping import clip_grad_value_ as clip_grad_value_
from gpugrad.optim.optimizer import Optimizer as Optimizer
from gpugrad.optim.rmsprop import RMSprop as RMSprop
from gpugrad.optim.scaling import LossScaler as LossScaler
from gpugrad.optim.schedule import Schedule as Schedule
from gpugrad.optim.schedule import chained as chained
from gpugrad.optim.schedule import constant as constant
from gpugrad.optim.schedule import cosine as cosine
from gpugrad.optim.schedule import exponential as exponential
from gpugrad.optim.schedule import linear_warmup as linear_warmup
from gpugrad.optim.schedule import multistep as multistep
from gpugrad.optim.schedule import one_cycle as one_cycle
from gpugrad.optim.schedule import sequential as sequential
from gpugrad.optim.schedule import stepwise as stepwise
from gpugrad.optim.sgd import SGD as SGD

__all__ = [
    "SGD", "Adam", "AdamW", "LossScaler", "Optimizer", "RMSprop", "Schedule", "chained", "clip_grad_norm_", "clip_grad_value_",
    "constant", "cosine", "exponential", "linear_warmup", "multistep", "one_cycle", "sequential", "stepwise",
]  # fmt: skip
