"""``--device``: where a command computes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gpugrad import errors
from gpugrad.backends import select


def argument(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1 …, a backend such as cuda_on_host, or auto: a GPU if there is one (default: auto)",
    )


@contextmanager
def chosen(wanted: str) -> Iterator[str]:
    """Use what ``--device`` names, until the block ends; gives the device's full name.

    DeviceError, which says what there is, if it cannot be used.
    """
    with ExitStack() as stack:
        try:
            if wanted in select.known():
                stack.enter_context(select.use_backend(wanted))
            device = select.resolve(select.get(wanted).device_kind if wanted in select.known() else wanted)
        except errors.DeviceError as problem:
            raise errors.DeviceError(f"--device {wanted}: {problem}. {_what_there_is()}") from None
        stack.enter_context(select.on(device).current(device))
        yield device


def told(wanted: str, device: str) -> str:
    """The device in words, with what was chosen where the choice was free."""
    if wanted != "auto":
        return device if wanted in (device, device.partition(":")[0]) else f"{device} ({wanted})"
    if device == "cpu":
        return "cpu (--device auto found no GPU that can be used; `gpugrad info` says why)"
    return f"{device} (--device auto found a GPU)"


def _what_there_is() -> str:
    usable = []
    for name in select.known():
        try:
            select.get(name)
        except errors.DeviceError:
            continue
        usable.append(name)
    return f"Here are the devices {', '.join(select.devices())}, and the backends {', '.join(usable)}"
