"""Saving and loading, in the safetensors format: no code in files, and no half-written files.

>>> import gpugrad as gg, tempfile, os
>>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
>>> gg.io.save({"w": gg.tensor([1.0, 2.0]), "epoch": 3}, path)
>>> gg.io.load(path)
{'w': tensor([1., 2.]), 'epoch': 3}
"""

from gpugrad.io.files import load as load
from gpugrad.io.files import load_model as load_model
from gpugrad.io.files import read_metadata as read_metadata
from gpugrad.io.files import save as save
from gpugrad.io.files import save_model as save_model

__all__ = ["load", "load_model", "read_metadata", "save", "save_model"]
