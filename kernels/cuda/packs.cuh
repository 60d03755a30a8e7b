// Several neighbouring elements, which one instruction reads or writes, or two of 16 bytes.
#pragma once

template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    T at[N];
    __device__ __forceinline__ T& operator[](int k) { return at[k]; }
    __device__ __forceinline__ const T& operator[](int k) const { return at[k]; }
};

// The host does not mind where a pack is; a GPU ends the program.
template <class P> __device__ __forceinline__ void aligned(const void* place)
{
#ifdef GPUGRAD_HOST
    if (reinterpret_cast<std::uintptr_t>(place) % alignof(P)) host::fail("an access to an address that is no multiple of its size");
#endif
}

// N elements from a place whose address is a multiple of their size, or of 16 bytes.
template <int N, class T> __device__ __forceinline__ Pack<T, N> load(const T* place)
{
    aligned<Pack<T, N>>(place);
    return *reinterpret_cast<const Pack<T, N>*>(place);
}

template <class T, int N> __device__ __forceinline__ void store(T* place, const Pack<T, N>& pack)
{
    aligned<Pack<T, N>>(place);
    *reinterpret_cast<Pack<T, N>*>(place) = pack;
}
