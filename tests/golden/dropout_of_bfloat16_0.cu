#include "half.cuh"
#include "packs.cuh"
#include "philox.cuh"
#include "scalars.cuh"

using Index = int;

// A thread takes 8 neighbouring elements at a time, in strides of the grid.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const unsigned* __restrict__ random_bits_at_1,
    const __nv_bfloat16* __restrict__ x_at_1,
    __nv_bfloat16* __restrict__ out_where_1,
    Index n0)
{
    const Key random_bits_at_1_key = key_at(random_bits_at_1);
    for (Index i0 = (Index(blockIdx.x) * blockDim.x + threadIdx.x) * 8; i0 < n0; i0 += gridDim.x * blockDim.x * 8) {
        const Pack<unsigned, 8> random_bits_at_1_pack = words_at<unsigned, 8>(random_bits_at_1_key, i0);
        const Pack<__nv_bfloat16, 8> x_at_1_pack = load<8>(x_at_1 + i0);
        Pack<__nv_bfloat16, 8> out_where_1_pack;
        #pragma unroll
        for (int k = 0; k < 8; ++k) {
            const unsigned random_bits_1 = element(random_bits_at_1_pack, k);
            const float x_1 = element(x_at_1_pack, k);
            const bool less_equal_1 = random_bits_1 <= 3006477106u;
            const float multiply_1 = x_1 * 1.4285714285714286f;
            const float where_1 = less_equal_1 ? multiply_1 : 0.0f;
            out_where_1_pack[k] = where_1;
        }
        store(out_where_1 + i0, out_where_1_pack);
    }
}
