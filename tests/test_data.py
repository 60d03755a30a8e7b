"""Data sets, loaders, their state, and the thread that prefetches."""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

KEY = gg.random.key(77)


def batches(loader: Any) -> list[list[int]]:
    return [b.tolist() for b in loader]


def items(loader: Any) -> list[int]:
    return [i for batch in batches(loader) for i in batch]


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "gpugrad-prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert not workers()


# ---- data sets --------------------------------------------------------------------------------------------------------


def test_array_dataset() -> None:
    x, y = np.arange(12.0).reshape(4, 3), [0, 1, 0, 1]
    data = gg.data.ArrayDataset(x, gg.tensor(y))
    assert len(data) == 4
    a, b = data[-1]
    assert a.tolist() == [9.0, 10.0, 11.0] and b.item() == 1
    assert len(list(data)) == 4  # type: ignore[call-overload]
    a, b = data.batch(np.array([2, 0]))
    assert a.tolist() == [[6.0, 7.0, 8.0], [0.0, 1.0, 2.0]] and b.tolist() == [0, 0]
    with pytest.raises(IndexError, match="item 4 of a data set of 4"):
        data[4]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8", "bool", "complex64"])
def test_batches_keep_the_dtype(dtype: str) -> None:
    data = gg.data.ArrayDataset(gg.tensor([[0, 1], [1, 0]]).astype(dtype))
    (batch,) = data.batch([1, 1, 0])
    assert batch.dtype.name == dtype and batch.shape == (3, 2)
    if dtype.endswith(("16", "32")):
        assert (batch * 2.0).dtype.name == dtype
    stacked = gg.data.collate([data[0][0], data[1][0]])
    assert stacked.dtype.name == dtype and stacked.shape == (2, 2)


def test_batches_stay_on_the_device(other_backend: str) -> None:
    device = gg.backends.select.get(other_backend).devices()[0]
    data = gg.data.ArrayDataset(gg.asarray(np.arange(6.0), device=device))
    (batch,) = next(iter(gg.data.DataLoader(data, 4, shuffle=True, key=KEY)))
    assert batch.device == device and batch.shape == (4,)


def test_array_dataset_refuses() -> None:
    for arrays in ((), (np.zeros(3), np.zeros(4)), (np.zeros(()),)):
        with pytest.raises(errors.ShapeError, match="expected arrays whose first axes have one length"):
            gg.data.ArrayDataset(*arrays)


def test_no_gradient_comes_with_the_data() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    assert not gg.data.ArrayDataset(x).batch([0])[0].requires_grad


def test_subset() -> None:
    part = gg.data.Subset(range(10, 20), [3, 1, 1])
    assert [part[k] for k in range(3)] == [13, 11, 11] and part[-1] == 11 and len(part) == 3
    for bad in ([10], [-1]):
        with pytest.raises(errors.AxisError, match="expected 0 to 9"):
            gg.data.Subset(range(10), bad)
    with pytest.raises(IndexError):
        part[3]


def test_random_split() -> None:
    parts = gg.data.random_split(range(10), [5, 3, 2], key=KEY)
    assert [len(p) for p in parts] == [5, 3, 2]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    again = gg.data.random_split(range(10), [0.5, 0.3, 0.2], key=KEY)
    assert [p.indices.tolist() for p in again] == [p.indices.tolist() for p in parts]
    assert [len(p) for p in gg.data.random_split(range(10), [1 / 3, 1 / 3, 1 / 3])] == [4, 3, 3]
    for bad in ([5, 4], [0.5, 0.4], [11, -1], [1.5, -0.5]):
        with pytest.raises(errors.ShapeError, match="sum to"):
            gg.data.random_split(range(10), bad)


# ---- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_in_order(prefetch: int) -> None:
    loader = gg.data.DataLoader(range(5), 2, prefetch=prefetch)
    assert len(loader) == 3 and batches(loader) == [[0, 1], [2, 3], [4]]
    loader = gg.data.DataLoader(range(5), 2, drop_last=True, prefetch=prefetch)
    assert len(loader) == 2 and batches(loader) == [[0, 1], [2, 3]]
    assert batches(gg.data.DataLoader([], 2, prefetch=prefetch)) == []


@pytest.mark.parametrize("prefetch", [0, 2])
def test_shuffled(prefetch: int) -> None:
    loader = gg.data.DataLoader(range(10), 3, shuffle=True, key=KEY, prefetch=prefetch)
    epochs = [items(loader) for _ in range(3)]
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 3
    assert epochs == [gg.random.permutation(10, key=gg.random.fold_in(KEY, e)).tolist() for e in range(3)]
    again = gg.data.DataLoader(range(10), 3, shuffle=True, key=KEY)
    again.epoch = 1
    assert items(again) == epochs[1] and again.epoch == 2


