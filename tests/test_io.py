"""Files: what comes back, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

safetensors = pytest.importorskip("safetensors")
pytest.importorskip("safetensors.numpy")

DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "file.safetensors")


def same(a: Any, b: Any) -> bool:
    """Equal in structure, types, dtypes, shapes and bits."""
    if isinstance(a, gg.Tensor):
        return (
            isinstance(b, gg.Tensor)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.numpy().tobytes() == b.numpy().tobytes()
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


# ---- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_every_dtype(path: str, dtype: str, shape: Any) -> None:
    x = gg.asarray(np.random.default_rng(0).normal(size=shape) * 3.0 + 3.0).astype(dtype)
    gg.io.save(x, path)
    y = gg.io.load(path)
    assert same(x, y)
    if dtype not in ("bool", "complex64", "complex128"):
        assert (y + y).dtype == x.dtype  # arrays of half precision are of the kind that computes right


def test_every_structure(path: str) -> None:
    tree = {
        "a": [
            gg.tensor([1.0, 2.0]),
            (gg.tensor(3), None, True, -(2**70), 0.1, math.inf, -math.inf, math.nan, "ü\n"),
            [],
        ],
        "b": {"a": {}, 7: gg.tensor([1 + 2j]), -1: ()},
        "b.a": gg.tensor(1.0),
        "": {"": gg.tensor(2.0)},
        "__metadata__": gg.tensor(3.0),
    }
    gg.io.save(tree, path)
    assert same(gg.io.load(path), tree)
    for leaf in ({}, [], None, 3, "x"):
        gg.io.save(leaf, path)
        assert same(gg.io.load(path), leaf)


def test_names_that_would_be_one(path: str) -> None:
    tree = {
        "a": {"b": gg.tensor(1), "b#2": gg.tensor(2)},
        "a.b": gg.tensor(3),
        "tensor": gg.tensor(4),
        "a.b#2": gg.tensor(5),
    }
    gg.io.save(tree, path)
    assert same(gg.io.load(path), tree)


def test_arrays_are_saved_whatever_their_layout(path: str) -> None:
    x = np.arange(24.0).reshape(4, 6)
    tree = [x.T, x[::-2, 1::2], np.asfortranarray(x), x.astype(">f8"), np.float32(0.5), np.int8(3)]
    gg.io.save(tree, path)
    back = gg.io.load(path)
    for a, b in zip(tree[:4], back, strict=False):
        assert np.array_equal(a, b.numpy())
    assert back[4:] == [0.5, 3]


def test_a_parameter_comes_back_without_its_gradient(path: str) -> None:
    w = gg.tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    gg.io.save({"w": w, "loss": (w * w).sum()}, path)
    back = gg.io.load(path)
    assert back["w"].tolist() == [1.0, 2.0] and not back["w"].requires_grad and back["loss"].item() == 5.0
    back["w"][0] = 9.0
    assert gg.io.load(path)["w"].tolist() == [1.0, 2.0]


def test_on_a_device(path: str, other_backend: str) -> None:
    device = gg.backends.select.get(other_backend).devices()[0]
    tree = [gg.asarray([1.0, 2.0], device=device), gg.tensor([1 + 2j])]
    gg.io.save(tree, path)
    back = gg.io.load(path, device=device)
    assert [t.device for t in back] == [device] * 2 and back[1].to("cpu").tolist() == [1 + 2j]
    assert gg.io.load(path)[0].device == "cpu"


def test_other_programs_read_and_write_it(path: str) -> None:
    from safetensors.numpy import load_file, save_file

    gg.io.save(
        {"w": gg.tensor([1.0, 2.0]), "more": {"b": gg.tensor([3], dtype="int32")}, "n": 1}, path, metadata={"a": "b"}
    )
    found = load_file(path)
    assert set(found) == {"w", "more.b"} and found["w"].tolist() == [1.0, 2.0]
    save_file({"x": np.arange(3.0), "y": np.array([1 + 2j], np.complex64)}, path, {"by": "another"})
    back = gg.io.load(path)
    assert set(back) == {"x", "y"} and back["x"].tolist() == [0.0, 1.0, 2.0] and back["y"].dtype == np.complex64
    assert gg.io.read_metadata(path) == {"by": "another"}
    save_file({"x": np.arange(3.0)}, path)
    assert gg.io.read_metadata(path) == {} and list(gg.io.load(path)) == ["x"]


def test_a_training_run_is_saved_and_resumed(path: str) -> None:
    def made() -> tuple[Any, Any, Any, Any]:
        w = gg.tensor(np.linspace(-1.0, 1.0, 3), dtype="float32", requires_grad=True)
        opt = gg.optim.AdamW([w], lr=0.1, amsgrad=True)
        schedule = gg.optim.Schedule(opt, gg.optim.cosine(20))
        x = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
        loader = gg.data.DataLoader(gg.data.ArrayDataset(x), 4, shuffle=True, key=gg.random.key(1))
        return w, opt, schedule, loader

    def train(run: Any, steps: int) -> None:
        w, opt, schedule, loader = run
        done = 0
        while done < steps:
            for (x,) in loader:
                opt.zero_grad()
                noise = gg.random.normal((3,), dtype="float32")
                ((x * w).sum() - 1.0 + (noise * w).sum()).backward()
                opt.step()
                schedule.step()
                done += 1
                if done == steps:
                    break

    gg.random.seed(3)
    run = made()
    train(run, 5)
    w, opt, schedule, loader = run
    parts = {"opt": opt, "schedule": schedule, "loader": loader, "random": gg.random.default_generator}
    gg.io.save({"w": w, **{k: p.state_dict() for k, p in parts.items()}}, path)
    resumed = made()
    gg.random.seed(99)
    state = gg.io.load(path)
    resumed[0].copy_(state["w"])
    for part, name in zip((*resumed[1:], gg.random.default_generator), parts, strict=True):
        part.load_state_dict(state[name])
    train(resumed, 4)
    gg.random.default_generator.load_state_dict(state["random"])
    run[3].load_state_dict(state["loader"])  # the run that went on had broken off its epoch too
    train(run, 4)
    assert run[0].detach().numpy().tobytes() == resumed[0].detach().numpy().tobytes()


# ---- what cannot be saved ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "kind", "message"),
    [
        ({"a": [1, {2, 3}]}, errors.UnsupportedError, "builtins.set at a.1; expected tensors"),
        (lambda: 1, errors.UnsupportedError, "function at the top"),
        ({"a": {(1, 2): 3}}, errors.UnsupportedError, r"key \(1, 2\) at a; expected strings or integers"),
        ({True: 1}, errors.UnsupportedError, "key True at the top"),
        ({"x": np.array(["text"])}, errors.DtypeError, "dtype"),
        (
            {"x": np.zeros(2, np.longdouble)},
            errors.DtypeError,
            "tensor at x has dtype .*which the format does not have",
        ),
    ],
)
def test_what_cannot_be_saved_leaves_the_old_file(path: str, tree: Any, kind: Any, message: str) -> None:
    gg.io.save(1, path)
    with pytest.raises(kind, match=message):
        gg.io.save(tree, path)
    assert gg.io.load(path) == 1 and os.listdir(os.path.dirname(path)) == ["file.safetensors"]


def test_metadata_are_strings(path: str) -> None:
    for bad in ({"a": 1}, {1: "a"}, {"gpugrad": "x"}):
        with pytest.raises(errors.UnsupportedError, match="expected strings by strings"):
            gg.io.save(1, path, metadata=bad)  # type: ignore[dict-item]
    assert not os.path.exists(path)


def test_what_has_no_state_is_no_model(path: str) -> None:
    with pytest.raises(
        errors.UnsupportedError, match=r"save_model: dict has no state_dict; expected a module.*gg\.io\.save"
    ):
        gg.io.save_model({"a": 1.0}, path)


def test_no_file_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        gg.io.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        gg.io.read_metadata(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        gg.io.save(1, tmp_path / "no" / "folder")


def test_without_the_package(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (lambda: gg.io.save(1, path), lambda: gg.io.load(path)):
        with pytest.raises(errors.MissingExtraError, match=r"gpugrad\[train\]"):
            call()


# ---- damaged, foreign and hostile files -------------------------------------------------------------------------------


def refused(path: str, data: bytes) -> str:
    """The message with which a file is refused."""
    Path(path).write_bytes(data)
    with pytest.raises(errors.FormatError) as caught:
        gg.io.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message[len(path) + 2 :]


def packed(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_truncated_anywhere(path: str) -> None:
    gg.io.save({"w": gg.tensor(np.arange(20.0)), "b": [gg.tensor([1, 2]), "x"]}, path)
    whole = Path(path).read_bytes()
    for n in range(len(whole)):
        message = refused(path, whole[:n])
        assert ("empty" in message) if n == 0 else "cut short" in message or "damaged" in message, n
    refused(path, whole + b"\0")


def test_a_flipped_bit_in_the_header_never_does_harm(path: str) -> None:
    """It is refused, or it loads: renamed, or of another shape. Nothing else can come of it."""
    gg.io.save({"w": gg.tensor(np.arange(4.0)), "n": (1, None)}, path)
    whole = Path(path).read_bytes()
    length = int.from_bytes(whole[:8], "little")
    refusals = 0
    for at in range(8 + length):
        for bit in (0, 3, 6):
            changed = bytearray(whole)
            changed[at] ^= 1 << bit
            Path(path).write_bytes(changed)
            try:
                gg.io.load(path)
            except errors.FormatError:
                refusals += 1
    assert refusals > length


def test_foreign_files(path: str) -> None:
    assert "is empty (0 bytes)" in refused(path, b"")
    assert "cut short" in refused(path, b"abc")
    assert "is not a safetensors file: it begins with b'Hello wo'" in refused(
        path, b"Hello world, this is a text file.\n"
    )
    for protocol in (2, 3, 4, 5):
        assert "is a pickle, which gpugrad never opens" in refused(path, pickle.dumps({"w": [1.0] * 20}, protocol))
    assert "not a safetensors file" in refused(path, pickle.dumps({"w": [1.0] * 20}, 0))
    np.savez(path + ".npz", x=np.zeros(3))
    assert "is a zip archive" in refused(path, Path(path + ".npz").read_bytes())
    np.save(path + ".npy", np.zeros(3))
    assert "numpy.save" in refused(path, Path(path + ".npy").read_bytes())
    assert "HDF5" in refused(path, b"\x89HDF\r\n\x1a\n" + bytes(20))
    assert "not a safetensors file" in refused(path, os.urandom(8) + b"x" * 100)


def test_a_pickle_is_never_opened(path: str) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {path}.evil",)

    for protocol in range(6):
        refused(path, pickle.dumps(Evil(), protocol))
    assert not os.path.exists(path + ".evil")


def test_claims_of_huge_sizes(path: str) -> None:
    assert "header claims 18446744073709551615 bytes" in refused(path, b"\xff" * 8 + b"{}")
    assert "header claims 99999999 bytes, and 2 follow" in refused(path, (99_999_999).to_bytes(8, "little") + b"{}")
    for shape in ([2**62], [2**63, 2**63], [10**30], [-1], [2**32, 2**32]):
        assert "damaged" in refused(
            path, packed({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}, b"1234")
        )


def spec(start: int, end: int, shape: Any = None, dtype: Any = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


HOSTILE: dict[str, Any] = {
    "overlapping": packed({"a": spec(0, 4), "b": spec(2, 6)}, b"123456"),
    "the same bytes twice": packed({"a": spec(0, 4), "b": spec(0, 4)}, b"1234"),
    "a hole": packed({"a": spec(0, 2), "b": spec(4, 6)}, b"123456"),
    "beyond the end": packed({"a": spec(0, 10)}, b"1234"),
    "backwards": packed({"a": spec(4, 0, [4])}, b"1234"),
    "negative": packed({"a": spec(-4, 0)}, b"1234"),
    "left over": packed({"a": spec(0, 2)}, b"1234"),
    "a shape of another size": packed({"a": spec(0, 4, [5])}, b"1234"),
    "an unknown dtype": packed({"a": spec(0, 4, dtype="F33")}, b"1234"),
    "a dtype that is no string": packed({"a": spec(0, 4, dtype=[1])}, b"1234"),
    "no offsets": packed({"a": {"dtype": "U8", "shape": [4]}}, b"1234"),
    "no object": packed(b"[1, 2, 3]"),
    "no JSON": packed(b"{nothing here}"),
    "JSON that ends early": packed(b'{"a": '),
    "no UTF-8": packed(b'{"\xff\xfe": 1}'),
    "deep JSON": packed(b'{"a":' * 100_000),
    "metadata that are no strings": packed({"__metadata__": {"a": 1}}),
    "metadata that are no object": packed({"__metadata__": "x"}),
    "a float8": packed({"a": spec(0, 4, dtype="F8_E4M3")}, b"1234"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_headers(path: str, what: str) -> None:
    refused(path, HOSTILE[what])


def described(tree: Any, version: Any = 1) -> bytes:
    text = tree if isinstance(tree, str) else json.dumps({"version": version, "tree": tree})
    return packed({"__metadata__": {"gpugrad": text}, "w": spec(0, 4)}, b"1234")


DESCRIPTIONS: dict[str, Any] = {
    "version 2": described({"tensor": "w"}, 2),
    "not JSON": described("{"),
    "a list": described("[]"),
    "no tree": described('{"version": 1}'),
    "another tensor": described({"tensor": "v"}),
    "no tensor": described({"list": []}),
    "twice the same": described({"list": [{"tensor": "w"}, {"tensor": "w"}]}),
    "a tensor by number": described({"tensor": 0}),
    "two kinds": described({"tensor": "w", "list": []}),
    "complex bytes": described({"tensor": "w", "complex": True}),
    "an unknown kind": described({"object": "os.system"}),
    "a value that is a list": described({"list": [{"value": [1]}, {"tensor": "w"}]}),
    "a key that is a list": described({"dict": [[[1], {"tensor": "w"}]]}),
    "a key twice": described({"dict": [["a", {"tensor": "w"}], ["a", {"value": 1}]]}),
    "a pair of three": described({"dict": [["a", {"tensor": "w"}, 1]]}),
    "too deep": described('{"version": 1, "tree": ' + '{"list": [' * 50_000 + "]}" * 50_000 + "}"),
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_hostile_descriptions(path: str, what: str) -> None:
    assert "is damaged" in refused(path, DESCRIPTIONS[what])


def test_booleans_are_made_of_any_bytes(path: str) -> None:
    Path(path).write_bytes(packed({"a": spec(0, 3, dtype="BOOL")}, b"\x00\x01\xff"))
    assert gg.io.load(path)["a"].tolist() == [False, True, True]


def test_metadata_of_damaged_files(path: str) -> None:
    Path(path).write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(errors.FormatError, match="zip"):
        gg.io.read_metadata(path)


# ---- what a kill leaves -----------------------------------------------------------------------------------------------

KILL = """
import os, signal, sys
import gpugrad as gg
import gpugrad.io
import safetensors.numpy

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def half(arrays, name, metadata):
    with open(name, "wb") as file:
        file.write(bytes(100))
    die()

