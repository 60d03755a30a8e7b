// Half precision is how numbers are stored; they are computed with as float.
#pragma once
#ifndef GPUGRAD_HOST
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

// The nearest number of half precision.
__device__ __forceinline__ float round_float16(float x) { return __half2float(__float2half_rn(x)); }
__device__ __forceinline__ float round_bfloat16(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }

// Two neighbours of a pack are a word, of which the upper half is a float but for bits that are zero: one instruction makes a
// float of either.
template <class T, int N> struct Pack;
template <int N> __device__ __forceinline__ float element(const Pack<__nv_bfloat16, N>& pack, int k)
{
    if constexpr (N % 2) return pack.at[k];
    const unsigned word = reinterpret_cast<const unsigned*>(pack.at)[k / 2];
    return __int_as_float(k % 2 ? word & 0xffff0000u : word << 16);
}