def test_the_default_generator_decides_without_a_key() -> None:
    gg.random.seed(1)
    first = batches(gg.data.DataLoader(range(20), 20, shuffle=True))
    gg.random.seed(1)
    assert batches(gg.data.DataLoader(range(20), 20, shuffle=True)) == first
    before = gg.random.default_generator.state_dict()
    gg.data.DataLoader(range(20), 20)
    assert gg.random.default_generator.state_dict() == before


def test_a_subset_of_arrays_is_batched() -> None:
    data = gg.data.ArrayDataset(np.arange(10.0))
    part = gg.data.Subset(gg.data.Subset(data, range(5, 10)), [4, 0, 2])
    assert [b[0].tolist() for b in gg.data.DataLoader(part, 2)] == [[9.0, 5.0], [7.0]]
    assert batches(gg.data.DataLoader(gg.data.Subset(range(9), [8, 1]), 2)) == [[8, 1]]


def test_collate() -> None:
    items = [
        (1.0, np.zeros(2), {"a": np.float32(3), "b": "x"}, None),
        (2.0, np.ones(2), {"a": np.float32(4), "b": "y"}, None),
    ]
    number, array, named, nothing = gg.data.collate(items)
    assert number.tolist() == [1.0, 2.0] and array.shape == (2, 2) and nothing is None
    assert named["a"].dtype == np.float32 and named["b"] == ["x", "y"]
    with pytest.raises(errors.ShapeError, match=r"shapes \(2,\) and \(3,\) in one batch"):
        gg.data.collate([np.zeros(2), np.zeros(3)])
    assert list(gg.data.DataLoader("abc", 2, collate="".join)) == ["ab", "c"]


def test_bad_options() -> None:
    with pytest.raises(errors.ArgumentError, match="batch_size=0"):
        gg.data.DataLoader([1], 0)
    with pytest.raises(errors.ArgumentError, match="prefetch=-1"):
        gg.data.DataLoader([1], prefetch=-1)
    with pytest.raises(errors.DtypeError, match="expected a key"):
        gg.data.DataLoader([1], shuffle=True, key=3)


# ---- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("stop", range(13))
def test_resuming_is_exact(shuffle: bool, prefetch: int, stop: int) -> None:
    """Stopped after any batch of three epochs, a new loader goes on with the rest."""

    def loader(key: Any) -> Any:
        return gg.data.DataLoader(range(10), 3, shuffle=shuffle, key=key, prefetch=prefetch)

    whole = loader(KEY)
    wanted = [b for _ in range(3) for b in batches(whole)]
    first, seen = loader(KEY), []
    state = first.state_dict()
    while len(seen) < stop:
        for batch in first:
            seen.append(batch.tolist())
            state = first.state_dict()
            if len(seen) == stop:
                break
    second = loader(None)
    second.load_state_dict(state)
    assert second.state_dict() == state
    while len(seen) < 12:
        seen += batches(second)
    assert seen == wanted and second.epoch == 3


def test_after_a_break_a_new_epoch_begins() -> None:
    loader = gg.data.DataLoader(range(6), 2)
    for _ in loader:
        break
    assert loader.state_dict()["batch"] == 1 and loader.epoch == 0
    assert batches(loader) == [[0, 1], [2, 3], [4, 5]] and loader.epoch == 2


def test_states_that_do_not_fit() -> None:
    ordered, shuffled = gg.data.DataLoader(range(6), 2), gg.data.DataLoader(range(6), 2, shuffle=True, key=KEY)
    good = shuffled.state_dict()
    for bad in (
        {},
        {**good, "epoch": -1},
        {**good, "batch": 4},
        {**good, "batch": 1.0},
        {**good, "key": None},
        {**good, "key": [1]},
        {**good, "key": [1, 2**32]},
        {**good, "more": 1},
    ):
        with pytest.raises(errors.FormatError, match="expected an epoch"):
            shuffled.load_state_dict(bad)
    with pytest.raises(errors.FormatError, match="no key"):
        ordered.load_state_dict(good)
    assert shuffled.state_dict() == good


# ---- the thread -------------------------------------------------------------------------------------------------------


