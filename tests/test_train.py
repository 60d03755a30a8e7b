"""Training: it learns, it resumes bit for bit, and it stops at what is not finite and says where that came from."""

from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import cli, errors, io, nn
from gpugrad.backends import select
from gpugrad.cuda.host import COMPILER
from gpugrad.train import images
from gpugrad.train.command import one_thread
from gpugrad.train.device import chosen, told
from gpugrad.train.folder import CHECKPOINT, MODEL, TABLE, load_checkpoint, new_folder, save_checkpoint
from gpugrad.train.nonfinite import origin
from gpugrad.train.predict import load, predict
from gpugrad.train.progress import Display
from gpugrad.train.run import Run, Settings

SMALL = {"mlp": Settings("mlp", 3, 5e-3, 128, 1), "cnn": Settings("cnn", 2, 5e-3, 256, 1)}


def train(*options: str) -> int:
    return cli.main(["train", "digits", "--device", "cpu", *options])


def options_of(s: Settings) -> list[str]:
    return [
        "--model",
        s.model,
        "--epochs",
        str(s.epochs),
        "--lr",
        str(s.lr),
        "--batch-size",
        str(s.batch_size),
        "--seed",
        str(s.seed),
    ]


def rows(folder: Path) -> list[dict[str, str]]:
    """metrics.csv without the columns that tell the time."""
    with (folder / TABLE).open(newline="") as file:
        return [
            {k: v for k, v in row.items() if not k.startswith(("seconds", "samples"))} for row in csv.DictReader(file)
        ]


def assert_same(one: Any, two: Any) -> None:
    """Equal containers, tensors equal bit for bit; seconds apart."""
    a, b = gg.pytree.flatten(one), gg.pytree.flatten(two)
    assert a[1] == b[1]
    for name, x, y in zip(gg.pytree.paths(a[1]), a[0], b[0], strict=True):
        if "seconds" not in name and "samples_per_second" not in name:
            assert type(x) is type(y) and np.array_equal(x, y), name


def state_of(folder: Path) -> Any:
    return io.load(folder / CHECKPOINT)


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that was never interrupted: its settings and its folder."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    settings = SMALL[request.param]
    assert train(*options_of(settings), "--out", str(folder)) == 0
    return settings, folder


# ---- results --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_learns(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", model, "--out", str(tmp_path / "run")) == 0
    shown = capsys.readouterr().out
    assert "test accuracy 9" in shown and str(tmp_path / "run" / MODEL) in shown
    _, test = gg.data.digits()
    pictures, labels = (t.numpy() for t in test.tensors)
    guess = predict(load(tmp_path / "run"), pictures)
    assert guess.shape == (360, 10) and np.allclose(guess.sum(axis=1), 1.0, atol=1e-5)
    accuracy = float((guess.argmax(axis=1) == labels).mean())
    assert accuracy >= 0.97
    assert float(io.read_metadata(tmp_path / "run" / MODEL)["test_accuracy"]) == round(accuracy, 4)


def test_training_validation_and_test_have_no_item_in_common() -> None:
    run = Run(SMALL["mlp"], "cpu")
    parts = (run.train_set, run.validation_set, run.test_set)
    assert [len(part) for part in parts] == [1257, 180, 360]
    items = np.concatenate([part.tensors[0].numpy().reshape(len(part), 64) for part in parts])
    assert len(np.unique(items, axis=0)) == len(items)


