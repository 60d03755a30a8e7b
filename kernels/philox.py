"""Philox 4x32-10, the counter-based generator, written once for Python's integers and for arrays of any library.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC'11. A block of four
32-bit words is a function of a counter of four words and a key of two; there is no state, so any element can be
computed by any thread, in any order.

**Layout.** With a key (k0, k1), low word first, word ``w`` of a stream is lane ``w % 4`` of the block of counter

    (low 32 bits of w // 4,  high 32 bits of w // 4,  round,  domain)

- an array of 32-bit words: element ``e``, counted in C order, is word ``e``, in domain WORDS at round 0;
- an array of 64-bit words: element ``e`` is words ``2 e`` (low half) and ``2 e + 1`` (high half) of the same stream;
- bounded integers, which reject some words: element ``e`` takes its 64-bit word of round 0, 1, 2 … until one is kept;
- the ``i``-th key that a key is split into is the first two lanes of the block of counter (i, i >> 32, 0, SPLIT);
- the key with a number ``d`` folded in is the first two lanes of the block of counter (d, d >> 32, 0, FOLD).

Domains keep the counters apart, so that the words of a key, and the keys derived from it, never come from one block.
"""

from __future__ import annotations

from typing import Any

M0 = 0xD2511F53
M1 = 0xCD9E8D57
"""Multipliers."""
W0 = 0x9E3779B9
W1 = 0xBB67AE85
"""What is added to the key after each round: the golden ratio, and the square root of 3 less 1."""
MASK = 0xFFFFFFFF
ROUNDS = 10

WORDS, SPLIT, FOLD = 0, 1, 2
"""The domains of counters."""

Block = tuple[Any, Any, Any, Any]


def block(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Block:
    """The four words of a counter and a key: Python integers, or uint64 arrays that broadcast, all below 2**32."""
    for _ in range(ROUNDS):
        p0 = c0 * M0
        p1 = c2 * M1
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0 = (k0 + W0) & MASK
        k1 = (k1 + W1) & MASK
    return c0, c1, c2, c3


def derived(key: int, number: int, domain: int) -> int:
    """The 64-bit key derived from another, for Python's integers."""
    c0, c1, _, _ = block(number & MASK, number >> 32, 0, domain, key & MASK, key >> 32)
    return int(c0 | c1 << 32)


def _halves(xp: Any, key: Any) -> tuple[Any, Any]:
    """The two words of each key as uint64, with a last axis of one place."""
    wide = xp.astype(key, xp.uint64)
    return wide[..., 0:1], wide[..., 1:2]


def _numbers(xp: Any, count: int, like: Any) -> Any:
    return xp.arange(count, dtype=xp.uint64, device=like.device)


def random_bits(xp: Any, key: Any, *, shape: tuple[int, ...], width: int, round: int = 0) -> Any:
    """Words of ``width`` bits, 32 or 64, in the given shape, for each of the keys along the last axis of ``key``."""
    count = 1
    for n in shape:
        count *= n
    index = _numbers(xp, -(-count * width // 128), key)
    words = block(index & MASK, index >> 32, round, WORDS, *_halves(xp, key))
    lanes = words if width == 32 else (words[0] | words[1] << 32, words[2] | words[3] << 32)
    batch = tuple(key.shape[:-1])
    flat = xp.reshape(xp.stack(lanes, axis=-1), (*batch, index.shape[0] * len(lanes)))[..., :count]
    return xp.reshape(flat if width == 64 else xp.astype(flat, xp.uint32), (*batch, *shape))


def random_below(xp: Any, key: Any, *, shape: tuple[int, ...], span: int, draw: Any = random_bits) -> Any:
    """Integers 0 … span - 1, all equally likely, as uint64; ``span`` is at most 2**64. ``draw`` gives the words.

    The remainder of a 64-bit word, after rejecting the words at the top that would favour small remainders. A word is
    rejected with probability below span / 2**64, so that a second round is hardly ever needed.
    """
    words = draw(xp, key, shape=shape, width=64)
    top = 2**64 - 2**64 % span
    if span == 2**64:
        return words
    round = 0
    while top < 2**64:
        rejected = words >= top
        if not bool(xp.any(rejected)):
            break
        round += 1
        words = xp.where(rejected, draw(xp, key, shape=shape, width=64, round=round), words)
    return words % span


def split_key(xp: Any, key: Any, *, count: int) -> Any:
    """``count`` keys from each key: a new axis before the last."""
    index = _numbers(xp, count, key)
    words = block(index & MASK, index >> 32, 0, SPLIT, *_halves(xp, key))
    return xp.astype(xp.stack(words[:2], axis=-1), xp.uint32)


def fold_key(xp: Any, key: Any, number: Any) -> Any:
    """Each key with an integer folded in; leading axes of ``key`` (without its last) and ``number`` broadcast."""
    wide = xp.expand_dims(xp.astype(number, xp.uint64), axis=-1)
    words = block(wide & MASK, wide >> 32, 0, FOLD, *_halves(xp, key))
    return xp.astype(xp.concat(words[:2], axis=-1), xp.uint32)
