"""cuBLASLt as it is called: a library that stands in for it computes on the host what the descriptions say.

With NVIDIA's wheel (``pip install nvidia-cublas``, 500 MB, not in CI) our numbers are compared with its header's, and the
real library takes our descriptions. Its products need a GPU.
"""

from __future__ import annotations

import ctypes
import gc
import itertools as it
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.cuda import cublaslt_library as names
from gpugrad.cuda.cublaslt import NO_WORKSPACE, CublasLt, Matmul, Workspace
from gpugrad.cuda.cublaslt_library import EPILOGUES
from gpugrad.cuda.matmul_layout import Operand

HERE = Path(__file__).parent
COMPILER = shutil.which("g++") or shutil.which("clang++")
STREAM = 77
BF16 = ml_dtypes.bfloat16
TOLERANCE = {
    "float16": 2e-3,
    "bfloat16": 2e-2,
    "float32": 1e-6,
    "float64": 1e-12,
    "complex64": 1e-6,
    "complex128": 1e-12,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: Any) -> str:
    if COMPILER is None:
        pytest.skip("there is no C++ compiler for the library that stands in for cuBLASLt")
    made = str(tmp_path_factory.mktemp("fake") / "libcublasLt.so.13")
    command = [COMPILER, "-std=c++17", "-O1", "-fPIC", "-shared", "-o", made, str(HERE / "fake_cublaslt.cc")]
    subprocess.run(command, check=True)
    return made


@pytest.fixture
def lt(path: str) -> Iterator[CublasLt]:
    library = names.load(path)
    library.fake_said.restype = ctypes.c_char_p
    library.fake_reset()
    yield CublasLt(library)


def said(lt: CublasLt) -> list[str]:
    """What the library was asked for so far."""
    return lt.library.fake_said().decode().split()


def prepared(lt: CublasLt, x: Any, y: Any, out: Any, **options: Any) -> Matmul:
    options.setdefault("aligned", out.itemsize)
    return lt.matmul(Operand.of(x), Operand.of(y), Operand.of(out), **options)


def places(*arrays: Any) -> list[int]:
    return [a.__array_interface__["data"][0] for a in arrays]


def random(rng: Any, shape: Any, dtype: Any) -> Any:
    made = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        made = made + 1j * rng.normal(size=shape)
    return made.astype(dtype)


def wide(x: Any) -> Any:
    return x.astype(np.result_type(np.float64, np.complex64 if x.dtype.kind == "c" else np.float64))


def close(out: Any, expected: Any) -> None:
    tolerance = TOLERANCE[out.dtype.name]
    np.testing.assert_allclose(wide(out), expected, rtol=tolerance, atol=4 * tolerance)


# ---- products -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "result"),
    [(d, d) for d in ("float16", BF16, "float32", "float64", "complex64", "complex128")]
    + [("float16", "float32"), (BF16, "float32")],
)
@pytest.mark.parametrize("batches", [((), ()), ((3,), (3,)), ((3,), ()), ((), (3,))])
def test_dtypes_transposes_and_batches(lt: CublasLt, dtype: Any, result: Any, batches: Any, rng: Any) -> None:
    (m, k, n), (bx, by) = (3, 5, 4), batches
    for tx, ty, to in it.product([False, True], repeat=3):
        x = random(rng, (*bx, k, m), dtype).mT if tx else random(rng, (*bx, m, k), dtype)
        y = random(rng, (*by, n, k), dtype).mT if ty else random(rng, (*by, k, n), dtype)
        batch = bx or by
        out = np.full((*batch, n, m), 9, result).mT if to else np.full((*batch, m, n), 9, result)
        prepared(lt, x, y, out).run(*places(x, y, out), STREAM)
        close(out, wide(x) @ wide(y))
    assert said(lt).count(f"matmul:{STREAM}") == 8


def test_operands_are_read_where_they_are(lt: CublasLt, rng: Any) -> None:
    memory, beside = random(rng, (6, 9), "float32"), np.full((5, 8), 7, "float32")
    x, y, out = memory[1:4, 2:6], memory[2:6, 3:8], beside[1:4, 2:7]
    prepared(lt, x, y, out).run(*places(x, y, out), STREAM)
    close(out, wide(x) @ wide(y))
    out[...] = 7
    assert (beside == 7).all()


