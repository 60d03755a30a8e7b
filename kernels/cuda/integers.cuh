// Integers as NumPy has them: no division by zero, no shift too far, no conversion out of range is undefined.
#pragma once
#include "scalars.cuh"

template <class T> __device__ __forceinline__ bool negative(T x) { return x < T(0); }

// x / y towards zero; 0 for a division by zero, and the least number by -1 is itself, as if wrapped around.
template <class T> __device__ __forceinline__ T quotient(T x, T y)
{
    if (y == T(0)) return T(0);
    return negative(y) && y == T(-1) ? wrapped_subtract(T(0), x) : T(x / y);
}

// What that leaves; 0 for a division by zero.
template <class T> __device__ __forceinline__ T integer_fmod(T x, T y)
{
    return y == T(0) ? T(0) : wrapped_subtract(x, wrapped_multiply(quotient(x, y), y));
}

// x / y rounded down.
template <class T> __device__ __forceinline__ T integer_floor_divide(T x, T y)
{
    const T rest = integer_fmod(x, y);
    const T whole = quotient(x, y);
    return rest != T(0) && negative(rest) != negative(y) ? T(whole - T(1)) : whole;
}

// What that leaves, with the sign of y.
template <class T> __device__ __forceinline__ T integer_remainder(T x, T y)
{
    const T rest = integer_fmod(x, y);
    return rest != T(0) && negative(rest) != negative(y) ? T(rest + y) : rest;
}

// Bits moved up, and down with the sign kept; beyond the width, or by a negative number, what is left at last.
template <class T> __device__ __forceinline__ T left_shift(T x, T y)
{
    return negative(y) || y >= T(8 * sizeof(T)) ? T(0) : T(typename Bits<T>::type(x) << y);
}
template <class T> __device__ __forceinline__ T right_shift(T x, T y)
{
    return negative(y) || y >= T(8 * sizeof(T)) ? (negative(x) ? T(-1) : T(0)) : T(x >> y);
}

// x to the power n ≥ 0, by repeated squares.
template <class T> __device__ __forceinline__ T integer_power(T x, T n)
{
    T out = T(1);
    for (; n > T(0); n = T(n >> 1)) {
        if (n & T(1)) out = wrapped_multiply(out, x);
        x = wrapped_multiply(x, x);
    }
    return out;
}

// A float without its fraction; out of range as an x86 processor has it, which NumPy shows: the least number of 32 bits
// (of 64 for larger types), of which the lowest bits are kept.
template <class T, class F> __device__ __forceinline__ T to_integer(F x)
{
    if (sizeof(T) < 4 || (sizeof(T) == 4 && T(-1) < T(0))) {
        return x > F(-2147483649.0) && x < F(2147483648.0) && x >= F(-2147483648.0) - (sizeof(F) == 8) ? T(int(x)) : T(lowest<int>());
    }
    const F half = F(9223372036854775808.0);
    if (sizeof(T) == 8 && T(-1) > T(0) && x >= half) {
        const F lower = x - half;
        return T((lower < half ? (unsigned long long)(long long)lower : 0x8000000000000000ull) ^ 0x8000000000000000ull);
    }
    return x >= -half && x < half ? T((long long)x) : T(lowest<long long>());
}
