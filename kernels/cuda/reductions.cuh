// Reductions over the threads that share a row, or a column, always in the same order.
//
// A block is blockDim.y teams of blockDim.x threads, and a team has a row. blockDim.x is a power of two; teams of more
// than a warp are alone in their block, so that all of its threads come to the barriers.
#pragma once
#include "scalars.cuh"

struct Sum {
    template <class T> static __device__ __forceinline__ T of(T x, T y) { return T(x + y); }
    template <class T> static __device__ __forceinline__ T start() { return T(0); }
};
struct Max {
    template <class T> static __device__ __forceinline__ T of(T x, T y) { return maximum(x, y); }
    template <class T> static __device__ __forceinline__ T start() { return lowest<T>(); }
};
struct Min {
    template <class T> static __device__ __forceinline__ T of(T x, T y) { return minimum(x, y); }
    template <class T> static __device__ __forceinline__ T start() { return highest<T>(); }
};

// What another lane of a warp has.
template <class T> __device__ __forceinline__ T exchanged(unsigned mask, T x, int d, int lanes)
{
    return T(__shfl_xor_sync(mask, x, d, lanes));
}

// Over the `lanes` neighbouring lanes of a warp that this one is among; each gets the result.
template <class Op, class T> __device__ __forceinline__ T over_lanes(T x, int lanes)
{
    const int lane = (threadIdx.y * blockDim.x + threadIdx.x) & 31;
    const unsigned team = lanes == 32 ? 0xffffffffu : ((1u << lanes) - 1u) << (lane & ~(lanes - 1));
    for (int d = lanes / 2; d > 0; d /= 2) x = Op::of(x, exchanged(team, x, d, lanes));
    return x;
}

// Over a team; each of its threads gets the result.
template <class Op, class T> __device__ T over_team(T x)
{
    if (blockDim.x < 32) return over_lanes<Op>(x, blockDim.x);
    if (blockDim.x == 32) return over_lanes<Op>(x, 32);  // known when it is compiled, and so without a loop
    __shared__ T of_warp[32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    x = over_lanes<Op>(x, 32);
    if (lane == 0) of_warp[warp] = x;
    __syncthreads();
    x = over_lanes<Op>(lane < warps ? of_warp[lane] : Op::template start<T>(), 32);
    __syncthreads();  // before the next reduction writes there
    return x;
}

template <class T> __device__ __forceinline__ T team_sum(T x) { return over_team<Sum>(x); }
template <class T> __device__ __forceinline__ T team_max(T x) { return over_team<Max>(x); }
template <class T> __device__ __forceinline__ T team_min(T x) { return over_team<Min>(x); }

// Over what the blocks of a row have left, by a block of one team; each thread gets the result.
template <class Op, class T, class Index> __device__ T over_parts(const T* parts, Index n)
{
    T x = Op::template start<T>();
    for (Index k = threadIdx.x; k < n; k += blockDim.x) x = Op::of(x, parts[k]);
    return over_team<Op>(x);
}

template <class T, class Index> __device__ __forceinline__ T parts_sum(const T* parts, Index n) { return over_parts<Sum>(parts, n); }
template <class T, class Index> __device__ __forceinline__ T parts_max(const T* parts, Index n) { return over_parts<Max>(parts, n); }
template <class T, class Index> __device__ __forceinline__ T parts_min(const T* parts, Index n) { return over_parts<Min>(parts, n); }

// The sum over the threads of a block that stand above one another; those of the first row (threadIdx.y = 0) get it.
template <class T> __device__ T column_sum(T x)
{
    if (blockDim.y == 1) return x;
    __shared__ T tile[1024];
    const int place = threadIdx.y * blockDim.x + threadIdx.x;
    tile[place] = x;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {  // blockDim.y is a power of two
        __syncthreads();
        if (threadIdx.y < half) tile[place] += tile[place + half * blockDim.x];
    }
    x = tile[place];
    __syncthreads();  // before the next sum writes there
    return x;
}

// out[c] = the sum over k of parts[k, c]: blockDim.x columns for each block.
template <class T, class Index> __device__ void sum_parts(const T* parts, Index n, Index columns, T* out)
{
    const Index c = Index(blockIdx.x) * blockDim.x + threadIdx.x;
    T sum = T(0);
    if (c < columns) {
        for (Index k = threadIdx.y; k < n; k += blockDim.y) sum += parts[k * columns + c];
    }
    sum = column_sum(sum);
    if (threadIdx.y == 0 && c < columns) out[c] = sum;
}
