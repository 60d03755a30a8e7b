// Windows that slide over the last three axes: pooling, and convolution's unfold and fold. An array is [lead, size…], what
// there is of each window [lead, windows…]. Each result is computed by one thread, so nothing is added by two.
#pragma once
#include "scalars.cuh"
#include "threads.cuh"

struct Window { int size[3], windows[3], kernel[3], stride[3], low[3], dilation[3]; };

__device__ __forceinline__ int volume(const int* n) { return n[0] * n[1] * n[2]; }

// The places of a number in a box of three axes.
struct Places {
    int at[3];
    __device__ __forceinline__ Places(int e, const int* n)
    {
        at[2] = e % n[2];
        at[1] = e / n[2] % n[1];
        at[0] = e / n[2] / n[1];
    }
};

// Loops over taps are not unrolled: a window has few, of a number that is not known, and each is a lot of code.

// For each tap of a window what it sees: the tap's number and the element's, -1 for padding.
template <class F> __device__ __forceinline__ void for_taps(const Window& w, int window, F f)
{
    const Places p(window, w.windows);
    int tap = 0, i[3];
    #pragma unroll 1
    for (int a = 0; a < w.kernel[0]; ++a) {
        i[0] = p.at[0] * w.stride[0] - w.low[0] + a * w.dilation[0];
        #pragma unroll 1
        for (int b = 0; b < w.kernel[1]; ++b) {
            i[1] = p.at[1] * w.stride[1] - w.low[1] + b * w.dilation[1];
            #pragma unroll 1
            for (int c = 0; c < w.kernel[2]; ++c, ++tap) {
                i[2] = p.at[2] * w.stride[2] - w.low[2] + c * w.dilation[2];
                bool inside = true;
                for (int d = 0; d < 3; ++d) inside = inside && 0 <= i[d] && i[d] < w.size[d];
                f(tap, inside ? (i[0] * w.size[1] + i[1]) * w.size[2] + i[2] : -1);
            }
        }
    }
}

// The window along an axis that sees an element by a tap; -1 if there is none.
__device__ __forceinline__ int window_at(const Window& w, int d, int element, int tap)
{
    const int from = element + w.low[d] - tap * w.dilation[d], window = from / w.stride[d];
    return from >= 0 && window * w.stride[d] == from && window < w.windows[d] ? window : -1;
}

// For each window that sees an element: the tap's number and the window's.
template <class F> __device__ __forceinline__ void for_windows(const Window& w, int element, F f)
{
    const Places p(element, w.size);
    int tap = 0;
    #pragma unroll 1
    for (int a = 0; a < w.kernel[0]; ++a) {
        const int i = window_at(w, 0, p.at[0], a);
        #pragma unroll 1
        for (int b = 0; b < w.kernel[1]; ++b) {
            const int j = window_at(w, 1, p.at[1], b);
            #pragma unroll 1
            for (int c = 0; c < w.kernel[2]; ++c, ++tap) {
                const int k = window_at(w, 2, p.at[2], c);
                if (i >= 0 && j >= 0 && k >= 0) f(tap, (i * w.windows[1] + j) * w.windows[2] + k);
            }
        }
    }
}

template <class T, class Stored, class Index> __device__ void max_pool(const Stored* __restrict__ x, Stored* __restrict__ out, Index lead, Window w)
{
    const int size = volume(w.size), windows = volume(w.windows);
    for (Index e = first_of_thread<Index>(); e < lead * windows; e += stride_of_grid<Index>()) {
        const Index l = e / windows;
        T top = lowest<T>();
        for_taps(w, int(e - l * windows), [&](int, int i) { if (i >= 0) top = maximum(top, T(x[l * size + i])); });
        out[e] = Stored(top);
    }
}

// How many elements of a window are its maximum; 1 where that is NaN, which equals none.
template <class T, class Stored> __device__ __forceinline__ int ties(const Stored* x, T top, const Window& w, int window)
{
    int n = 0;
    for_taps(w, window, [&](int, int i) { n += (i >= 0 ? T(x[i]) : lowest<T>()) == top; });
    return n ? n : 1;
}

