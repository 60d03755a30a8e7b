// Philox 4x32-10; what the words of a counter are for is said in kernels/philox.py, and is the same here, bit for bit.
#pragma once
#include "packs.cuh"
#include "threads.cuh"

constexpr unsigned WORDS = 0, SPLIT = 1, FOLD = 2;

struct Philox { unsigned at[4]; };

__device__ __forceinline__ Philox philox(unsigned long long index, unsigned round, unsigned domain, unsigned k0, unsigned k1)
{
    unsigned c0 = unsigned(index), c1 = unsigned(index >> 32), c2 = round, c3 = domain;
    #pragma unroll
    for (int k = 0; k < 10; ++k) {
        const unsigned long long p0 = (unsigned long long)(c0) * 0xD2511F53u, p1 = (unsigned long long)(c2) * 0xCD9E8D57u;
        c0 = unsigned(p1 >> 32) ^ c1 ^ k0;
        c1 = unsigned(p1);
        c2 = unsigned(p0 >> 32) ^ c3 ^ k1;
        c3 = unsigned(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

__device__ __forceinline__ unsigned long long joined(unsigned low, unsigned high) { return low | (unsigned long long)(high) << 32; }

__device__ __forceinline__ void words_of(const Philox& block, unsigned* to) { for (int k = 0; k < 4; ++k) to[k] = block.at[k]; }
__device__ __forceinline__ void words_of(const Philox& block, unsigned long long* to)
{
    to[0] = joined(block.at[0], block.at[1]);
    to[1] = joined(block.at[2], block.at[3]);
}

__device__ __forceinline__ unsigned natural(int x) { return unsigned(x); }
__device__ __forceinline__ unsigned long long natural(long long x) { return (unsigned long long)(x); }

// In registers from the beginning of a kernel on: compilers move no read out of a condition.
struct Key { unsigned k0, k1; };
__device__ __forceinline__ Key key_at(const unsigned* __restrict__ key) { return {key[0], key[1]}; }

// N neighbouring words of those that `random_bits` writes for a key; `position` is a multiple of N, or of a block's words.
template <class Word, int N, class Index> __device__ __forceinline__ Pack<Word, N> words_at(Key key, Index position)
{
    constexpr int EACH = 16 / sizeof(Word);
    Pack<Word, N> out;
    #pragma unroll
    for (int first = 0; first < N; first += EACH) {
        Word words[EACH];
        words_of(philox(natural(position) / EACH + first / EACH, 0, WORDS, key.k0, key.k1), words);
        #pragma unroll
        for (int k = 0; k < EACH && first + k < N; ++k) {
            out[first + k] = words[k];
            #pragma unroll
            for (int skipped = N; skipped < EACH; skipped += N) {  // a part of a block; which part, registers cannot be asked
                if (natural(position) % EACH == skipped) out[k] = words[skipped + k];
            }
        }
    }
    return out;
}
template <class Word, class Index> __device__ __forceinline__ Word word_at(Key key, Index position)
{
    return words_at<Word, 1>(key, position)[0];
}

// `count` words for each key.
template <class Word, class Index>
__device__ void random_bits(const unsigned* __restrict__ key, Word* __restrict__ out, Index keys, Index count)
{
    constexpr int N = 16 / sizeof(Word);
    const Index blocks = (count + N - 1) / N;
    const bool whole = keys == 1 || count % N == 0;  // then each block lies at a multiple of its size
    for (Index e = first_of_thread<Index>(); e < keys * blocks; e += stride_of_grid<Index>()) {
        const Index row = e / blocks, b = e - row * blocks;
        Pack<Word, N> words;
        words_of(philox(b, 0, WORDS, key[2 * row], key[2 * row + 1]), words.at);
        Word* const to = out + row * count + b * N;
        if (whole && (b + 1) * N <= count) {
            store(to, words);
        } else {
            for (int k = 0; k < N && b * N + k < count; ++k) to[k] = words[k];
        }
    }
}

// Integers below `span`, all equally likely; a word above `last` is drawn again. A span of 0 stands for 2⁶⁴.
template <class Index>
__device__ void random_below(const unsigned* __restrict__ key, unsigned long long* __restrict__ out, Index keys, Index count,
                             unsigned long long span, unsigned long long last)
{
    for (Index e = first_of_thread<Index>(); e < keys * count; e += stride_of_grid<Index>()) {
        const Index row = e / count, k = e - row * count;
        unsigned long long word;
        unsigned round = 0;
        do {
            unsigned long long both[2];
            words_of(philox(k / 2, round++, WORDS, key[2 * row], key[2 * row + 1]), both);
            word = both[k % 2];
        } while (word > last);
        out[e] = span ? word % span : word;
    }
}

// `count` keys from each key.
template <class Index>
__device__ void split_key(const unsigned* __restrict__ key, unsigned* __restrict__ out, Index keys, Index count)
{
    for (Index e = first_of_thread<Index>(); e < keys * count; e += stride_of_grid<Index>()) {
        const Index row = e / count;
        const Philox block = philox(e - row * count, 0, SPLIT, key[2 * row], key[2 * row + 1]);
        out[2 * e] = block.at[0];
        out[2 * e + 1] = block.at[1];
    }
}

// The keys that integers lead to from keys: one of either for all, or as many of both.
template <class T, class Index>
__device__ void fold_key(const unsigned* __restrict__ key, const T* __restrict__ number, unsigned* __restrict__ out, Index n, Index keys, Index numbers)
{
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) {
        const Index k = keys == 1 ? 0 : e;
        const Philox block = philox((unsigned long long)(number[numbers == 1 ? 0 : e]), 0, FOLD, key[2 * k], key[2 * k + 1]);
        out[2 * e] = block.at[0];
        out[2 * e + 1] = block.at[1];
    }
}
