// A row in shared memory, read from global memory once. A thread reads there what it has brought itself, and nothing else,
// so that no barrier is needed; and all of it is under way at once, since none waits in registers.
#pragma once
#include "packs.cuh"

template <int N, class T> __device__ __forceinline__ void bring(T* place, const T* from)
{
    aligned<Pack<T, N>>(place);
#if __CUDA_ARCH__ >= 800
    constexpr int size = int(sizeof(Pack<T, N>)), once = size < 16 ? size : 16;
    if constexpr (once >= 4) {
        #pragma unroll
        for (int k = 0; k < size; k += once) {
            const unsigned to = unsigned(__cvta_generic_to_shared(reinterpret_cast<char*>(place) + k));
            const char* const at = reinterpret_cast<const char*>(from) + k;
            if constexpr (once == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(at) : "memory");
            else asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(at), "n"(once) : "memory");
        }
        return;
    }
#endif
    *reinterpret_cast<Pack<T, N>*>(place) = load<N>(from);
}

// What begins at a multiple of N, and ends at one.
template <int N, class T> __device__ __forceinline__ void bring_row(T* row, const T* from, int n)
{
    #pragma unroll 4
    for (int i = threadIdx.x * N; i < n; i += blockDim.x * N) bring<N>(row + i, from + i);
}

// What begins anywhere, `first` elements before a multiple of N: those at both ends, fewer than 2 N, come first in the row.
template <int N, class T> __device__ __forceinline__ void bring_row(T* row, const T* from, int n, int first)
{
    const int whole = (n - first) / N * N;
    for (int k = threadIdx.x; k < n - whole; k += blockDim.x) row[k] = from[k < first ? k : whole + k];
    bring_row<N>(row + 2 * N, from + first, whole);
}

// Waits for what this thread has begun to bring.
__device__ __forceinline__ void brought()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}