// The mean of `t` where the window of x has its maximum.
template <class T, class Stored, class Index>
__device__ void max_picked(const Stored* __restrict__ t, const Stored* __restrict__ x, const Stored* __restrict__ top, Stored* __restrict__ out, Index lead, Window w)
{
    const int size = volume(w.size), windows = volume(w.windows);
    for (Index e = first_of_thread<Index>(); e < lead * windows; e += stride_of_grid<Index>()) {
        const Index l = e / windows;
        const int window = int(e - l * windows);
        const T most = T(top[e]);
        T sum = T(0);
        for_taps(w, window, [&](int, int i) { if (i >= 0 && T(x[l * size + i]) == most) sum += T(t[l * size + i]); });
        out[e] = Stored(sum / T(ties(x + l * size, most, w, window)));
    }
}

// What g has for each window, given to the elements that are its maximum.
template <class T, class Stored, class Index>
__device__ void max_spread(const Stored* __restrict__ g, const Stored* __restrict__ x, const Stored* __restrict__ top, Stored* __restrict__ out, Index lead, Window w)
{
    const int size = volume(w.size), windows = volume(w.windows);
    for (Index e = first_of_thread<Index>(); e < lead * size; e += stride_of_grid<Index>()) {
        const Index l = e / size;
        const T here = T(x[e]);
        T sum = T(0);
        for_windows(w, int(e - l * size), [&](int, int window) {
            const Index at = l * windows + window;
            const T most = T(top[at]);
            if (here == most) sum += T(g[at]) / T(ties(x + l * size, most, w, window));
        });
        out[e] = Stored(sum);
    }
}

// How many elements a window averages: all of its taps, or those that are no padding.
__device__ __forceinline__ int averaged(const Window& w, int window, bool whole)
{
    int n = 0;
    for_taps(w, window, [&](int, int i) { n += whole || i >= 0; });
    return n;
}

template <class T, class Stored, class Index> __device__ void avg_pool(const Stored* __restrict__ x, Stored* __restrict__ out, Index lead, Window w, bool whole)
{
    const int size = volume(w.size), windows = volume(w.windows);
    for (Index e = first_of_thread<Index>(); e < lead * windows; e += stride_of_grid<Index>()) {
        const Index l = e / windows;
        const int window = int(e - l * windows);
        T sum = T(0);
        for_taps(w, window, [&](int, int i) { if (i >= 0) sum += T(x[l * size + i]); });
        out[e] = Stored(sum / T(averaged(w, window, whole)));
    }
}

template <class T, class Stored, class Index> __device__ void avg_unpool(const Stored* __restrict__ g, Stored* __restrict__ out, Index lead, Window w, bool whole)
{
    const int size = volume(w.size), windows = volume(w.windows);
    for (Index e = first_of_thread<Index>(); e < lead * size; e += stride_of_grid<Index>()) {
        const Index l = e / size;
        T sum = T(0);
        for_windows(w, int(e - l * size), [&](int, int window) { sum += T(g[l * windows + window]) / T(averaged(w, window, whole)); });
        out[e] = Stored(sum);
    }
}

// out[lead, tap, window] = what the tap sees.
template <class T, class Index> __device__ void unfold(const T* __restrict__ x, T* __restrict__ out, Index lead, Window w)
{
    const int size = volume(w.size), windows = volume(w.windows), taps = volume(w.kernel);
    for (Index e = first_of_thread<Index>(); e < lead * taps * windows; e += stride_of_grid<Index>()) {
        const Index row = e / windows, l = row / taps;
        const Places window(int(e - row * windows), w.windows), tap(int(row - l * taps), w.kernel);
        int from = 0;
        bool inside = true;
        for (int d = 0; d < 3; ++d) {
            const int i = window.at[d] * w.stride[d] - w.low[d] + tap.at[d] * w.dilation[d];
            inside = inside && 0 <= i && i < w.size[d];
            from = from * w.size[d] + i;
        }
        out[e] = inside ? x[l * size + from] : T{};
    }
}

// Windows added up where they came from.
template <class T, class Stored, class Index> __device__ void fold(const Stored* __restrict__ x, Stored* __restrict__ out, Index lead, Window w)
{
    const int size = volume(w.size), windows = volume(w.windows), taps = volume(w.kernel);
    for (Index e = first_of_thread<Index>(); e < lead * size; e += stride_of_grid<Index>()) {
        const Index l = e / size;
        T sum = T(0);
        for_windows(w, int(e - l * size), [&](int tap, int window) { sum += T(x[(l * taps + tap) * windows + window]); });
        out[e] = Stored(sum);
    }
}
