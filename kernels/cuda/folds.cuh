// Reductions over any axes, for what no loop of a kernel takes: a team of lanes has an element of the result.
#pragma once
#include "reductions.cuh"
#include "scans.cuh"

constexpr int FOLDED = 8;
// Where what is reduced to one element lies: the axes that stay, then those that go, each by size and stride.
struct Folded { int stays, goes; int size[FOLDED]; long long stride[FOLDED]; };

__device__ __forceinline__ long long place_of(long long e, const Folded& f, int first, int last)
{
    long long place = 0;
    #pragma unroll
    for (int a = FOLDED - 1; a >= 0; --a) {  // known indices, so that parameters stay where they are
        if (a < first || a >= last) continue;
        place += e % f.size[a] * f.stride[a];
        e /= f.size[a];
    }
    return place;
}

template <class T> struct Any {
    typedef bool Value;
    static __device__ bool start() { return false; }
    static __device__ bool join(bool x, bool y) { return x || y; }
};
template <class T> struct All {
    typedef bool Value;
    static __device__ bool start() { return true; }
    static __device__ bool join(bool x, bool y) { return x && y; }
};

// Over the lanes of a team; each gets the result.
template <class Op> __device__ __forceinline__ typename Op::Value over_team_of(typename Op::Value x, int lanes)
{
    const int lane = (threadIdx.y * blockDim.x + threadIdx.x) & 31;
    const unsigned team = lanes == 32 ? 0xffffffffu : ((1u << lanes) - 1u) << (lane & ~(lanes - 1));
    for (int d = lanes / 2; d > 0; d /= 2) {
        const typename Op::Value other = exchanged(team, x, d, lanes);
        x = lane & d ? Op::join(other, x) : Op::join(x, other);
    }
    return x;
}

template <class Op, class Stored, class Result>
__device__ void fold_axes(const Stored* __restrict__ x, Result* __restrict__ out, long long n, long long count, Folded f)
{
    for (long long e = (long long)(blockIdx.x) * blockDim.y + threadIdx.y; e < n; e += (long long)(gridDim.x) * blockDim.y) {
        const long long begin = place_of(e, f, 0, f.stays);
        typename Op::Value sum = Op::start();
        for (long long k = threadIdx.x; k < count; k += blockDim.x) {
            sum = Op::join(sum, typename Op::Value(x[begin + place_of(k, f, f.stays, f.stays + f.goes)]));
        }
        sum = over_team_of<Op>(sum, blockDim.x);
        if (threadIdx.x == 0) out[e] = Result(sum);
    }
}

// log Σ eˣ: the largest is taken out of the sum, unless it is infinite.
template <class T, class Stored>
__device__ void fold_logsumexp(const Stored* __restrict__ x, Stored* __restrict__ out, long long n, long long count, Folded f)
{
    for (long long e = (long long)(blockIdx.x) * blockDim.y + threadIdx.y; e < n; e += (long long)(gridDim.x) * blockDim.y) {
        const long long begin = place_of(e, f, 0, f.stays);
        T top = lowest<T>(), sum = T(0);
        for (long long k = threadIdx.x; k < count; k += blockDim.x) {
            top = maximum(top, T(x[begin + place_of(k, f, f.stays, f.stays + f.goes)]));
        }
        top = over_team_of<Largest<T>>(top, blockDim.x);
        const T shift = fabs(top) < highest<T>() ? top : T(0);
        for (long long k = threadIdx.x; k < count; k += blockDim.x) {
            sum += exp(T(x[begin + place_of(k, f, f.stays, f.stays + f.goes)]) - shift);
        }
        sum = over_team_of<Sums<T>>(sum, blockDim.x);
        if (threadIdx.x == 0) out[e] = Stored(log(sum) + shift);
    }
}