def test_leaves_its_files(whole: Any) -> None:
    settings, folder = whole
    assert sorted(p.name for p in folder.iterdir()) == sorted([CHECKPOINT, MODEL, TABLE, "confusion.png", "curves.png"])
    for picture in ("curves.png", "confusion.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert [row["epoch"] for row in rows(folder)] == [str(k + 1) for k in range(settings.epochs)]
    about = io.read_metadata(folder / MODEL)
    assert about["architecture"] == settings.model and about["version"] == gg.__version__


# ---- resuming ---------------------------------------------------------------------------------------------------------------


def test_resumes_between_epochs(whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, folder = whole
    part = tmp_path / "part"
    assert train(*options_of(settings), "--out", str(part), "--stop-after", "1") == 0
    assert f"Go on with: gpugrad train digits --resume {part}" in capsys.readouterr().out
    assert not (part / MODEL).exists()
    gg.random.seed(99)  # nothing may depend on what the process did before
    assert train("--resume", str(part)) == 0
    assert_same(state_of(folder), state_of(part))
    assert rows(folder) == rows(part)
    assert_same(io.load(folder / MODEL), io.load(part / MODEL))


@pytest.mark.parametrize("step", [1, 4, 7])
def test_resumes_after_an_interrupt_within_an_epoch(
    whole: Any, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, folder = whole
    part = tmp_path / "part"
    count = 0

    def interrupt(display: Display) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Display, "step", interrupt)
        assert train(*options_of(settings), "--out", str(part)) == 130
    assert state_of(part)["schedule"]["count"] == step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    gg.random.seed(99)
    assert train("--resume", str(part / CHECKPOINT)) == 0
    assert_same(state_of(folder), state_of(part))
    assert rows(folder) == rows(part)


def test_interrupt_at_the_end_of_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def terminate(display: Display, row: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Display, "epoch", terminate)
    assert train(*options_of(SMALL["mlp"]), "--out", str(tmp_path)) == 128 + signal.SIGTERM
    assert len(state_of(tmp_path)["history"]) == 1


def test_resume_into_another_folder_and_when_complete(whole: Any, tmp_path: Path) -> None:
    _, folder = whole
    before = state_of(folder)
    assert train("--resume", str(folder), "--out", str(tmp_path / "copy")) == 0
    assert (tmp_path / "copy" / MODEL).exists()
    assert_same(state_of(folder), before)


def test_what_cannot_be_resumed(whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, folder = whole
    stamp = (folder / CHECKPOINT).stat().st_mtime_ns
    cases = [
        (["--resume", str(tmp_path / "none")], "no checkpoint at"),
        (["--resume", str(folder), "--epochs", "77"], f"not with --epochs 77 (begun with {settings.epochs})"),
        (["--resume", str(folder / MODEL)], "is not a checkpoint of `gpugrad train`"),
        (["--out", str(folder)], "holds a run already"),
        (["--resume", str(folder), "--out", str(folder)], "holds a run already"),
    ]
    half = tmp_path / "half"
    half.write_bytes((folder / CHECKPOINT).read_bytes()[:-100])
    cases.append((["--resume", str(half)], "is cut short"))
    for options, message in cases:
        assert train(*options) == 2
        shown = capsys.readouterr()
        assert message in shown.err and shown.err.count("\n") == 1 and "Traceback" not in shown.err
    assert (folder / CHECKPOINT).stat().st_mtime_ns == stamp


def test_state_of_a_run_that_is_incomplete(tmp_path: Path) -> None:
    run = Run(SMALL["mlp"], "cpu")
    save_checkpoint(tmp_path, run)
    state = state_of(tmp_path)
    for name in state:
        io.save({k: v for k, v in state.items() if k != name}, tmp_path / CHECKPOINT)
        with pytest.raises(errors.FormatError, match="not "):
            load_checkpoint(tmp_path / CHECKPOINT, "cpu")


def test_new_folders_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len({new_folder(None) for _ in range(3)}) == 3
    assert all(p.parent.name == "runs" for p in (tmp_path / "runs").iterdir())


def test_any_batch_size_trains() -> None:
    run = Run(Settings("mlp", 1, 1e-3, 314, 0), "cpu")  # four batches, and one example left over
    with one_thread():
        for x, y in run.loader:
            run.step(x, y)
    assert run.sums.seen == 1256
    assert not run.midway and run.end_epoch().epoch == 1


# ---- what is not finite -------------------------------------------------------------------------------------------------------


def begun() -> tuple[Run, Any, Any]:
    run = Run(SMALL["mlp"], "cpu")
    x, y = next(iter(run.loader))
    return run, x, y


def expect_stop(run: Run, x: Any, y: Any, message: str) -> None:
    before = run.model.state_dict()
    optimizer = run.optimizer.state_dict()
    with pytest.raises(errors.TrainingError, match=message):
        run.step(x, y)
    after = run.model.state_dict()
    for name in before:
        assert np.array_equal(before[name], after[name], equal_nan=True)
    assert_same(optimizer, run.optimizer.state_dict())


class Bad(nn.Module):
    """A layer that makes numbers that are not finite, forward or in its gradient."""

    def forward(self, x: Any) -> Any:
        return x / (x - x)


@pytest.mark.filterwarnings("ignore:.*encountered")
def test_what_is_not_finite_is_named() -> None:
    run, x, y = begun()
    expect_stop(
        run,
        gg.where(gg.arange(8) == 3, np.float32(np.nan), x),
        y,
        r"step 1 \(epoch 1, batch 1\): the loss is nan. It began with NaN in the input of shape \(128, 8, 8\)",
    )
    run.model[3].weight.copy_(run.model[3].weight * np.float32(np.inf))
    expect_stop(run, x, y, r"began with .* in 3\.weight of shape \(256,\), before the step")
    run, x, y = begun()
    run.model[4] = nn.Sequential(nn.ReLU(), Bad())
    expect_stop(run, x, y, r"began with NaN in the output of 4\.1 \(Bad\), of shape \(128, 256\)")
    run, x, y = begun()
    run.model[6].weight.register_hook(lambda g: g * np.float32(np.nan))
    expect_stop(
        run, x, y, r"a gradient is not finite. It began with NaN in the gradient of 6\.weight, of shape \(128, 256\)"
    )


def test_origin_changes_nothing_and_may_find_nothing() -> None:
    run, x, y = begun()
    before = run.model.state_dict()
    assert origin(run.model, gg.cross_entropy, x, y).startswith("nothing that is not finite")
    assert_same(before, run.model.state_dict())
    assert "in the loss itself" in origin(run.model, lambda logits, y: logits.sum() * np.float32(np.inf), x, y)


@pytest.mark.filterwarnings("ignore:.*encountered")
def test_a_run_that_diverges_keeps_its_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("--epochs", "2", "--lr", "1e12", "--out", str(tmp_path / "one")) == 2
    shown = capsys.readouterr().err
    assert "It began with" in shown and "There is no checkpoint yet" in shown and shown.count("\n") == 1
    step = Run.step

    def poisoned(self: Run, x: Any, y: Any) -> None:
        step(self, x * np.float32(np.nan) if self.epoch == 1 else x, y)

    monkeypatch.setattr(Run, "step", poisoned)
    assert train("--epochs", "2", "--out", str(tmp_path / "two")) == 2
    assert f"The checkpoint after epoch 1 is kept: {tmp_path / 'two' / CHECKPOINT}" in capsys.readouterr().err
    assert len(state_of(tmp_path / "two")["history"]) == 1


# ---- devices and dtypes --------------------------------------------------------------------------------------------------------

BRIEF = Settings("mlp", 1, 5e-3, 628, 1, compiled=False)  # two steps
compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")


@pytest.fixture(scope="module")
def brief() -> Run:
    """What two steps come to on the CPU, in float32."""
    run = Run(BRIEF, "cpu")
    for x, y in run.loader:
        run.step(x, y)
    run.end_epoch()
    return run


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda_on_host", marks=compiler)])
def test_any_device_and_dtype(
    brief: Run, device: str, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*options_of(BRIEF), *(["--no-compile"] if device == "cpu" else []), "--dtype", dtype]
    assert train(*options, "--device", device, "--out", str(tmp_path)) == 0
    place = "cpu" if device == "cpu" else "cuda:0 (cuda_on_host)"
    assert f"on {place}, in {dtype}" in capsys.readouterr().out
    assert "cuda_on_host" not in {b.name for b in select.in_use().values()}  # no longer than the run
    (row,) = rows(tmp_path)
    apart = abs(float(row["train_loss"]) / brief.history[0].train_loss - 1.0)
    assert apart < 1e-5 if dtype == "float32" else 1e-6 < apart < 2e-3  # near, and not float32 in disguise
    state = state_of(tmp_path)
    assert ("scaler" in state) == (dtype == "float16")
    for name, p in brief.model.state_dict().items():
        assert state["model"][name].dtype == p.dtype  # float32, whatever products are computed in
    _, test = gg.data.digits()
    assert np.isfinite(predict(load(tmp_path), test.tensors[0].numpy())).all()


def test_half_precision_resumes_bit_for_bit(tmp_path: Path) -> None:
    s = Settings("mlp", 2, 5e-3, 314, 1)
    options = [*options_of(s), "--no-compile", "--dtype", "float16"]
    assert train(*options, "--out", str(tmp_path / "whole")) == 0
    assert train(*options, "--out", str(tmp_path / "part"), "--stop-after", "1") == 0
    assert train("--resume", str(tmp_path / "part"), "--dtype", "float16") == 0
    assert_same(state_of(tmp_path / "whole"), state_of(tmp_path / "part"))
    assert train("--resume", str(tmp_path / "part"), "--dtype", "bfloat16") == 2


def test_a_gpu_is_taken_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with chosen("auto") as place:
        assert place == "cpu" and "no GPU that can be used" in told("auto", place)
    assert told("cpu", "cpu") == "cpu" and told("cuda", "cuda:0") == "cuda:0"
    if COMPILER is None:
        return
    with gg.use_backend("cuda_on_host"), chosen("auto") as place:
        assert place == "cuda:0" and told("auto", place) == "cuda:0 (--device auto found a GPU)"


def test_a_device_or_a_dtype_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for device in ("tpu", "cuda:7", "cpu:1"):
        assert train("--device", device, "--out", str(tmp_path)) == 2
        shown = capsys.readouterr().err
        assert f"--device {device}: " in shown and "Here are the devices cpu" in shown and "the backends" in shown
        assert shown.count("\n") == 1 and not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        train("--dtype", "int8")
    assert "choose from" in capsys.readouterr().err


def test_gradients_that_overflow_in_float16_skip_the_step() -> None:
    run = Run(replace(BRIEF, dtype="float16"), "cpu")
    x, y = next(iter(run.loader))
    scaler = run.steps.scaler
    scaler.load_state_dict({"scale": 2.0**60, "good": 0})
    before = {n: p.detach().numpy().copy() for n, p in run.model.named_parameters()}
    state = run.optimizer.state_dict()["state"]
    with np.errstate(all="ignore"):
        run.step(x, y)
    assert scaler.get_scale() == 2.0**59
    assert all(np.array_equal(before[n], p.detach().numpy()) for n, p in run.model.named_parameters())
    assert_same(run.optimizer.state_dict()["state"], state)
    scaler.load_state_dict({"scale": 1.0, "good": 0})  # now it cannot be the scale
    run.model[6].weight.register_hook(lambda g: g * np.float32(np.nan))
    with pytest.raises(errors.TrainingError, match="a gradient is not finite"):
        run.step(x, y)


# ---- images -----------------------------------------------------------------------------------------------------------------


def test_images_of_the_data_come_back_as_they_are() -> None:
    _, test = gg.data.digits()
    for x in test.tensors[0].numpy()[:50]:
        wanted = x / x.max()
        for picture in (x, np.kron(x, np.ones((5, 5))), 255 - (np.kron(x, np.ones((16, 16))) * 255).round()):
            out = images.prepared(picture, "x")
            assert out.shape == (8, 8) and out.dtype == np.float32
            np.testing.assert_allclose(out, wanted, atol=5e-3)


def test_a_small_digit_on_a_page_is_cut_out() -> None:
    digit = np.zeros((8, 8))
    digit[:, 3:5] = 1.0
    page = np.full((200, 160), 240.0)
    page[30:62, 100:108] = 10.0
    np.testing.assert_allclose(images.prepared(page, "x"), digit, atol=1e-6)


def test_any_size_is_averaged() -> None:
    picture = np.zeros((11, 13))
    picture[:, 5:8] = 1.0
    out = images.prepared(picture, "x")
    assert abs(out.mean() - picture.mean()) < 1e-6


def test_files_of_images(tmp_path: Path) -> None:
    from PIL import Image

    grey = np.zeros((16, 16))
    grey[:, 6:10] = 200.0
    grey[:, 10:12] = 100.0
    wanted = images.prepared(grey, "x")
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "colour.npy", np.stack([grey] * 3, axis=-1).astype(np.uint8))
    np.save(tmp_path / "one.npy", grey[..., None])
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray((255 - grey).astype(np.uint8)).save(tmp_path / "dark.png")
    Image.fromarray((grey * 200).astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.stack([np.zeros((16, 16))] * 3 + [grey], axis=-1).astype(np.uint8)).save(tmp_path / "clear.png")
    Image.fromarray(grey.astype(np.uint8)).convert("P").save(tmp_path / "palette.png")
    for path in tmp_path.iterdir():
        np.testing.assert_allclose(images.read(path), wanted, atol=1e-6, err_msg=path.name)
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "lossy.jpg", quality=95)
    np.testing.assert_allclose(images.read(tmp_path / "lossy.jpg"), wanted, atol=0.05)


def test_files_that_are_not_images(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.random.randint(0, 256, (64, 64)).astype(np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:1000])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "text.npy").write_text("not an array")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "many.npy", np.zeros((2, 3, 8, 8)))
    np.save(tmp_path / "blank.npy", np.ones((8, 8)))
    np.save(tmp_path / "nan.npy", np.full((8, 8), np.nan))
    np.save(tmp_path / "complex.npy", np.ones((8, 8), complex))
    for name, message in {
        "none.png": "no such file",
        "half.png": "damaged",
        "text.png": "not an image",
        "text.npy": "not a NumPy file",
        "objects.npy": "not a NumPy file",
        "many.npy": r"shape \(2, 3, 8, 8\)",
        "blank.npy": "blank",
        "nan.npy": "NaN or infinite",
        "complex.npy": "expected real numbers",
    }.items():
        with pytest.raises(errors.FormatError, match=message):
            images.read(tmp_path / name)
