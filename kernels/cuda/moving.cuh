// Elements moved as they are.
#pragma once
#include "packs.cuh"
#include "threads.cuh"

// Rows of `length` elements, `width` apart in `out`.
template <class T, class Index>
__device__ void copy_rows(const T* __restrict__ x, T* __restrict__ out, Index rows, Index length, Index width)
{
    for (Index e = first_of_thread<Index>(); e < rows * length; e += stride_of_grid<Index>()) {
        const Index row = e / length;
        out[row * width + e - row * length] = x[e];
    }
}

// A regular part of an array: along each axis `count` of `size` places, from `start` on, `step` apart.
constexpr int AXES = 8;
struct Part { int axes, size[AXES], start[AXES], step[AXES], count[AXES]; };

// The array with the part replaced by `v`: the rest is what `x` has, or zeros without it.
template <class T, class Index>
__device__ void replace_part(const T* __restrict__ x, const T* __restrict__ v, T* __restrict__ out, Index n, Part part)
{
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) {
        Index rest = e, from = 0, stride = 1;
        bool inside = true;
        #pragma unroll
        for (int a = AXES - 1; a >= 0; --a) {  // known indices, so that parameters stay where they are
            if (a >= part.axes) continue;
            const Index outer = rest / part.size[a];
            const int i = int(rest - outer * part.size[a]) - part.start[a], k = i / part.step[a];
            inside = inside && k * part.step[a] == i && 0 <= k && k < part.count[a];
            from += k * stride;
            stride *= part.count[a];
            rest = outer;
        }
        out[e] = inside ? v[from] : x ? x[e] : T{};
    }
}

// Where an array of three axes lies in a larger one.
struct Box { int begin[3], size[3]; };

__device__ __forceinline__ bool in_box(const Box& box, int i, int j, int k)
{
    const int p = i - box.begin[0], q = j - box.begin[1], r = k - box.begin[2];
    return 0 <= p && p < box.size[0] && 0 <= q && q < box.size[1] && 0 <= r && r < box.size[2];
}

// Where an array has the element at a place of the larger one that is in its box.
__device__ __forceinline__ long long place_in(const Box& box, int i, int j, int k)
{
    return ((long long)(i - box.begin[0]) * box.size[1] + j - box.begin[1]) * box.size[2] + k - box.begin[2];
}

// How an array lies: the size and the stride of each axis, in elements; those in front that it does not have are of size 1.
struct Layout { int size[AXES]; long long stride[AXES]; };

template <class Index> __device__ __forceinline__ long long place_in(const Layout& layout, Index e)
{
    long long place = 0;
    #pragma unroll
    for (int a = AXES - 1; a >= 0; --a) {
        const Index outer = e / layout.size[a];
        place += (e - outer * layout.size[a]) * layout.stride[a];
        e = outer;
    }
    return place;
}

// An array put in C's order.
template <class T, class Index> __device__ void copy_in_order(const T* __restrict__ x, T* __restrict__ out, Index n, Layout layout)
{
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) out[e] = x[place_in(layout, e)];
}

// The same where another axis than the last lies closest in memory: [outer, rows, middle, columns], with the rows' elements
// side by side in x. Tiles go through shared memory, so that both sides are read and written along what lies side by side.
constexpr int TILE = 32;
template <class T>
__device__ void copy_tiles(const T* __restrict__ x, T* __restrict__ out, int rows, int middle, int columns, long long stride, long long others, Layout layout)
{
    __shared__ T tile[TILE][TILE + 1];
    const int tiles = (columns + TILE - 1) / TILE, row = blockIdx.x / tiles * TILE, column = blockIdx.x % tiles * TILE;
    for (long long o = blockIdx.y; o < others; o += gridDim.y) {
        const T* const from = x + place_in(layout, o);
        T* const to = out + (o / middle * rows * middle + o % middle) * columns;
        for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
            const int r = row + threadIdx.x, c = column + k;
            if (r < rows && c < columns) tile[k][threadIdx.x] = from[r + c * stride];
        }
        __syncthreads();
        for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
            const int r = row + k, c = column + threadIdx.x;
            if (r < rows && c < columns) to[(long long)(r) * middle * columns + c] = tile[threadIdx.x][k];
        }
        __syncthreads();  // before the next tile is written there
    }
}

// Matrices with zeros where column - row is more than `most`, or less than `least`.
template <class T, class Index>
__device__ void keep_band(const T* __restrict__ x, T* __restrict__ out, Index n, Index rows, Index columns, long long least, long long most)
{
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) {
        const Index row = e / columns;
        const long long d = (long long)(e - row * columns) - (long long)(row % rows);
        out[e] = least <= d && d <= most ? x[e] : T{};
    }
}