if sys.argv[1] == "writing":
    safetensors.numpy.save_file = half
elif sys.argv[1] == "before renaming":
    os.replace = die
else:
    replace = os.replace
    os.replace = lambda a, b: (replace(a, b), die())
gg.io.save(gg.tensor([2.0]), sys.argv[2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize(("moment", "left"), [("writing", 1.0), ("before renaming", 1.0), ("after renaming", 2.0)])
def test_a_kill_leaves_a_whole_file(path: str, moment: str, left: float) -> None:
    gg.io.save(gg.tensor([1.0]), path)
    root = str(Path(gg.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", KILL, moment, path],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    assert gg.io.load(path).tolist() == [left]
    gg.io.save(gg.tensor([3.0]), path)
    assert gg.io.load(path).tolist() == [3.0]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gg.io.save(1, path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    def refuses(*_: Any) -> None:
        raise safetensors.SafetensorError("Io: No space left")

    for module, name, error in ((os, "replace", full), (os, "fsync", full), (safetensors.numpy, "save_file", refuses)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, error)
            with pytest.raises(OSError, match="No space left"):
                gg.io.save(2, path)
        assert gg.io.load(path) == 1 and os.listdir(os.path.dirname(path)) == ["file.safetensors"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    gg.io.save(1, target)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    target.chmod(0o640)
    link.symlink_to(target)
    gg.io.save(2, link)
    assert link.is_symlink() and gg.io.load(target) == 2 and stat.S_IMODE(target.stat().st_mode) == 0o640


# ---- models -----------------------------------------------------------------------------------------------------------


class Model:
    """The least that has a state: tensors by name, all of which a state must have, in their shapes."""

    def __init__(self, **tensors: Any) -> None:
        self.tensors = tensors

    def state_dict(self) -> dict[str, Any]:
        return dict(self.tensors)

    def load_state_dict(self, values: dict[str, Any], strict: bool = True) -> None:
        if strict and set(values) != set(self.tensors):
            raise errors.FormatError(f"load_state_dict: {sorted(set(values) ^ set(self.tensors))}")
        self.tensors.update({k: v for k, v in values.items() if k in self.tensors})


def test_models(path: str) -> None:
    gg.io.save_model(Model(w=gg.ones(2), b=gg.zeros(1)), path, metadata={"of": "tests"})
    model = Model(w=gg.zeros(2), b=gg.ones(1))
    gg.io.load_model(model, path)
    assert model.tensors["w"].tolist() == [1.0, 1.0] and gg.io.read_metadata(path) == {"of": "tests"}
    with pytest.raises(errors.FormatError, match=r"file\.safetensors: load_state_dict: \['b'\]"):
        gg.io.load_model(Model(w=gg.zeros(2)), path)
    gg.io.load_model(Model(w=gg.zeros(2)), path, strict=False)
    gg.io.save([1, 2], path)
    with pytest.raises(errors.FormatError, match="does not hold the state of a model"):
        gg.io.load_model(model, path)


def test_modules_name_all_that_does_not_fit(path: str) -> None:
    nn = pytest.importorskip("gpugrad.nn")
    model = nn.Linear(2, 3)
    state = model.state_dict()
    before = {k: v.tolist() for k, v in state.items()}
    gg.io.save_model(model, path)
    other = nn.Linear(2, 3)
    gg.io.load_model(other, path)
    assert {k: v.tolist() for k, v in other.state_dict().items()} == before
    gg.io.save({"weight": gg.ones((3, 3)), "extra": gg.ones(1)}, path)
    with pytest.raises(errors.FormatError) as caught:
        gg.io.load_model(model, path)
    for part in (path, "bias", "extra", "weight", "(3, 3)", "(3, 2)"):
        assert part in str(caught.value)
    assert {k: v.tolist() for k, v in model.state_dict().items()} == before


# ---- names that are not those of files ------------------------------------------------------------------------------------


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cases: list[tuple[str, Any, str]] = [
        (str(pipe), OSError, "is a device or a pipe"),
        (str(tmp_path), IsADirectoryError, "is a folder"),
        ("", IsADirectoryError, "is a folder"),
        (str(tmp_path / "none" / "file"), FileNotFoundError, "no such folder to write in: .*none/file"),
    ]
    for name, kind, message in cases:
        with pytest.raises(kind, match=message):
            gg.io.save(gg.ones(2), name)
    assert pipe.is_fifo() and [p.name for p in tmp_path.iterdir()] == ["pipe"]
    gg.io.save(gg.ones(2), os.fsencode(tmp_path / "bytes"))
    assert gg.io.load(os.fsencode(tmp_path / "bytes")).shape == (2,)


def test_a_full_disk_leaves_the_old_file(path: str) -> None:
    gg.io.save(gg.ones(3), path)
    script = (
        "import resource, sys, gpugrad as gg\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: gg.io.save(gg.zeros(100_000), sys.argv[1])\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60)
    assert "could not be written" in done.stdout and "too large" in done.stdout
    assert gg.io.load(path).tolist() == [1.0, 1.0, 1.0] and os.listdir(os.path.dirname(path)) == [
        os.path.basename(path)
    ]


def test_what_holds_itself_or_is_no_text_is_refused(path: str) -> None:
    endless: list[Any] = []
    endless.append(endless)
    for tree, message in ((endless, "nested too deep"), ({"\ud800": gg.ones(1)}, "as a name; expected text")):
        with pytest.raises(errors.UnsupportedError, match=message):
            gg.io.save(tree, path)
    assert not os.path.exists(path)


@pytest.mark.parametrize("shape", [[2**62, 0], [1] * 200])
def test_shapes_that_no_array_has(path: str, shape: list[int]) -> None:
    data = b"" if 0 in shape else bytes(4)
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    Path(path).write_bytes(len(header).to_bytes(8, "little") + header + data)
    with pytest.raises(errors.FormatError, match=r"holds a tensor 'a' of shape .* cannot be an array"):
        gg.io.load(path)


def test_more_than_the_header_describes_is_not_read(path: str) -> None:
    Path(path).write_bytes((2).to_bytes(8, "little") + b"{}")
    os.truncate(path, 1 << 40)
    with pytest.raises(errors.FormatError, match="bytes follow its header, which describes 0"):
        gg.io.load(path)
