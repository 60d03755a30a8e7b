// Half precision is how numbers are stored; they are computed with as float.
#pragma once
#ifndef GPUGRAD_HOST
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

// The nearest number of half precision.
__device__ __forceinline__ float round_float16(float x) { return __half2float(__float2half_rn(x)); }
__device__ __forceinline__ float round_bfloat16(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }
