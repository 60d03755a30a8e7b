// Several neighbouring elements, which one instruction reads or writes, or two of 16 bytes.
#pragma once

template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    T at[N];
    __device__ __forceinline__ T& operator[](int k) { return at[k]; }
    __device__ __forceinline__ const T& operator[](int k) const { return at[k]; }
};

// An element, as it is computed with.
template <class T, int N> __device__ __forceinline__ T element(const Pack<T, N>& pack, int k) { return pack[k]; }

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

// To global memory. The instruction is named, since the compiler would take a pack apart and may not find that its elements
// are neighbours again, as where positions are 64-bit integers: then it would store one at a time.
template <class T, int N> __device__ __forceinline__ void store(T* place, const Pack<T, N>& pack)
{
    aligned<Pack<T, N>>(place);
#ifndef GPUGRAD_HOST
    if constexpr (sizeof pack >= 16) {
        #pragma unroll
        for (int k = 0; k < int(sizeof pack / 16); ++k) {
            const uint4 w = reinterpret_cast<const uint4*>(&pack)[k];
            asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};"
                         ::"l"(__cvta_generic_to_global(reinterpret_cast<uint4*>(place) + k)), "r"(w.x), "r"(w.y), "r"(w.z), "r"(w.w)
                         : "memory");
        }
        return;
    }
#endif
    *reinterpret_cast<Pack<T, N>*>(place) = pack;
}
