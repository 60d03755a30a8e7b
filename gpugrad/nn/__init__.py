"""Modules: layers with parameters, and what they are made of. Names, layouts and starting values are PyTorch's.

>>> import gpugrad as gg
>>> model = gg.nn.Sequential(gg.nn.Linear(64, 32), gg.nn.ReLU(), gg.nn.Linear(32, 10))
>>> logits = model(gg.ones((5, 64), dtype="float32"))
>>> gg.cross_entropy(logits, gg.tensor([0, 1, 2, 3, 4])).backward()
>>> [p.grad.shape for p in model.parameters()]
[(32, 64), (32,), (10, 32), (10,)]

Parameters are float32; a layer given a wider input raises DtypeError and says how to cast.
"""

from gpugrad.nn import init as init
from gpugrad.nn.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Activation,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)  # fmt: skip
from gpugrad.nn.attention import MultiHeadAttention
from gpugrad.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from gpugrad.nn.containers import ModuleDict, ModuleList, Sequential
from gpugrad.nn.convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from gpugrad.nn.dropout import Dropout, Dropout2d
from gpugrad.nn.embedding import Embedding
from gpugrad.nn.functional import functional_call
from gpugrad.nn.group_norm import GroupNorm
from gpugrad.nn.identity import Flatten, Identity, Unflatten
from gpugrad.nn.layer_norm import LayerNorm
from gpugrad.nn.linear import Bilinear, Linear
from gpugrad.nn.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)  # fmt: skip
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)  # fmt: skip

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Activation", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AvgPool1d",
    "AvgPool2d", "AvgPool3d", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Bilinear", "Conv1d",
    "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "CrossEntropyLoss", "Dropout", "Dropout2d",
    "Embedding", "Flatten", "GroupNorm", "Hardtanh", "HuberLoss", "Identity", "KLDivLoss", "L1Loss", "LayerNorm", "LeakyReLU",
    "Linear", "LogSigmoid", "LogSoftmax", "MSELoss", "MaxPool1d", "MaxPool2d", "MaxPool3d", "Mish", "Module", "ModuleDict",
    "ModuleList", "MultiHeadAttention", "NLLLoss", "PReLU", "Parameter", "ReLU", "ReLU6", "Sequential", "SiLU", "Sigmoid",
    "SmoothL1Loss", "Softmax", "Softplus", "Softsign", "Tanh", "Unflatten", "functional_call", "init",
]  # fmt: skip
