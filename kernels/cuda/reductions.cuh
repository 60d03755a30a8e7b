// Reductions over the threads that share a row, or a column, always in the same order.
//
// A block is blockDim.y teams of blockDim.x threads, and a team has a row. blockDim.x is a power of two, LANES where it is
// known; teams of more than a warp are alone in their block, so that all of its threads come to the barriers.
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

// Over the LANES neighbouring lanes of a warp that this one is among; each gets the result.
template <class Op, int LANES, class T> __device__ __forceinline__ T over_lanes(T x)
{
    const int lane = (threadIdx.y * blockDim.x + threadIdx.x) & 31;
    const unsigned team = LANES == 32 ? 0xffffffffu : ((1u << (LANES & 31)) - 1u) << (lane & ~(LANES - 1));
    #pragma unroll
    for (int d = LANES / 2; d > 0; d /= 2) x = Op::of(x, exchanged(team, x, d, LANES));
    return x;
}

// What each thread of a team has of a value, and where it gets the value.
template <class Op, class T> struct Reduced {
    T& x;
    static constexpr int in_shared(int warps) { return int((warps * sizeof(T) + 15) / 16 * 16); }
    template <int LANES> __device__ __forceinline__ void join() { x = over_lanes<Op, LANES>(x); }
    __device__ __forceinline__ void leave(unsigned char* shared) { reinterpret_cast<T*>(shared)[threadIdx.x / 32] = x; }
    template <int WARPS> __device__ __forceinline__ void take(const unsigned char* shared)
    {
        x = over_lanes<Op, WARPS>(reinterpret_cast<const T*>(shared)[threadIdx.x % WARPS]);
    }
};
template <class T> __device__ __forceinline__ Reduced<Sum, T> sum_of(T& x) { return {x}; }
template <class T> __device__ __forceinline__ Reduced<Max, T> max_of(T& x) { return {x}; }
template <class T> __device__ __forceinline__ Reduced<Min, T> min_of(T& x) { return {x}; }

template <int WARPS, class First, class... Rest>
__device__ __forceinline__ void leave_all(unsigned char* shared, First first, Rest... rest)
{
    first.leave(shared);
    if constexpr (sizeof...(Rest)) leave_all<WARPS>(shared + First::in_shared(WARPS), rest...);
}
template <int WARPS, class First, class... Rest>
__device__ __forceinline__ void take_all(const unsigned char* shared, First first, Rest... rest)
{
    first.template take<WARPS>(shared);
    if constexpr (sizeof...(Rest)) take_all<WARPS>(shared + First::in_shared(WARPS), rest...);
}

// Several values over a team of LANES threads at once; each thread gets the results. Where a TURN is given, no thread comes
// to the same turn again before all have come to another, whose barrier is enough for both.
template <int LANES, int TURN = -1, class... Values> __device__ __forceinline__ void over_team(Values... values)
{
    (values.template join<LANES < 32 ? LANES : 32>(), ...);
    if constexpr (LANES > 32) {
        constexpr int WARPS = LANES / 32;
        __shared__ __align__(16) unsigned char shared[(0 + ... + Values::in_shared(WARPS))];
        if (threadIdx.x % 32 == 0) leave_all<WARPS>(shared, values...);
        __syncthreads();
        take_all<WARPS>(shared, values...);
        if constexpr (TURN < 0) __syncthreads();
    }
}

// Over what the blocks of a row have left, by a block of one team; each thread gets the result.
template <class Op, int LANES, class T, class Index> __device__ T over_parts(const T* parts, Index n)
{
    T x = Op::template start<T>();
    for (Index k = threadIdx.x; k < n; k += LANES) x = Op::of(x, parts[k]);
    over_team<LANES>(Reduced<Op, T>{x});
    return x;
}

template <int LANES, class T, class Index> __device__ T parts_sum(const T* parts, Index n) { return over_parts<Sum, LANES>(parts, n); }
template <int LANES, class T, class Index> __device__ T parts_max(const T* parts, Index n) { return over_parts<Max, LANES>(parts, n); }
template <int LANES, class T, class Index> __device__ T parts_min(const T* parts, Index n) { return over_parts<Min, LANES>(parts, n); }

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