class Failing:
    """Raises at one item."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        if index == self.at:
            raise KeyError(f"no item {index}")
        return index


def test_an_exception_comes_in_its_place_with_its_traceback() -> None:
    loader = gg.data.DataLoader(Failing(5), 2, prefetch=4)
    seen = []
    with pytest.raises(KeyError, match="no item 5") as caught:
        for batch in loader:
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    assert "__getitem__" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert any("prefetches" in note for note in caught.value.__notes__)
    assert not workers()


def test_a_break_ends_the_thread() -> None:
    for batch in gg.data.DataLoader(range(1000), 1, prefetch=2):
        if batch.item() == 3:
            break
    del batch
    gc.collect()
    assert not workers()


def test_an_exception_in_the_loop_ends_the_thread() -> None:
    with pytest.raises(ZeroDivisionError):
        for batch in gg.data.DataLoader(range(1000), 1, prefetch=2):
            1 // batch.item()
    gc.collect()
    assert not workers()


def test_the_queue_is_bounded() -> None:
    made = []

    def items() -> Iterator[int]:
        for k in range(100):
            made.append(k)
            yield k

    with gg.data.Prefetch(items(), depth=3) as ahead:
        assert next(ahead) == 0
        deadline = time.monotonic() + 10.0
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(made) == 5  # one taken, three waiting, one in hand
    assert not workers()


def test_items_are_made_ahead_in_another_thread() -> None:
    names = []

    def items() -> Iterator[int]:
        names.append(threading.current_thread().name)
        yield 1

    assert list(gg.data.Prefetch(items())) == [1] and names == ["gpugrad-prefetch"]


def test_the_source_is_closed() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    ahead = gg.data.Prefetch(items(), depth=1)
    assert next(ahead) == 1
    ahead.close()
    assert closed == [True] and list(ahead) == []
    ahead.close()


def test_a_dropped_iterator_ends_its_thread() -> None:
    ahead = gg.data.Prefetch(iter(range(10**9)), depth=1)
    next(ahead)
    (thread,) = workers()
    gone = weakref.ref(ahead)
    del ahead
    gc.collect()
    thread.join(10.0)
    assert gone() is None and not thread.is_alive()


def test_errors_of_iter_and_of_the_depth() -> None:
    with pytest.raises(TypeError):
        next(gg.data.Prefetch(3))  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="depth=0"):
        gg.data.Prefetch([1], 0)


def test_an_exception_is_raised_once() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("broken")

    ahead = gg.data.Prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="broken"):
        next(ahead)
    assert list(ahead) == []


# ---- digits -----------------------------------------------------------------------------------------------------------


def test_digits() -> None:
    pytest.importorskip("sklearn")
    train, test = gg.data.digits()
    assert (len(train), len(test)) == (1437, 360)
    x, y = train.batch(np.arange(1437))
    assert x.shape == (1437, 8, 8) and x.dtype == np.float32 and y.dtype == np.int64
    assert float(x.numpy().min()) == 0.0 and float(x.numpy().max()) == 1.0
    assert set(y.tolist()) == set(range(10))
    assert min(np.bincount(test.batch(np.arange(360))[1].numpy())) > 20
    same = gg.data.digits()[1].batch(np.arange(360))[1]
    assert same.tolist() == test.batch(np.arange(360))[1].tolist()
    other = gg.data.digits(100, key=KEY)[1]
    assert len(other) == 100 and other.batch(np.arange(100))[1].tolist() != same.tolist()[:100]
    with pytest.raises(errors.ArgumentError, match="test=2000"):
        gg.data.digits(2000)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        errors.MissingExtraError,
        match=r'scikit-learn, which is not installed. Install it with: pip install "gpugrad\[train\]"',
    ):
        gg.data.digits()


# ---- shards ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_share_each_batch(ranks: int, drop_last: bool) -> None:
    """Together, batch by batch, what one loader gives: every item once, and as many steps everywhere."""
    options = {"shuffle": True, "key": KEY, "drop_last": drop_last}
    alone = gg.data.DataLoader(range(29), 4 * ranks, **options)  # type: ignore[arg-type]
    shards = [gg.data.DataLoader(range(29), 4, shard=(k, ranks), **options) for k in range(ranks)]  # type: ignore[arg-type]
    for _ in range(2):
        parts = [batches(loader) for loader in shards]
        assert {len(p) for p in parts} == {len(alone)} == {len(loader) for loader in shards}
        assert [[i for part in step for i in part] for step in zip(*parts, strict=True)] == batches(alone)
        assert all(0 <= len(step[0]) - len(step[-1]) <= 1 for step in zip(*parts, strict=True))


def test_a_shard_goes_on_where_it_was() -> None:
    def loader() -> Any:
        return gg.data.DataLoader(range(20), 3, shuffle=True, key=KEY, shard=(1, 2))

    whole, first, second = loader(), loader(), loader()
    begun = iter(first)
    given = [next(begun).tolist(), next(begun).tolist()]
    second.load_state_dict(first.state_dict())
    assert given + batches(second) == batches(whole)


def test_wrong_shards() -> None:
    with pytest.raises(errors.ArgumentError, match=r"shard=\(2, 2\); expected a rank"):
        gg.data.DataLoader(range(4), shard=(2, 2))
    with pytest.raises(errors.ArgumentError, match="expected key=, the same on every rank"):
        gg.data.DataLoader(range(4), shuffle=True, shard=(0, 2))
    with pytest.raises(errors.ArgumentError, match="of 7 items, batches of 2 on 3 ranks leave 1 for the last"):
        gg.data.DataLoader(range(7), 2, shard=(0, 3))
    assert len(gg.data.DataLoader(range(7), 2, shard=(0, 3), drop_last=True)) == 1
