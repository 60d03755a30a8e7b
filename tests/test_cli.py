"""The command line: what it prints, how it fails, and what it does not import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import cli, info, io, nn
from gpugrad.train.folder import KIND, MODEL

ROOT = Path(__file__).parent.parent


def python(*arguments: str, **options: Any) -> Any:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained for a moment."""
    folder = tmp_path_factory.mktemp("model") / "run"
    assert cli.main(["train", "digits", "--epochs", "6", "--device", "cpu", "--out", str(folder)]) == 0
    return folder / MODEL


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Images of the test set, as files of several kinds, named by their labels."""
    from PIL import Image

    _, test = gg.data.digits()
    paths = []
    for k, (x, y) in enumerate(zip(test.tensors[0].numpy()[:20], test.tensors[1].tolist(), strict=False)):
        large = (255 * (1 - np.kron(x, np.ones((12, 12))))).astype(np.uint8)
        path = tmp_path / f"{y}-{k}.{('png', 'jpg', 'npy')[k % 3]}"
        np.save(path, x) if k % 3 == 2 else Image.fromarray(large).save(path)
        paths.append(str(path))
    return paths


def fails(capsys: pytest.CaptureFixture[str], arguments: list[str], *messages: str) -> None:
    """Status 2, one line on stderr, nothing on stdout."""
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and shown.err.startswith("gpugrad: ")
    for message in messages:
        assert message in shown.err


# ---- predict --------------------------------------------------------------------------------------------------------------


def test_predict(model: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(model), *pictures]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["class", *"0123456789"]
    right = 0
    for path, line in zip(pictures, lines, strict=True):
        name, guess, *probabilities = line.split()
        assert name == path and abs(sum(map(float, probabilities)) - 1.0) < 0.01
        assert int(guess) == int(np.argmax([float(p) for p in probabilities]))
        right += guess == Path(path).name[0]
    assert right >= 18
    assert cli.main(["predict", str(model.parent), pictures[0]]) == 0  # the folder of the run will do
    assert capsys.readouterr().out.splitlines()[1].split()[1:] == lines[0].split()[1:]


def test_predict_refuses_what_is_not_a_model(
    model: Path, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = model.read_bytes()
    picture = pictures[0]
    fails(capsys, ["predict", str(tmp_path / "none"), picture], "no model at", MODEL)
    fails(capsys, ["predict", picture, picture], "not a safetensors file")
    path = tmp_path / "file"
    for part in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        fails(capsys, ["predict", str(path), picture], str(path))
    path.write_bytes(b"\x80\x04" + whole)
    fails(capsys, ["predict", str(path), picture], "a pickle, which gpugrad never opens")
    fails(
        capsys,
        ["predict", str(model.parent / "checkpoint.safetensors"), picture],
        "'gpugrad training checkpoint', not a gpugrad digits classifier",
    )
    io.save_model(nn.Linear(2, 2), path)
    fails(capsys, ["predict", str(path), picture], "a file of tensors", "expected the model.safetensors")
    io.save_model(nn.Linear(2, 2), path, metadata={"kind": KIND, "architecture": "transformer"})
    fails(capsys, ["predict", str(path), picture], "architecture 'transformer'; this version knows mlp, cnn")
    io.save_model(nn.Linear(2, 2), path, metadata={"kind": KIND, "architecture": "mlp"})
    fails(capsys, ["predict", str(path), picture], str(path), "missing: 2.weight")


def test_predict_refuses_what_is_not_an_image(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary")
    fails(capsys, ["predict", str(model), str(tmp_path / "notes.txt")], "notes.txt is not an image")
    fails(capsys, ["predict", str(model), str(tmp_path / "none.png")], "no image at", "none.png")


# ---- info -------------------------------------------------------------------------------------------------------------------


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    shown = capsys.readouterr().out
    for part in (
        f"gpugrad {gg.__version__}",
        "Python",
        "NumPy",
        np.__version__,
        "backends",
        "devices",
        "extras",
        "train",
    ):
        assert part in shown
    assert "in use on cpu" in shown


def test_info_knows_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert sorted(name for name, _ in info.extras()) == sorted(declared)
    monkeypatch.setattr(info, "_installed", lambda package: package not in ("pillow", "rich"))
    found = dict(info.extras())
    assert found["train"] == 'without pillow, rich: pip install "gpugrad[train]"'
    assert found["test"] == 'without pillow, rich: pip install "gpugrad[test]"'  # an extra that includes another
    assert found["docs"] == "installed"


def test_info_imports_little() -> None:
    code = "import sys; from gpugrad import cli; cli.main(['info']); print([m for m in ('sklearn', 'matplotlib', 'rich', 'gpugrad.nn', 'gpugrad.train', 'torch') if m in sys.modules])"
    assert python("-c", code).stdout.splitlines()[-1] == "[]"


# ---- the command line itself ----------------------------------------------------------------------------------------------


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status, message in [
        (["--version"], 0, f"gpugrad {gg.__version__}"),
        (["--help"], 0, "classify images"),
        (["train", "--help"], 0, "--resume"),
        (["predict", "--help"], 0, "inverted if its background is light"),
        ([], 2, "COMMAND"),
        (["fly"], 2, "invalid choice"),
        (["train", "mnist"], 2, "invalid choice"),
        (["train", "digits", "--epochs", "0"], 2, "'0'; expected an integer of at least 1"),
        (["train", "digits", "--lr", "nan"], 2, "'nan'; expected a number of at least 0"),
        (["train", "digits", "--batch-size", "1"], 2, "expected an integer of at least 2"),
        (["train", "digits", "--seed", str(2**64)], 2, "expected an integer from 0 to 2**64 - 1"),
        (["predict", "model"], 2, "IMAGE"),
    ]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        shown = capsys.readouterr()
        assert ended.value.code == status
        assert message in shown.out + shown.err


def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(capsys, ["train", "digits", "--device", "tpu"], "'tpu'")
    (tmp_path / "file").write_text("")
    fails(
        capsys,
        ["train", "digits", "--device", "cpu", "--out", str(tmp_path / "file" / "run")],
        "Not a directory",
        "file",
    )
    monkeypatch.setitem(sys.modules, "rich.console", None)  # without rich the line is the same
    fails(capsys, ["train", "digits", "--device", "tpu"], "'tpu'")


def test_a_missing_package_is_named_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, package=None: None if name == "matplotlib" else find(name, package)
    )
    fails(capsys, ["train", "digits", "--out", str(tmp_path / "run")], 'pip install "gpugrad[train]"')
    assert not (tmp_path / "run").exists()


def test_module_and_pipe() -> None:
    assert python("-m", "gpugrad", "--version").stdout == f"gpugrad {gg.__version__}\n"
    shown = python("-c", "import sys; from gpugrad.cli import main; sys.exit(main(['predict', 'none', 'none']))")
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    reader = subprocess.run(
        f"{sys.executable} -m gpugrad info | head -1", shell=True, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert reader.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_ctrl_c(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "gpugrad",
        "train",
        "digits",
        "--epochs",
        "2000",
        "--device",
        "cpu",
        "--out",
        str(folder),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 130
        assert "Go on with: gpugrad train digits --resume" in rest
        assert process.stderr.read() == ""
    assert io.load(folder / "checkpoint.safetensors")["settings"]["epochs"] == 2000
