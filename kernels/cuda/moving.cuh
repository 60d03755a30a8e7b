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
