// Several neighbouring elements, which one instruction reads or writes.
#pragma once

template <class T, int N> struct alignas(sizeof(T) * N) Pack {
    T at[N];
    __device__ __forceinline__ T& operator[](int k) { return at[k]; }
    __device__ __forceinline__ const T& operator[](int k) const { return at[k]; }
};

// N elements from a place whose address is a multiple of their size.
template <int N, class T> __device__ __forceinline__ Pack<T, N> load(const T* place)
{
    return *reinterpret_cast<const Pack<T, N>*>(place);
}

template <class T, int N> __device__ __forceinline__ void store(T* place, const Pack<T, N>& pack)
{
    *reinterpret_cast<Pack<T, N>*>(place) = pack;
}
