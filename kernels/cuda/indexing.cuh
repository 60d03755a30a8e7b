// Reading and writing at positions along one axis: an array is [lead, size, rest], and the axis of `size` is indexed.
//
// What is written at a position does not depend on the order in which threads run: positions are sorted first (see
// sorting.cuh), and each element of the result is computed by one thread, or by a block in a fixed order.
#pragma once
#include "reductions.cuh"
#include "sorting.cuh"
#include "threads.cuh"

// What went wrong: who says so, and the index. The host reads it later, so nobody waits.
struct Report { long long who, index; };

// Positions from indices into an axis of `size`, where negative ones count from the end. One that is out of range is
// reported, and becomes a position that exists.
template <class T, class Index>
__device__ void positions(const T* __restrict__ index, long long* __restrict__ out, Index n, long long size, long long who, Report* report)
{
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) {
        const long long i = (long long)(index[e]), p = i < 0 && T(-1) < T(0) ? i + size : i;
        const bool there = 0 <= p && p < size;
        if (!there) { report->index = i; report->who = who; }
        out[e] = there ? p : 0;
    }
}

// The same for classes, which do not count from the end.
template <class T, class Index>
__device__ void classes(const T* __restrict__ index, long long* __restrict__ out, Index n, long long size, long long who, Report* report)
{
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) {
        const long long i = (long long)(index[e]);
        const bool there = 0 <= i && i < size;
        if (!there) { report->index = i; report->who = who; }
        out[e] = there ? i : 0;
    }
}

// out[l, k, r] = x[l, index[k], r]
template <class T, class Index>
__device__ void gather(const T* __restrict__ x, const long long* __restrict__ index, T* __restrict__ out,
                       Index lead, Index size, Index count, Index rest)
{
    for (Index e = first_of_thread<Index>(); e < lead * count * rest; e += stride_of_grid<Index>()) {
        const Index row = e / rest, r = e - row * rest, l = row / count, k = row - l * count;
        out[e] = x[(l * size + Index(index[k])) * rest + r];
    }
}

// How many of the sorted keys are below `bound`.
__device__ __forceinline__ int below(const int* __restrict__ keys, int count, int bound)
{
    int low = 0, high = count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (keys[middle] < bound) low = middle + 1; else high = middle;
    }
    return low;
}

// out[l, p, r] = the sum of u[l, k, r] over the k at position p, in their order. A block has blockDim.x columns of `rest`
// and blockDim.y parts of the sum; T is what is added up: for signed integers the unsigned type, which wraps.
template <class T, class Stored, class Index>
__device__ void scatter(const Stored* __restrict__ u, const int* __restrict__ keys, const int* __restrict__ order,
                        Stored* __restrict__ out, Index lead, Index size, Index count, Index rest)
{
    const Index r = Index(blockIdx.x) * blockDim.x + threadIdx.x;
    for (Index row = blockIdx.y; row < lead * size; row += gridDim.y) {
        const Index l = row / size, p = row - l * size;
        const int end = below(keys, int(count), int(p) + 1);
        T sum = T(0);
        if (r < rest) {
            for (int k = below(keys, end, int(p)) + threadIdx.y; k < end; k += blockDim.y) {
                sum = T(sum + T(u[(l * count + order[k]) * rest + r]));
            }
        }
        if (blockDim.y > 1) sum = column_sum(sum);
        if (threadIdx.y == 0 && r < rest) out[row * rest + r] = Stored(sum);
    }
}

// out[l, p, r] = v[l, k, r] for the last k at position p, and x[l, p, r] where there is none.
template <class T, class Index>
__device__ void put(const T* __restrict__ x, const T* __restrict__ v, const int* __restrict__ keys, const int* __restrict__ order,
                    T* __restrict__ out, Index lead, Index size, Index count, Index rest)
{
    for (Index e = first_of_thread<Index>(); e < lead * size * rest; e += stride_of_grid<Index>()) {
        const Index row = e / rest, r = e - row * rest, l = row / size;
        const int p = int(row - l * size), end = below(keys, int(count), p + 1);
        out[e] = end > 0 && keys[end - 1] == p ? v[(l * count + order[end - 1]) * rest + r] : x[e];
    }
}

// Whether the position at each place does not come again later.
__device__ inline void lasting(const int* __restrict__ keys, const int* __restrict__ order, bool* __restrict__ out, int count)
{
    for (int k = first_of_thread<int>(); k < count; k += stride_of_grid<int>()) {
        out[order[k]] = k == count - 1 || keys[k + 1] != keys[k];
    }
}
