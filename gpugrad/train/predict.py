"""``gpugrad predict``: which digit each image shows, by a model that ``gpugrad train`` left."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gpugrad import creation, errors, io
from gpugrad.nn import Module
from gpugrad.ops.neural import softmax
from gpugrad.train import device, images
from gpugrad.train.folder import KIND, MODEL
from gpugrad.train.models import CLASSES, MODELS
from gpugrad.transforms.modes import no_grad

HELP = """Say which digit each image shows, with the probability of each class.

Images are PNG, JPEG (whatever Pillow reads) or NumPy's .npy. Each is made what the model was trained on: grey;
contrast stretched to [0, 1]; inverted if its background is light; cut out if the digit is small on a page;
averaged to 8×8."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("model", metavar="MODEL", help="model.safetensors, or the folder of the run that wrote it")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG or .npy")
    device.argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print a line per image."""
    with device.chosen(options.device) as place:
        model = load(options.model, place)
        pictures = np.stack([images.read(path) for path in options.images])
        probabilities = predict(model, pictures, place)
    width = max(len(path) for path in options.images)
    print(f"{'':{width}}  class  " + "  ".join(f"{name:>5}" for name in CLASSES))
    for path, row in zip(options.images, probabilities, strict=True):
        print(f"{path:{width}}  {CLASSES[int(row.argmax())]:>5}  " + "  ".join(f"{p:5.3f}" for p in row))
    return 0


def load(path: str | Path, device: str = "cpu") -> Module:
    """A model from its file, whose metadata say how it is built. FormatError if it is not one of ours."""
    path = Path(path)
    if path.is_dir():
        path = path / MODEL
    if not path.is_file():
        raise errors.FormatError(
            f"no model at {path}; expected the {MODEL} that `gpugrad train digits` writes at its end, or the folder that it is in"
        )
    about = io.read_metadata(path)
    if about.get("kind") != KIND:
        raise errors.FormatError(
            f"{path} is {about.get('kind', 'a file of tensors')!r}, not a {KIND}; expected the {MODEL} that `gpugrad train digits` writes"
        )
    architecture = about.get("architecture", "")
    if architecture not in MODELS:
        raise errors.FormatError(
            f"{path} has the architecture {architecture!r}; this version knows {', '.join(MODELS)}"
        )
    model = MODELS[architecture]()
    io.load_model(model, path)
    return model.to(device).eval()


def predict(model: Module, pictures: np.ndarray[Any, Any], device: str = "cpu") -> np.ndarray[Any, Any]:
    """Probabilities (N, 10) of images (N, 8, 8)."""
    with no_grad():
        out: np.ndarray[Any, Any] = softmax(model(creation.tensor(pictures, device=device))).to("cpu").numpy()
    return out