def test_heads_of_attention_take_a_call_for_each_sequence(lt: CublasLt, rng: Any) -> None:
    q, k = (random(rng, (2, 7, 3, 4), "float32").transpose(0, 2, 1, 3) for _ in range(2))
    out = np.zeros((2, 3, 7, 7), "float32")
    product = prepared(lt, q, k.mT, out)
    product.run(*places(q, k, out), STREAM)
    close(out, wide(q) @ wide(k.mT))
    out[...] = 0
    product.bound(*places(q, k, out), STREAM)()
    close(out, wide(q) @ wide(k.mT))
    assert said(lt) == ["heuristic", *[f"matmul:{STREAM}"] * 4]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_accumulating(lt: CublasLt, dtype: str, rng: Any) -> None:
    x, y, out = random(rng, (3, 4), dtype), random(rng, (4, 2), dtype), random(rng, (3, 2), dtype)
    alpha, beta = (0.5, 2.0) if np.dtype(dtype).kind == "f" else (0.5 - 1j, 2j)
    expected = alpha * (wide(x) @ wide(y)) + beta * wide(out)
    prepared(lt, x, y, out, alpha=alpha, beta=beta).run(*places(x, y, out), STREAM)
    close(out, expected)


def test_without_beta_nothing_of_the_result_is_read(lt: CublasLt) -> None:
    x, y, out = np.ones((2, 3)), np.ones((3, 2)), np.full((2, 2), np.nan)
    prepared(lt, x, y, out).run(*places(x, y, out), STREAM)
    assert (out == 3).all()


def test_halves_are_added_up_in_float32(lt: CublasLt) -> None:
    x, y, out = np.ones((1, 4096), BF16), np.ones((4096, 1), BF16), np.zeros((1, 1), "float32")
    prepared(lt, x, y, out).run(*places(x, y, out), STREAM)
    assert out[0, 0] == 4096  # in bfloat16 it would stop at 256


def test_an_empty_result_takes_no_call(lt: CublasLt) -> None:
    x, y, out = np.ones((0, 3)), np.ones((3, 2)), np.ones((0, 2))
    product = prepared(lt, x, y, out)
    product.run(*places(x, y, out), STREAM)
    product.bound(*places(x, y, out), STREAM)()
    assert said(lt) == []


# ---- what is asked --------------------------------------------------------------------------------------------------


def test_an_algorithm_is_asked_for_once(lt: CublasLt, rng: Any) -> None:
    x, y, out = random(rng, (3, 4), "float32"), random(rng, (4, 2), "float32"), np.zeros((3, 2), "float32")
    for _ in range(2):
        prepared(lt, x, y, out).run(*places(x, y, out), STREAM)
    prepared(lt, x, y, out, beta=1.0).run(*places(x, y, out), STREAM)
    assert said(lt).count("heuristic") == 1
    prepared(lt, x[:2], y, out[:2])
    prepared(lt, x, y, out, aligned=2)
    prepared(lt, x, y, out, tf32=True)
    assert said(lt).count("heuristic") == 4


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "float64"])
def test_tf32_is_for_those_who_ask(lt: CublasLt, dtype: str, monkeypatch: Any) -> None:
    x, y, out = np.ones((2, 3), dtype), np.ones((3, 2), dtype), np.zeros((2, 2), dtype)
    rounds = dtype in ("float32", "complex64")

    def fast(**options: Any) -> bool:
        prepared(lt, x, y, out, **options).run(*places(x, y, out), STREAM)
        return said(lt)[-1].endswith(":tf32")

    assert not fast()
    assert fast(tf32=True) == rounds
    monkeypatch.setattr(gg.config, "tf32", True)
    assert fast() == rounds
    assert not fast(tf32=False)


def test_the_workspace_is_the_callers(lt: CublasLt) -> None:
    memory = np.zeros(4096, np.uint8)
    start = -memory.ctypes.data % 256
    x = np.ones((2, 2))
    out = np.zeros((2, 2))
    product = prepared(lt, x, x, out, workspace=Workspace(memory.ctypes.data + start, 2048))
    product.run(*places(x, x, out), STREAM)
    assert (out == 2).all()
    assert (memory[start : start + 1024] == 0xCC).all()
    assert (memory[start + 1024 :] == 0).all()
    with pytest.raises(errors.ArgumentError, match="multiple of 256"):
        prepared(lt, x, x, out, workspace=Workspace(memory.ctypes.data + start + 8, 2048))


def test_what_the_library_made_is_given_back(path: str) -> None:
    library = names.load(path)
    gc.collect()
    kinds = [b"handle", b"MatmulDesc", b"MatrixLayout", b"MatmulPreference"]
    before = [library.fake_alive(kind) for kind in kinds]
    lt = CublasLt(library)
    x = np.ones((2, 2))
    product = prepared(lt, x, x, x)
    assert [library.fake_alive(kind) - n for kind, n in zip(kinds, before, strict=True)] == [1, 1, 3, 0]
    del product, lt
    gc.collect()
    assert [library.fake_alive(kind) for kind in kinds] == before


# ---- epilogues ------------------------------------------------------------------------------------------------------

C = np.sqrt(2 / np.pi)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x**3)))


def gelu_slope(x: Any) -> Any:
    t = np.tanh(C * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * C * (1 + 3 * 0.044715 * x**2)


@pytest.mark.parametrize("dtype", ["float16", BF16, "float32"])
@pytest.mark.parametrize("epilogue", ["relu", "bias", "relu_bias", "gelu", "gelu_bias"])
def test_epilogues_forward(lt: CublasLt, dtype: Any, epilogue: str, rng: Any) -> None:
    x, y, b = random(rng, (2, 3, 5), dtype), random(rng, (4, 5), dtype).T, random(rng, 4, dtype)
    out = np.zeros((2, 3, 4), dtype)
    bias = "bias" in epilogue
    prepared(lt, x, y, out, epilogue=epilogue).run(*places(x, y, out), STREAM, *(places(b) if bias else [0]))
    before = wide(x) @ wide(y) + (wide(b) if bias else 0)
    close(out, np.maximum(before, 0) if "relu" in epilogue else gelu(before) if "gelu" in epilogue else before)


@pytest.mark.parametrize("name", ["relu", "gelu"])
@pytest.mark.parametrize("bias", [False, True])
def test_epilogues_there_and_back(lt: CublasLt, name: str, bias: bool, rng: Any) -> None:
    m, k, n, after = 6, 5, 11, 3
    x, w, b = (random(rng, shape, "float32") for shape in ((m, k), (k, n), n))
    hidden = np.zeros((m, n), "float32")
    there = prepared(lt, x, w, hidden, epilogue=f"{name}_aux_bias" if bias else f"{name}_aux")
    assert there.aux_shape == (m, 16)  # for 11 elements: 128 bits are 16 bytes, or 16 elements
    aux = np.zeros(there.aux_shape, np.uint8 if name == "relu" else "float32")
    vector = places(b)[0] if bias else 0
    there.bound(*places(x, w, hidden), STREAM, vector, *places(aux))()
    before = wide(x) @ wide(w) + (wide(b) if bias else 0)
    close(hidden, np.maximum(before, 0) if name == "relu" else gelu(before))
    if name == "relu":
        np.testing.assert_array_equal(np.unpackbits(aux, axis=1, bitorder="little")[:, :n], before > 0)
    else:
        close(aux[:, :n], before)

    g, v, dh, db = (
        random(rng, (m, after), "float32"),
        random(rng, (n, after), "float32"),
        np.zeros_like(hidden),
        np.zeros_like(b),
    )
    back = prepared(lt, g, v.T, dh, epilogue=f"d{name}_bgrad" if bias else f"d{name}")
    assert back.aux_shape == there.aux_shape
    back.run(*places(g, v, dh), STREAM, places(db)[0] if bias else 0, *places(aux))
    expected = wide(g) @ wide(v).T * ((before > 0) if name == "relu" else gelu_slope(before))
    close(dh, expected)
    if bias:
        close(db, expected.sum(0))


def test_gradients_of_a_bias_beside_that_of_its_weight(lt: CublasLt, rng: Any) -> None:
    x, g = random(rng, (6, 5), "float32"), random(rng, (6, 4), "float32")
    dw, db = np.zeros((5, 4), "float32"), np.zeros(4, "float32")
    prepared(lt, x.T, g, dw, epilogue="bgrad_y").run(*places(x, g, dw), STREAM, *places(db))
    close(dw, wide(x).T @ wide(g))
    close(db, wide(g).sum(0))
    dwt = np.zeros((4, 5), "float32")  # a weight that is kept transposed
    prepared(lt, g.T, x, dwt, epilogue="bgrad_x").run(*places(g, x, dwt), STREAM, *places(db))
    close(dwt, wide(g).T @ wide(x))
    close(db, wide(g).sum(0))


def test_a_bias_elsewhere(lt: CublasLt, rng: Any) -> None:
    x, out, biases = np.zeros((2, 2)), np.zeros((2, 2)), random(rng, (2, 2), "float64")
    product = prepared(lt, x, x, out, epilogue="bias")
    first, second = (product.bound(*places(x, x, out), STREAM, *places(b)) for b in biases)
    for run, b in ((first, biases[0]), (second, biases[1]), (first, biases[0])):
        run()
        np.testing.assert_array_equal(out, np.stack([b, b]))


def test_threads_share_a_product_with_biases_of_their_own(lt: CublasLt, rng: Any) -> None:
    x, y, biases = random(rng, (8, 16), "float32"), random(rng, (16, 8), "float32"), random(rng, (4, 8), "float32")
    outs = np.zeros((4, 8, 8), "float32")
    product = prepared(lt, x, y, outs[0], epilogue="bias")
    wrong = []

    def work(out: Any, bias: Any) -> None:
        for _ in range(200):
            product.run(*places(x, y, out), STREAM, *places(bias))
            wrong.append(np.abs(out - (x @ y + bias)).max() > 1e-4)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(outs, biases, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 800
    assert not any(wrong)


# ---- what goes wrong ------------------------------------------------------------------------------------------------


def test_what_has_to_be_copied_is_named(lt: CublasLt) -> None:
    x, out = np.ones((4, 4)), np.ones((4, 4))
    with pytest.raises(
        errors.ArgumentError, match=r"matmul of float64\[2, 2\] .* how x and y lies .* copy it in C's order"
    ):
        prepared(lt, x[::2, ::2], x[::2, ::2], out[:2, :2])
    with pytest.raises(errors.ArgumentError, match="with bias: cuBLASLt cannot be told how out"):
        prepared(lt, x, x, out.T, epilogue="bias")


def test_dtypes_that_are_not_taken(lt: CublasLt) -> None:
    for dtypes in (
        ("int32",) * 3,
        ("float32", "float64", "float64"),
        ("float32", "float32", "float16"),
        ("float64",) * 2 + ("float32",),
    ):
        with pytest.raises(errors.DtypeError, match=r"matmul of .*; expected one of float16, bfloat16.*; cast first"):
            prepared(lt, *(np.ones((2, 2), d) for d in dtypes))
    with pytest.raises(errors.DtypeError, match="real numbers"):
        prepared(lt, *(np.ones((2, 2), "complex64"),) * 3, epilogue="relu")


def test_epilogues_that_do_not_go(lt: CublasLt) -> None:
    x, batch = np.ones((2, 2)), np.ones((3, 2, 2))
    with pytest.raises(errors.ArgumentError, match=r"epilogue='tanh'; expected one of default, relu"):
        prepared(lt, x, x, x, epilogue="tanh")
    for name in ("relu_aux", "dgelu", "bgrad_y", "drelu_bgrad"):
        with pytest.raises(errors.ArgumentError, match=f"with {name}: expected a product without a batch"):
            prepared(lt, batch, batch, batch, epilogue=name)
    for name, pointers in (("bias", (0, 0)), ("bias", (16, 16)), ("default", (16, 0)), ("relu_aux", (0, 0))):
        product = prepared(lt, x, x, x, epilogue=name)
        with pytest.raises(errors.ArgumentError, match=r"vector=0x.*expected the address of each"):
            product.run(*places(x, x, x), STREAM, *pointers)
        with pytest.raises(errors.ArgumentError, match=r"vector=0x.*expected the address of each"):
            product.bound(*places(x, x, x), STREAM, *pointers)
    assert "matmul" not in " ".join(said(lt))


def test_a_sum_of_nothing_is_left_to_the_caller(lt: CublasLt) -> None:
    with pytest.raises(errors.ArgumentError, match="fill in zeros"):
        prepared(lt, np.ones((2, 0)), np.ones((0, 2)), np.ones((2, 2)))


def test_addresses_keep_what_was_promised(lt: CublasLt) -> None:
    memory = np.ones(64, "float32")
    start = -memory.ctypes.data % 64 // 4
    x, out = memory[start : start + 4].reshape(2, 2), memory[start + 16 : start + 20].reshape(2, 2)
    product = prepared(lt, x, x, out, aligned=16)
    product.run(*places(x, x, out), STREAM)
    for run in (product.run, product.bound):
        with pytest.raises(errors.ArgumentError, match="expected multiples of 16"):
            run(*places(x, memory[start + 1 :], out), STREAM)
    with pytest.raises(errors.ArgumentError, match="power of two"):
        prepared(lt, x, x, out, aligned=12)


def test_offsets_of_a_batch_count_for_alignment(lt: CublasLt, rng: Any) -> None:
    memory = np.zeros(4096, np.uint8)
    start = -memory.ctypes.data % 256
    x = memory[start : start + 2 * 3 * 10 * 4].view("float32").reshape(2, 3, 2, 5)[:, :2]
    x[...] = rng.normal(size=x.shape)
    y, out = random(rng, (2, 2, 5, 4), "float32"), np.zeros((2, 2, 2, 4), "float32")
    beyond = memory[start + 512 :]
    y_there, out_there = (
        beyond[:320].view("float32").reshape(y.shape),
        beyond[512:640].view("float32").reshape(out.shape),
    )
    y_there[...] = y
    product = prepared(lt, x, y_there, out_there, aligned=256)  # its second call begins 120 bytes later
    assert len(product.plan.offsets) == 2
    product.run(*places(x, y_there, out_there), STREAM)
    close(out_there, wide(x) @ wide(y))


def test_no_algorithm(lt: CublasLt) -> None:
    lt.library.fake_refuse()
    x = np.ones((2, 2), "float32")
    with pytest.raises(errors.DeviceError, match=r"matmul of .* has no algorithm .* leave out the epilogue"):
        prepared(lt, x, x, x, epilogue="relu", workspace=NO_WORKSPACE)


def test_a_status_is_said(lt: CublasLt) -> None:
    x = np.ones((2, 2))
    product = prepared(lt, x, x, x)
    product._description.set(TRANSA=names.OP_T)  # other than what the algorithm was chosen for
    with pytest.raises(errors.DeviceError, match=r"matmul of float64\[2, 2\] .*status 7 \(invalid value\)"):
        product.run(*places(x, x, x), STREAM)
    with pytest.raises(errors.DeviceError, match="SetAttribute of BIAS_POINTER"):
        product._description.attributes = {"BIAS_POINTER": (8, ctypes.c_int32)}
        product._description.set(BIAS_POINTER=16)


def test_no_library(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(names, "_places", lambda: iter([str(tmp_path / "libcublasLt.so.13")]))
    with pytest.raises(errors.DeviceError, match=r"libcublasLt\), which was not found.*gpugrad\[cuda13\]"):
        CublasLt()


def test_a_library_of_something_else() -> None:
    with pytest.raises(errors.DeviceError, match="not a library of cuBLASLt"):
        names.load("libm.so.6")


def test_the_library_is_found_in_a_wheels_folder(path: str, monkeypatch: Any, tmp_path: Path) -> None:
    folder = tmp_path / "nvidia" / "cu13" / "lib"
    folder.mkdir(parents=True)
    shutil.copy(path, folder / "libcublasLt.so.13")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert names.find() == str(folder / "libcublasLt.so.13")
    assert CublasLt(names.load()).version == (13, 1, 0)


# ---- NVIDIA's own ---------------------------------------------------------------------------------------------------


def folder_of_wheel(file: str) -> Path | None:
    """Where the wheel has put the headers."""
    places = (
        Path(entry, "nvidia", name, "include") for entry in sys.path for name in ("cu13", "cublas", "cuda_runtime")
    )
    return next((place for place in places if (place / file).exists()), None)


@pytest.fixture(scope="module")
def header() -> str:
    folder = folder_of_wheel("cublasLt.h")
    if folder is None:
        pytest.skip("cublasLt.h is not installed: pip install nvidia-cublas")
    text = "".join((folder / name).read_text() for name in ("cublas_api.h", "cublasLt.h"))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def test_numbers_are_the_headers(header: str) -> None:
    found: dict[str, int] = {}
    for name, value in re.findall(r"\b(CUBLAS\w+)\s*=\s*([^,}]+)", header):
        try:
            found[name] = eval(value, {}, found)
        except NameError:  # of another header
            continue
    for prefix, table in (
        ("MATMUL_DESC", names.DESCRIPTION),
        ("MATRIX_LAYOUT", names.LAYOUT),
        ("MATMUL_PREF", names.PREFERENCE),
    ):
        assert {name: found[f"CUBLASLT_{prefix}_{name}"] for name in table} == {
            n: number for n, (number, _) in table.items()
        }
    called = {"bgrad_x": "BGRADB", "bgrad_y": "BGRADA"}
    for name, epilogue in EPILOGUES.items():
        assert epilogue.number == found[f"CUBLASLT_EPILOGUE_{called.get(name, name.upper())}"]
    for name in ("COMPUTE_32F", "COMPUTE_32F_FAST_TF32", "COMPUTE_64F", "OP_N", "OP_T"):
        assert getattr(names, name) == found[f"CUBLAS_{name}"]
    assert found["CUBLAS_STATUS_NOT_SUPPORTED"] == names.NOT_SUPPORTED


def test_dtypes_are_the_headers() -> None:
    folder = folder_of_wheel("library_types.h")
    if folder is None:
        pytest.skip("library_types.h is not installed: pip install nvidia-cuda-runtime")
    text = (folder / "library_types.h").read_text()
    called = {"float16": "R_16F", "bfloat16": "R_16BF", "float32": "R_32F", "float64": "R_64F"}
    called |= {"complex64": "C_32F", "complex128": "C_64F"}
    found = {name: int(re.search(rf"\bCUDA_{n}\s*=\s*(\d+)", text)[1]) for name, n in called.items()}  # type: ignore[index]
    assert found == names.DATA_TYPES


def test_functions_take_what_the_header_says(header: str) -> None:
    for name, takes in names.FUNCTIONS.items():
        declared = re.search(rf"cublasStatus_t CUBLASWINAPI {name}\((.*?)\);", header, re.S)
        assert declared, name
        parameters = [p for p in re.sub(r"//.*", "", declared[1]).split(",") if p.strip()]
        assert len(parameters) == len(takes), name
        for parameter, kind in zip(parameters, takes, strict=True):
            width = {"size_t": 8, "uint64_t": 8, "int64_t": 8, "int": 4}
            words = parameter.split()
            scalar = words[0] in width and "*" not in parameter
            enum = re.match(
                r"\s*(cudaDataType|cudaDataType_t|cublasComputeType_t|cublasLtMat\w+Attributes?_t)\b", parameter
            )
            assert ctypes.sizeof(kind) == (width[words[0]] if scalar else 4 if enum else 8), (name, parameter)


def test_the_real_library_takes_our_descriptions(header: str) -> None:
    library = names.load()  # DeviceError would fail: where the header is, the library is
    assert library.cublasLtGetVersion() >= 120000

    def get(kind: str, made: Any, number: int, size: int) -> bytes:
        out, written = ctypes.create_string_buffer(size), ctypes.c_size_t()
        function = getattr(library, f"cublasLt{kind}GetAttribute")
        assert function(made, number, out, ctypes.c_size_t(size), ctypes.byref(written)) == 0
        assert written.value == size
        return out.raw

    tables = {"MatmulDesc": names.DESCRIPTION, "MatrixLayout": names.LAYOUT, "MatmulPreference": names.PREFERENCE}
    arguments: dict[str, tuple[int, ...]] = {
        "MatmulDesc": (68, 0),
        "MatrixLayout": (0, 4, 3, 4),
        "MatmulPreference": (),
    }
    for kind, table in tables.items():
        made = ctypes.c_void_p()
        assert getattr(library, f"cublasLt{kind}Create")(made, *arguments[kind]) == 0
        for name, (number, form) in table.items():
            given = form(1 if name.startswith("TRANS") else 256)
            put = getattr(library, f"cublasLt{kind}SetAttribute")
            assert put(made, number, ctypes.addressof(given), ctypes.sizeof(given)) == 0, name
            assert get(kind, made, number, ctypes.sizeof(given)) == bytes(given), name
            assert put(made, number, ctypes.addressof(given), ctypes.sizeof(given) + 1) != 0, name
        assert getattr(library, f"cublasLt{kind}Destroy")(made) == 0
