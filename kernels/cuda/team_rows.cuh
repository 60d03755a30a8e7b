// Rows of working memory, one for each team of a block. A thread comes to the same elements whenever its team goes over
// a row, so what it keeps there is its own, and no barrier is needed.
#pragma once
#include "packs.cuh"

#ifndef DYNAMIC_SHARED_MEMORY
#define DYNAMIC_SHARED_MEMORY(name) extern __shared__ __align__(16) unsigned char name[]
#endif

struct TeamRows {
    unsigned char* free;
    __device__ __forceinline__ explicit TeamRows(unsigned char* memory) : free(memory) {}

    // The row of n elements of this thread's team; every row begins at a multiple of 16 bytes.
    template <class T> __device__ __forceinline__ T* take(int n)
    {
        const int bytes = (n * int(sizeof(T)) + 15) / 16 * 16;
        unsigned char* const mine = free + threadIdx.y * bytes;
        free += blockDim.y * bytes;
        return reinterpret_cast<T*>(mine);
    }
};

template <int N, class T, class Index> __device__ __forceinline__ void clear_row(T* row, Index n)
{
    Pack<T, N> zeros;
    #pragma unroll
    for (int k = 0; k < N; ++k) zeros[k] = T(0);
    for (Index i = threadIdx.x * N; i < n; i += blockDim.x * N) store(row + i, zeros);
}

template <int N, class T, class Index> __device__ __forceinline__ void copy_row(const T* row, T* into, Index n)
{
    for (Index i = threadIdx.x * N; i < n; i += blockDim.x * N) store(into + i, load<N>(row + i));
}
