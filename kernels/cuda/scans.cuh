// Along one axis, what comes of all elements so far: an array is [outer, n, inner].
//
// What is joined has a neutral element to start from, and may be joined in any groups, but not in another order.
#pragma once
#include "scalars.cuh"
#include "threads.cuh"

template <class T> struct Sums {
    typedef T Value;
    static __device__ Value start() { return T(0); }
    static __device__ Value join(Value early, Value late) { return T(early + late); }
    static __device__ T result(Value x) { return x; }
};
template <class T> struct Products {
    typedef T Value;
    static __device__ Value start() { return T(1); }
    static __device__ Value join(Value early, Value late) { return T(early * late); }
    static __device__ T result(Value x) { return x; }
};
template <class T> struct Largest {
    typedef T Value;
    static __device__ Value start() { return lowest<T>(); }
    static __device__ Value join(Value early, Value late) { return maximum(early, late); }
    static __device__ T result(Value x) { return x; }
};
template <class T> struct Smallest {
    typedef T Value;
    static __device__ Value start() { return highest<T>(); }
    static __device__ Value join(Value early, Value late) { return minimum(early, late); }
    static __device__ T result(Value x) { return x; }
};
// h ↦ factor h + term; a zero stays zero under a factor that has overflowed.
template <class T> struct Affine { T factor, term; };
template <class T> struct Recurrence {
    typedef Affine<T> Value;
    static __device__ Value start() { return {T(1), T(0)}; }
    static __device__ Value join(Value early, Value late)
    {
        const T carried = early.term == T(0) ? early.term : late.factor * early.term;
        return {late.factor * early.factor, late.term + carried};
    }
    static __device__ T result(Value x) { return x.term; }
};

// What an element is: of one array, of one shifted by one place, or of two.
template <class Op, class Stored> struct Elements {
    const Stored* x;
    __device__ typename Op::Value at(long long e, long long) const { return typename Op::Value(x[e]); }
};
template <class Op, class Stored> struct Shifted {
    const Stored* x;
    long long inner;
    __device__ typename Op::Value at(long long e, long long k) const { return k ? typename Op::Value(x[e - inner]) : Op::start(); }
};
template <class T, class Stored> struct Pairs {
    const Stored* x;
    const Stored* y;
    __device__ Affine<T> at(long long e, long long) const { return {T(x[e]), T(y[e])}; }
};

// A thread has a column.
template <class Op, class In, class Stored> __device__ void scan_columns(In in, Stored* __restrict__ out, long long outer, long long n, long long inner)
{
    for (long long c = first_of_thread<long long>(); c < outer * inner; c += stride_of_grid<long long>()) {
        const long long o = c / inner, begin = o * n * inner + c - o * inner;
        typename Op::Value sum = Op::start();
        for (long long k = 0; k < n; ++k) {
            sum = Op::join(sum, in.at(begin + k * inner, k));
            out[begin + k * inner] = Stored(Op::result(sum));
        }
    }
}

// A block has a row (inner = 1), of which each of its threads takes four elements at a time.
template <class Op, int THREADS, class In, class Stored> __device__ void scan_rows(In in, Stored* __restrict__ out, long long outer, long long n)
{
    typedef typename Op::Value Value;
    __shared__ Value before[THREADS];
    const int t = threadIdx.x;
    for (long long row = blockIdx.x; row < outer; row += gridDim.x) {
        Value carried = Op::start();
        for (long long first = 0; first < n; first += 4 * THREADS) {
            Value mine[4], sum = Op::start();
            for (int k = 0; k < 4; ++k) {
                const long long place = first + 4 * t + k;
                if (place < n) sum = Op::join(sum, in.at(row * n + place, place));
                mine[k] = sum;
            }
            before[t] = sum;
            __syncthreads();
            for (int d = 1; d < THREADS; d *= 2) {
                const Value early = t >= d ? before[t - d] : Op::start();
                __syncthreads();
                before[t] = Op::join(early, before[t]);
                __syncthreads();
            }
            const Value start = t ? Op::join(carried, before[t - 1]) : carried;
            for (int k = 0; k < 4; ++k) {
                const long long place = first + 4 * t + k;
                if (place < n) out[row * n + place] = Stored(Op::result(Op::join(start, mine[k])));
            }
            carried = Op::join(carried, before[THREADS - 1]);
            __syncthreads();  // before the next elements are written there
        }
    }
}
