// Half precision is how numbers are stored; they are computed with as float.
#pragma once
#ifndef GPUGRAD_HOST
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif
