// Rows in which teams add up what is too long for registers. A thread comes to the same elements whenever its team goes
// over a row, so what it adds up there is its own, and no barrier is needed.
#pragma once
#include "packs.cuh"

template <int N, class T, class Index> __device__ __forceinline__ void clear_row(T* row, Index n)
{
    Pack<T, N> zeros;
    #pragma unroll
    for (int k = 0; k < N; ++k) zeros[k] = T(0);
    for (Index i = threadIdx.x * N; i < n; i += blockDim.x * N) store(row + i, zeros);
}
