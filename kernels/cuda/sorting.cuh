// Sorting of positions: by four bits at a time, from the lowest on, with equal ones kept in order.
//
// A tile is what a block sorts in one round, ITEMS neighbouring elements for each thread. For every round there are three
// launches: each tile counts its digits, one block finds where each tile's digits go, and each tile moves its elements.
#pragma once
#include "threads.cuh"

constexpr int DIGITS = 16, ITEMS = 16;

// The sum over the threads before this one, in a block of one row; `total` is that over all. `shared` has blockDim.x places.
__device__ inline int sum_before(int x, int* shared, int& total)
{
    const int t = threadIdx.x;
    shared[t] = x;
    __syncthreads();
    for (int d = 1; d < blockDim.x; d *= 2) {
        const int before = t >= d ? shared[t - d] : 0;
        __syncthreads();
        shared[t] += before;
        __syncthreads();
    }
    const int sum = shared[t];
    total = shared[blockDim.x - 1];
    __syncthreads();  // before the next one writes there
    return sum - x;
}

// How many elements of each digit the tile has before those of this thread: table[digit * THREADS + thread] at the end is
// the number of the tile's elements that come before, sorted by this digit.
template <int THREADS, class Key> __device__ void rank_tile(const Key* keys, int n, int shift, int* table)
{
    __shared__ int sums[THREADS];
    const int t = threadIdx.x, first = (blockIdx.x * THREADS + t) * ITEMS;
    for (int d = 0; d < DIGITS; ++d) table[d * THREADS + t] = 0;
    for (int k = first; k < first + ITEMS && k < n; ++k) ++table[int(keys[k] >> shift & (DIGITS - 1)) * THREADS + t];
    __syncthreads();
    int mine = 0;
    for (int k = 0; k < DIGITS; ++k) mine += table[t * DIGITS + k];
    int total;
    int sum = sum_before(mine, sums, total);
    for (int k = 0; k < DIGITS; ++k) {
        const int here = table[t * DIGITS + k];
        table[t * DIGITS + k] = sum;
        sum += here;
    }
    __syncthreads();
}

// counts[digit, tile]
template <int THREADS, class Key> __device__ void sort_count(const Key* __restrict__ keys, int* __restrict__ counts, int n, int shift)
{
    __shared__ int table[DIGITS * THREADS];
    rank_tile<THREADS>(keys, n, shift, table);
    const int d = threadIdx.x, begin = blockIdx.x * THREADS * ITEMS, size = n - begin < THREADS * ITEMS ? n - begin : THREADS * ITEMS;
    if (d < DIGITS) counts[d * gridDim.x + blockIdx.x] = (d + 1 < DIGITS ? table[(d + 1) * THREADS] : size) - table[d * THREADS];
}

// Each number becomes the sum of those before it. For one block.
template <int THREADS> __device__ void sort_sum(int* counts, int n)
{
    __shared__ int sums[THREADS];
    int carried = 0;
    for (int first = 0; first < n; first += THREADS) {
        const int k = first + threadIdx.x, x = k < n ? counts[k] : 0;
        int total;
        const int before = sum_before(x, sums, total);
        if (k < n) counts[k] = carried + before;
        carried += total;
    }
}

// The elements of each tile at their places; without `order` they are numbered as they lie.
template <int THREADS, class Key>
__device__ void sort_move(const Key* __restrict__ keys, const int* __restrict__ order, const int* __restrict__ counts,
                          int* __restrict__ sorted, int* __restrict__ places, int n, int shift)
{
    __shared__ int table[DIGITS * THREADS];
    __shared__ int begins[DIGITS];
    rank_tile<THREADS>(keys, n, shift, table);
    if (threadIdx.x < DIGITS) begins[threadIdx.x] = counts[threadIdx.x * gridDim.x + blockIdx.x] - table[threadIdx.x * THREADS];
    __syncthreads();
    const int t = threadIdx.x, first = (blockIdx.x * THREADS + t) * ITEMS;
    for (int k = first; k < first + ITEMS && k < n; ++k) {
        const int d = int(keys[k] >> shift & (DIGITS - 1)), to = begins[d] + table[d * THREADS + t]++;
        sorted[to] = int(keys[k]);
        places[to] = order ? order[k] : k;
    }
}
