// Complex numbers, with NumPy's values at zeros, infinities and NaN.
#pragma once
#include "scalars.cuh"

template <class T> struct alignas(2 * sizeof(T)) Complex {
    T real, imag;
    Complex() = default;
    __device__ __forceinline__ Complex(T x, T y = T(0)) : real(x), imag(y) {}
    template <class U> __device__ __forceinline__ explicit Complex(const Complex<U>& z) : real(T(z.real)), imag(T(z.imag)) {}
    __device__ __forceinline__ Complex& operator+=(const Complex& z) { real += z.real; imag += z.imag; return *this; }
};

template <class T> __device__ __forceinline__ Complex<T> operator+(Complex<T> x, Complex<T> y) { return {x.real + y.real, x.imag + y.imag}; }
template <class T> __device__ __forceinline__ Complex<T> operator-(Complex<T> x, Complex<T> y) { return {x.real - y.real, x.imag - y.imag}; }
template <class T> __device__ __forceinline__ Complex<T> operator-(Complex<T> x) { return {-x.real, -x.imag}; }
template <class T> __device__ __forceinline__ bool operator==(Complex<T> x, Complex<T> y) { return x.real == y.real && x.imag == y.imag; }
template <class T> __device__ __forceinline__ bool operator!=(Complex<T> x, Complex<T> y) { return !(x == y); }

// A product that is rounded by itself, so that z times its conjugate is real.
__device__ __forceinline__ float rounded_product(float x, float y) { return __fmul_rn(x, y); }
__device__ __forceinline__ double rounded_product(double x, double y) { return __dmul_rn(x, y); }

template <class T> __device__ __forceinline__ Complex<T> operator*(Complex<T> x, Complex<T> y)
{
    return {rounded_product(x.real, y.real) - rounded_product(x.imag, y.imag),
            rounded_product(x.real, y.imag) + rounded_product(x.imag, y.real)};
}

// Smith's way: the larger part of y is divided out first, so that nothing overflows that need not.
template <class T> __device__ __forceinline__ Complex<T> operator/(Complex<T> x, Complex<T> y)
{
    const bool wide = fabs(y.real) >= fabs(y.imag);
    const T large = wide ? y.real : y.imag, small = wide ? y.imag : y.real;
    if (large == T(0) && small == T(0)) return {x.real / fabs(large), x.imag / fabs(large)};
    const T ratio = small / large, scale = T(1) / (large + small * ratio);
    return wide ? Complex<T>((x.real + x.imag * ratio) * scale, (x.imag - x.real * ratio) * scale)
                : Complex<T>((x.real * ratio + x.imag) * scale, (x.imag * ratio - x.real) * scale);
}

// eᶻ; where eˣ overflows, the sine or cosine between its two halves may keep the product finite.
template <class T> __device__ __forceinline__ Complex<T> exponential(Complex<T> z)
{
    const T largest = sizeof(T) == 4 ? T(88) : T(709);
    const bool turning = fabs(z.imag) < highest<T>();  // else the angle is none, which a length of 0, or ∞, outlives
    const T once = exp(z.real > largest ? z.real / T(2) : z.real), again = z.real > largest ? once : T(1);
    if (z.imag == T(0)) return {once * again, z.imag};
    if (!turning && z.real == lowest<T>()) return {T(0), T(0)};
    const T real = once * cos(z.imag) * again, imag = once * sin(z.imag) * again;
    return {!turning && z.real == highest<T>() ? highest<T>() : real, imag};
}

template <class T> __device__ __forceinline__ Complex<T> masked_multiply(Complex<T> x, Complex<T> y)
{
    return x == Complex<T>(T(0)) || y == Complex<T>(T(0)) ? Complex<T>(T(0)) : x * y;
}
template <class T> __device__ __forceinline__ bool is_finite(Complex<T> z) { return fabs(z.real) < highest<T>() && fabs(z.imag) < highest<T>(); }
template <class T> __device__ __forceinline__ bool is_infinite(Complex<T> z) { return fabs(z.real) == highest<T>() || fabs(z.imag) == highest<T>(); }

// Warps exchange the parts.
template <class T> __device__ __forceinline__ Complex<T> exchanged(unsigned mask, Complex<T> z, int d, int lanes)
{
    return {__shfl_xor_sync(mask, z.real, d, lanes), __shfl_xor_sync(mask, z.imag, d, lanes)};
}
