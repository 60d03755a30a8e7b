// Scalar functions that CUDA's mathematics library lacks, or gives another meaning at NaN.
#pragma once

template <class T> struct Limits;
template <> struct Limits<bool> { static __device__ bool lowest() { return false; } static __device__ bool highest() { return true; } };
template <> struct Limits<signed char> { static __device__ signed char lowest() { return -128; } static __device__ signed char highest() { return 127; } };
template <> struct Limits<unsigned char> { static __device__ unsigned char lowest() { return 0; } static __device__ unsigned char highest() { return 255; } };
template <> struct Limits<short> { static __device__ short lowest() { return -32768; } static __device__ short highest() { return 32767; } };
template <> struct Limits<unsigned short> { static __device__ unsigned short lowest() { return 0; } static __device__ unsigned short highest() { return 65535; } };
template <> struct Limits<int> { static __device__ int lowest() { return -2147483647 - 1; } static __device__ int highest() { return 2147483647; } };
template <> struct Limits<unsigned> { static __device__ unsigned lowest() { return 0u; } static __device__ unsigned highest() { return ~0u; } };
template <> struct Limits<long long> { static __device__ long long lowest() { return -9223372036854775807ll - 1; } static __device__ long long highest() { return 9223372036854775807ll; } };
template <> struct Limits<unsigned long long> { static __device__ unsigned long long lowest() { return 0ull; } static __device__ unsigned long long highest() { return ~0ull; } };
template <> struct Limits<float> { static __device__ float lowest() { return __int_as_float(0xff800000); } static __device__ float highest() { return __int_as_float(0x7f800000); } };
template <> struct Limits<double> { static __device__ double lowest() { return __longlong_as_double(0xfff0000000000000ll); } static __device__ double highest() { return __longlong_as_double(0x7ff0000000000000ll); } };

// The least and the largest value of a type: minus and plus infinity where it has them.
template <class T> __device__ __forceinline__ T lowest() { return Limits<T>::lowest(); }
template <class T> __device__ __forceinline__ T highest() { return Limits<T>::highest(); }

// Not a number.
template <class T> __device__ __forceinline__ T undefined() { return highest<T>() - highest<T>(); }

// The larger, and the smaller, of two numbers; NaN if either is.
template <class T> __device__ __forceinline__ T maximum(T x, T y) { return x >= y || x != x ? x : y; }
template <class T> __device__ __forceinline__ T minimum(T x, T y) { return x <= y || x != x ? x : y; }
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800  // one instruction instead of three
template <> __device__ __forceinline__ float maximum(float x, float y)
{
    float out;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(x), "f"(y));
    return out;
}
template <> __device__ __forceinline__ float minimum(float x, float y)
{
    float out;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(x), "f"(y));
    return out;
}
#endif

// -1, 0 or 1; NaN and zeros as they are.
template <class T> __device__ __forceinline__ T sign(T x) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x; }

// x y, and 0 wherever either is, though the other be infinite or NaN.
template <class T> __device__ __forceinline__ T masked_multiply(T x, T y) { return x == T(0) || y == T(0) ? T(0) : x * y; }

// Signed integers wrap, as unsigned ones do.
template <class T> struct Bits { typedef T type; };
template <> struct Bits<signed char> { typedef unsigned type; };
template <> struct Bits<unsigned char> { typedef unsigned type; };
template <> struct Bits<short> { typedef unsigned type; };
template <> struct Bits<unsigned short> { typedef unsigned type; };
template <> struct Bits<int> { typedef unsigned type; };
template <> struct Bits<long long> { typedef unsigned long long type; };
template <class T> __device__ __forceinline__ T wrapped_add(T x, T y) { typedef typename Bits<T>::type U; return T(U(x) + U(y)); }
template <class T> __device__ __forceinline__ T wrapped_subtract(T x, T y) { typedef typename Bits<T>::type U; return T(U(x) - U(y)); }
template <class T> __device__ __forceinline__ T wrapped_multiply(T x, T y) { typedef typename Bits<T>::type U; return T(U(x) * U(y)); }

// 1 / (1 + e⁻ˣ), from e^-|x|, which never overflows.
template <class T> __device__ __forceinline__ T sigmoid(T x)
{
    const T e = exp(-fabs(x));
    return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

// log(1 + eˣ).
template <class T> __device__ __forceinline__ T softplus(T x) { return maximum(x, T(0)) + log1p(exp(-fabs(x))); }

// log(eˣ + eʸ).
template <class T> __device__ __forceinline__ T logaddexp(T x, T y)
{
    return x == y ? x + T(0.69314718055994530942) : maximum(x, y) + log1p(exp(-fabs(x - y)));
}

// sin(πx) / (πx), 1 at 0.
template <class T> __device__ __forceinline__ T sinc(T x)
{
    return x == T(0) ? T(1) : sinpi(x) / (T(3.14159265358979323846) * x);
}

// The derivative of log Γ: -∞ at 0, NaN at -1, -2 …  Shifted to [1, 2), where a polynomial leaves its zero precise.
__device__ inline double digamma(double x)
{
    const double near[] = {
        0.00012115890119161716, -0.00017832939366990542, 9.33140233261811e-05, -0.0001446614345441027,
        0.00032587010794455615, -0.0004860319096576787, 0.0006902854873659036, -0.0010364328312288968,
        0.0015635027565002054, -0.002345499688873686, 0.0035180887820536666, -0.005279936652444225,
        0.007927023321807109, -0.011908220152039437, 0.017907248235806878, -0.026975796657669304, 0.040760833943386886,
        -0.06192213327554188, 0.09498872445284977, -0.14840492305388028, 0.24054248424078722, -0.4236274212814606,
        0.9510558760318328};
    const double far[] = {1.7755326945830667, -0.410592372986985, 0.0828517512766487, -0.02108854494806882,
                          0.007575735243166175, -0.004166666600313583, 0.003968253968154871, -0.008333333333333276,
                          0.08333333333333333};
    if (x == 0.0) return lowest<double>();
    if (x != x || x == lowest<double>()) return undefined<double>();
    double y = x > 0.0 ? x : 1.0 - x;
    double out = 0.0;
    if (y >= 8.0) {
        const double inverse = 1.0 / y, square = inverse * inverse;
        double p = far[0];
        for (int k = 1; k < 9; ++k) p = p * square + far[k];
        out = log(y) - (0.5 * inverse + square * p);
    } else {
        if (y < 1.0) { out = -1.0 / y; y += 1.0; }
        for (; y >= 2.0; ) { y -= 1.0; out += 1.0 / y; }
        double p = near[0];
        for (int k = 1; k < 23; ++k) p = p * (y - 1.5) + near[k];
        out += ((y - 1.4616321449683622) - 9.549995429965697e-17) * p;
    }
    if (x > 0.0) return out;
    const double offset = x - rint(x);
    return offset == 0.0 ? undefined<double>() : out - 3.14159265358979323846 * cospi(offset) / sinpi(offset);
}
__device__ inline float digamma(float x) { return float(digamma(double(x))); }
