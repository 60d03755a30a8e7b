// How threads share out elements: in strides of the grid.
#pragma once

template <class Index> __device__ __forceinline__ Index first_of_thread() { return Index(blockIdx.x) * blockDim.x + threadIdx.x; }
template <class Index> __device__ __forceinline__ Index stride_of_grid() { return Index(gridDim.x) * blockDim.x; }
