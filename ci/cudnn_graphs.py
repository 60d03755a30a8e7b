"""What ci/cudnn runs: the graphs of gpugrad's convolutions and attention, built by cuDNN for a device that is not here.

``--stub FILE`` compiles what stands in for the driver's library, which cuDNN looks for; functions that it asks for are
there and do nothing. A graph that is built has plans for the device, compiled where they are compiled at run time, and a
size of workspace. Nothing runs, so what a plan computes, and how quickly, is not seen.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gpugrad import dtypes
from gpugrad.backends.cupy_cudnn import results
from gpugrad.config import config
from gpugrad.cuda.channels_last import order_of
from gpugrad.cuda.cudnn import Cudnn
from gpugrad.cuda.cudnn_graphs import CONVOLUTIONS
from gpugrad.cuda.host import HostDevice
from gpugrad.cuda.matmul_layout import Operand
from gpugrad.primitive import registry

H200 = {
    "cudaDeviceId": 0, "deviceName": "NVIDIA H200", "deviceVer": 900, "driverVer": 13000, "isTccDriver": 0, "l2CacheSize": 62914560,
    "maxBlockSize": [1024, 1024, 64], "maxCtasPerSM": 32, "maxGridSize": [2147483647, 65535, 65535], "maxRegistersPerSM": 65536,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048,
    "memClockRateKHz": 3201000, "memoryBusWidth": 6144, "multiProcessorCount": 132, "oversizedSharedMemoryPerBlock": 0,
    "pciDeviceId": 0, "regsPerBlock": 65536, "reservedSharedMemoryPerBlock": 1024, "smClockRateKHz": 1980000, "smCountOrigin": 0,
    "supportCoopLaunch": 1, "totalGlobalMem": 150000000000, "warpSize": 32,
}  # fmt: skip
"""What cuDNN asks about a device; figures that are public."""


class Asked(NamedTuple):
    """A call that a network makes."""

    network: str
    name: str
    dtype: str
    shapes: tuple[tuple[int, ...], ...]
    params: dict[str, Any]


def convolutions() -> Iterator[Asked]:
    """Those of ResNet-18 on images of 32 x 32, batches of 128; then what is less usual."""
    layers = [("resnet-18 first", (3, 64, 32, 3, 1, 1, 1))]
    for before, after, size in ((64, 64, 32), (64, 128, 32), (128, 256, 16), (256, 512, 8)):
        stride = 1 if before == after else 2
        layers += [
            (f"resnet-18 {after}", (before, after, size, 3, stride, 1, 1)),
            (f"resnet-18 {after} again", (after, after, size // stride, 3, 1, 1, 1)),
        ]
        if stride == 2:
            layers.append((f"resnet-18 {after} beside", (before, after, size, 1, 2, 0, 1)))
    layers += [
        ("depthwise", (64, 64, 28, 3, 1, 1, 64)),
        ("4 groups", (64, 128, 28, 3, 1, 1, 4)),
        ("7 x 7 of images", (3, 64, 224, 7, 2, 3, 1)),
        ("odd sizes", (3, 5, 11, 2, 1, 0, 1)),
    ]
    for network, (c, o, size, k, s, p, groups) in layers:
        x, w = (128, c, size, size), (o, c // groups, k, k)
        yield from _three(network, x, w, (s, s), ((p, p),) * 2, (1, 1), groups)
    yield from _three("padding before", (8, 16, 20, 20), (16, 16, 3, 3), (1, 1), ((2, 0), (2, 0)), (1, 1), 1)
    yield from _three("dilated", (8, 16, 20, 20), (16, 16, 3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 1)
    yield from _three("one axis", (16, 64, 1000), (128, 64, 5), (2,), ((2, 2),), (1,), 1)
    yield from _three("three axes", (4, 16, 16, 16, 16), (32, 16, 3, 3, 3), (1,) * 3, ((1, 1),) * 3, (1,) * 3, 1)


def _three(network: str, x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Iterator[Asked]:
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = registry["conv"].shape(x, w, **params)
    for dtype in ("float32", "tf32", "float16", "bfloat16"):
        yield Asked(network, "conv", dtype, (x, w), params)
        yield Asked(network, "conv_input", dtype, (y, w), {**params, "size": x[2:]})
        yield Asked(network, "conv_weight", dtype, (x, y), {**params, "kernel": w[2:]})


def attentions() -> Iterator[Asked]:
    """Those of GPT-2, and rows of other lengths."""
    cases = [
        ("gpt-2", (8, 12, 1024, 1024, 64), True),
        ("gpt-2 medium", (8, 16, 1024, 1024, 64), True),
        ("gpt-2, one position", (8, 12, 1, 1024, 64), False),
        ("both ways", (8, 12, 512, 512, 64), False),
        ("odd lengths", (2, 3, 77, 101, 40), False),
        ("128 in a row", (4, 16, 2048, 2048, 128), True),
        ("256 in a row", (4, 8, 2048, 2048, 256), True),
        ("8 in a row", (2, 2, 16, 16, 8), True),
    ]
    for network, (b, h, n, m, d), causal in cases:
        q, k = (b, h, n, d), (b, h, m, d)
        params = {"causal": causal, "scale": d**-0.5}
        for dtype in ("float16", "bfloat16"):
            yield Asked(network, "attention", dtype, (q, k, k), params)
            yield Asked(network, "attention_back", dtype, (q, q, k, k, q, q[:-1]), params)


def asked(library: Cudnn, call: Asked) -> tuple[str, int]:
    """Why cuDNN does not compute it, or "", and the bytes of its workspace."""
    config.tf32 = call.dtype == "tf32"
    dtype = "float32" if config.tf32 else call.dtype
    kinds = [dtype] * len(call.shapes)
    kinds[5:] = ["float32"] * len(kinds[5:])
    operands = [Operand.in_rows(s, dtypes.dtype(d)) for s, d in zip(call.shapes, kinds, strict=True)]
    outs = results(registry[call.name], operands, call.params)
    before = set(library.planned)
    # as a plan asks: with channels last where tensor cores may compute it
    turned = call.name in CONVOLUTIONS and call.dtype != "float32"
    order = order_of(len(call.shapes[0])) if turned else None
    why = library.why_not(call.name, operands, outs, call.params, order)
    made = [library.planned[key] for key in library.planned.keys() - before]
    return why, made[0].workspace if made and not isinstance(made[0], str) else 0


def stub(path: str) -> None:
    """Compile a library with the driver's functions that cuDNN names."""
    import nvidia.cudnn

    names: set[str] = set()
    for folder in nvidia.cudnn.__path__:
        for file in Path(folder, "lib").glob("*.so*"):
            names.update(name.decode() for name in re.findall(rb"(?<=\0)cu[A-Z][A-Za-z0-9_]+(?=\0)", file.read_bytes()))
    gives = {
        "cuDriverGetVersion": "(int *v) { *v = 13000; return 0; }",
        "cuGetErrorString": '(int e, const char **p) { *p = "stub"; return 0; }',
        "cuGetErrorName": '(int e, const char **p) { *p = "stub"; return 0; }',
        "cuGetProcAddress": "(const char *n, void **p, int v, unsigned long long f) { return found(n, p); }",
        "cuGetProcAddress_v2": "(const char *n, void **p, int v, unsigned long long f, int *s)"
        " { int r = found(n, p); if (s) *s = r ? 1 : 0; return r; }",
    }
    handles = {"cuLibraryLoadData", "cuLibraryGetModule", "cuLibraryGetKernel", "cuKernelGetFunction"}
    handles |= {"cuModuleLoadData", "cuModuleGetFunction"}
    gives |= dict.fromkeys(handles, "(void **p) { *p = (void *)1; return 0; }")
    gives |= dict.fromkeys(("cuFuncGetAttribute", "cuKernelGetAttribute"), "(int *p) { *p = 0; return 0; }")
    quiet = ("cuInit", "cuCtxGetCurrent", "cuFuncLoad", "cuFuncSetAttribute", "cuKernelSetAttribute", "cuLibraryUnload")
    gives |= dict.fromkeys((*quiet, "cuModuleUnload"), "(void) { return 0; }")
    lines = ["#define _GNU_SOURCE", "#include <dlfcn.h>", "static int found(const char *name, void **place);"]
    lines += [f"int {name}{gives.get(name, '(void) { return 100; }')}" for name in sorted(names | gives.keys())]
    lines.append("""static int found(const char *name, void **place) {
        Dl_info here; dladdr((void *)found, &here);
        *place = dlsym(dlopen(here.dli_fname, RTLD_NOLOAD | RTLD_LAZY), name); return *place ? 0 : 500; }""")
    with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
        source.write("\n".join(lines))
        source.flush()
        subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", path, source.name, "-ldl"], check=True)


def table() -> bool:
    """Print what each call needs; whether all of them are cuDNN's."""
    import cudnn

    properties = cudnn.create_device_properties(json.dumps(H200))
    options = {"device_property": properties, "sm_version": 90}
    library = Cudnn(HostDevice(), lambda: 0, cudnn, options)
    print(f"cuDNN {cudnn.backend_version_string()}, its frontend {cudnn.__version__}, for an {H200['deviceName']}\n")
    print("| network | call | operands | dtype | workspace, MiB |\n| --- | --- | --- | --- | ---: |")
    fine = True
    for call in (*convolutions(), *attentions()):
        why, workspace = asked(library, call)
        fine = fine and not why
        shapes = ", ".join("x".join(map(str, shape)) for shape in call.shapes[:2])
        print(
            f"| {call.network} | {call.name} | {shapes} | {call.dtype} | {why or f'{workspace / 2**20:.1f}'} |",
            flush=True,
        )
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--stub", metavar="FILE", help="compile what stands in for the driver's library, and do no more"
    )
    parser.add_argument("--quicker", action="store_true", help="with gg.config.deterministic = False")
    options = parser.parse_args()
    if options.stub:
        stub(options.stub)
        return 0
    config.deterministic = not options.quicker
    return 0 if table() else 1


if __name__ == "__main__":
    sys.exit(main())
