#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, which stays in registers, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512, 1) kernel(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_reduce_sum_1,
    Index n0,
    Index n1)
{
    for (Index i0 = Index(blockIdx.x) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.x * blockDim.y) {
        Pack<float, 4> x_at_1_pack[1];
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 4 + threadIdx.x) * 4;
            if (i1 < n1) {
                x_at_1_pack[turn] = load<4>(x_at_1 + i0 * n1 + i1);
            }
        }
        float reduce_sum_1 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 4 + threadIdx.x) * 4;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float multiply_1 = x_1 * x_1;
                    reduce_sum_1 += multiply_1;
                }
            }
        }
        over_team<4>(sum_of(reduce_sum_1));
        if (threadIdx.x == 0) {
            out_reduce_sum_1[i0] = reduce_sum_1;
        }
    }
}
