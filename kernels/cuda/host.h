// CUDA C++ run by the CPU: enough of the language for the kernels that are printed, compiled by an ordinary compiler.
//
// Blocks run one after another. The threads of a block are fibers, switched where they wait for one another; so a
// missing barrier shows, since the order in which threads run can be chosen, and a barrier that some thread never
// comes to ends the program with a message. Kernels that never wait run as plain loops.
#pragma once
#define GPUGRAD_HOST
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))

struct Place { unsigned x, y, z; };
inline Place threadIdx, blockIdx, blockDim, gridDim;

inline float __int_as_float(unsigned bits) { float x; std::memcpy(&x, &bits, sizeof x); return x; }
inline double __longlong_as_double(unsigned long long bits) { double x; std::memcpy(&x, &bits, sizeof x); return x; }

inline float __fmul_rn(float x, float y) { return x * y; }
inline double __dmul_rn(double x, double y) { return x * y; }

struct __nv_bfloat16 {
    std::uint16_t bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float x)
    {
        std::uint32_t b;
        std::memcpy(&b, &x, 4);
        bits = x != x ? 0x7fff : std::uint16_t((b + 0x7fff + (b >> 16 & 1)) >> 16);
    }
    operator float() const { return __int_as_float(std::uint32_t(bits) << 16); }
};
typedef _Float16 __half;
inline float __half2float(__half x) { return float(x); }
inline __half __float2half_rn(float x) { return __half(x); }
inline float __bfloat162float(__nv_bfloat16 x) { return x; }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }

// π x is exact enough after x is reduced to [-1/2, 1/2].
inline double sinpi(double x)
{
    const double r = std::remainder(x, 2.0);
    return std::sin(3.14159265358979323846 * (r > 0.5 ? 1.0 - r : r < -0.5 ? -1.0 - r : r));
}
inline double cospi(double x)
{
    const double r = std::fabs(std::remainder(x, 2.0));
    return r > 0.5 ? -std::cos(3.14159265358979323846 * (1.0 - r)) : std::cos(3.14159265358979323846 * r);
}
inline float sinpi(float x) { return float(sinpi(double(x))); }
inline double erfinv(double x)
{
    if (!(std::fabs(x) < 1.0)) return std::fabs(x) == 1.0 ? std::copysign(HUGE_VAL, x) : NAN;
    if (x == 0.0) return x;
    const double a = std::fabs(x), log = std::log1p(-a * a), t = 4.330746750799873 + 0.5 * log;
    double y = std::sqrt(std::sqrt(t * t - log / 0.147) - t);
    for (int k = 0; k < 4; ++k) {
        double error = a > 0.5 ? (1.0 - a) - std::erfc(y) : std::erf(y) - a;
        error /= 1.1283791670955126 * std::exp(-y * y);
        y -= error / (1.0 + y * error);
    }
    return std::copysign(y, x);
}
inline float erfinvf(float x) { return float(erfinv(double(x))); }
using std::cos; using std::sin; using std::hypot; using std::exp; using std::log; using std::log1p; using std::fabs; using std::rint;

namespace host {

[[noreturn]] inline void fail(const char* why) { std::fprintf(stderr, "kernel on the host: %s\n", why); std::abort(); }

constexpr int MOST = 1024;
constexpr std::size_t STACK = 64 * 1024;
constexpr std::size_t SHARED = 227 * 1024, GUARD = 64;
alignas(16) inline unsigned char shared_memory[SHARED + GUARD];  // what `extern __shared__` names

enum State { RUNS, AT_BARRIER, IN_WARP, DONE };

struct Fiber {
    State state = DONE;
    unsigned mask = 0;           // whom it waits for in its warp
    std::uint64_t said[2] = {};  // what it hands to its warp, of this exchange and of the one before
    unsigned exchange = 0;       // how many exchanges it has been in
    std::vector<char> stack;
#if defined(__x86_64__)
    void* at = nullptr;
#else
    ucontext_t at;
#endif
};
inline Fiber fibers[MOST];
inline int running = -1, threads = 0;
inline void (*body)(void*) = nullptr;
inline void* argument = nullptr;

#if defined(__x86_64__)
extern "C" void gpugrad_switch(void** from, void* to);
asm(".text\n"
    ".p2align 4\n"
    "gpugrad_switch:\n"
    "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, (%rdi)\n"
    "    mov %rsi, %rsp\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
    "    ret\n");
inline void* scheduler = nullptr;
inline void resume(int t) { gpugrad_switch(&scheduler, fibers[t].at); }
inline void pause() { gpugrad_switch(&fibers[running].at, scheduler); }
#else
inline ucontext_t scheduler;
inline void resume(int t) { swapcontext(&scheduler, &fibers[t].at); }
inline void pause() { swapcontext(&fibers[running].at, &scheduler); }
#endif

inline void enter()
{
    body(argument);
    fibers[running].state = DONE;
    pause();
    fail("a thread went on after its end");
}

inline void start(int t)
{
    Fiber& f = fibers[t];
    f.stack.resize(STACK);
    f.state = RUNS;
    f.exchange = 0;
#if defined(__x86_64__)
    void** top = reinterpret_cast<void**>(reinterpret_cast<std::uintptr_t>(f.stack.data() + STACK) & ~std::uintptr_t(15));
    *--top = nullptr;  // the return address of enter, which never returns
    *--top = reinterpret_cast<void*>(&enter);
    for (int k = 0; k < 6; ++k) *--top = nullptr;
    f.at = top;
#else
    getcontext(&f.at);
    f.at.uc_stack.ss_sp = f.stack.data();
    f.at.uc_stack.ss_size = STACK;
    makecontext(&f.at, reinterpret_cast<void (*)()>(&enter), 0);
#endif
}

inline void be(int t)
{
    running = t;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

// Threads of the warp that begins at `first` which wait for exactly those who wait for them go on.
inline bool release(int first, int lanes)
{
    bool any = false;
    for (int t = first; t < first + lanes; ++t) {
        if (fibers[t].state != IN_WARP) continue;
        const unsigned mask = fibers[t].mask;
        bool all = true;
        for (int l = 0; l < 32; ++l) {
            if (mask >> l & 1) all = all && l < lanes && fibers[first + l].state == IN_WARP && fibers[first + l].mask == mask;
        }
        if (!all) continue;
        for (int l = 0; l < 32; ++l) if (mask >> l & 1) fibers[first + l].state = RUNS;
        any = true;
    }
    return any;
}

inline int ordered(int order, int k, int n) { return order == 0 ? k : order == 1 ? n - 1 - k : (k * 37 + 11) % n; }

// Each warp goes as far as it can before the next begins.
inline void run_block(int order)
{
    for (int t = 0; t < threads; ++t) start(t);
    const int warps = (threads + 31) / 32;  // 37 divides neither them nor the lanes of one
    while (true) {
        for (int w = 0; w < warps; ++w) {
            const int first = ordered(order, w, warps) * 32, lanes = threads - first < 32 ? threads - first : 32;
            do {
                for (int l = 0; l < lanes; ++l) {
                    const int t = first + ordered(order, l, lanes);
                    if (fibers[t].state == RUNS) { be(t); resume(t); }
                }
            } while (release(first, lanes));
        }
        int done = 0, waiting = 0;
        for (int t = 0; t < threads; ++t) { done += fibers[t].state == DONE; waiting += fibers[t].state == AT_BARRIER; }
        if (done == threads) return;
        if (waiting != threads) fail("some threads wait at a barrier, or for lanes of their warp, that others never come to");
        for (int t = 0; t < threads; ++t) fibers[t].state = RUNS;
    }
}

template <class F> void launch(const unsigned* shape, bool waits, int order, F&& f)
{
    gridDim = {shape[0], shape[1], shape[2]};
    blockDim = {shape[3], shape[4], shape[5]};
    threads = int(blockDim.x * blockDim.y * blockDim.z);
    if (threads > MOST) fail("too many threads in a block");
    const std::size_t shared = shape[6];
    if (shared > SHARED) fail("more shared memory than a block can have");
    const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    body = [](void* p) { (*static_cast<std::remove_reference_t<F>*>(p))(); };
    argument = &f;
    for (unsigned k = 0; k < blocks; ++k) {
        const unsigned b = order == 1 ? blocks - 1 - k : k;
        blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / (gridDim.x * gridDim.y)};
        std::memset(shared_memory, 0xff, shared + GUARD);
        if (waits) run_block(order);
        else for (int t = 0; t < threads; ++t) { be(t); f(); }
        for (std::size_t n = shared; n < shared + GUARD; ++n) {
            if (shared_memory[n] != 0xff) fail("a write beyond the shared memory of its launch");
        }
    }
    running = -1;
}

// A kernel called with pointers to its arguments, as cuLaunchKernel takes them.
template <class... A, std::size_t... I> void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>)
{
    kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}
template <class... A> void call(void (*kernel)(A...), void** arguments) { call(kernel, arguments, std::index_sequence_for<A...>{}); }

// What each lane of `mask` says is heard by all of them.
template <class T> T heard(unsigned mask, T x, int lane)
{
    const int t = running, first = t / 32 * 32;
    if (!(mask >> (t - first) & 1)) fail("a lane that is not in the mask of its own exchange");
    Fiber& f = fibers[t];
    const unsigned slot = f.exchange++ & 1;
    std::memcpy(&f.said[slot], &x, sizeof x);
    f.mask = mask;
    f.state = IN_WARP;
    pause();
    T out;
    std::memcpy(&out, &fibers[first + lane].said[slot], sizeof out);
    return out;
}

}  // namespace host

inline void __syncthreads() { host::fibers[host::running].state = host::AT_BARRIER; host::pause(); }
template <class T> T __shfl_xor_sync(unsigned mask, T x, int d, int width = 32)
{
    const int lane = host::running & 31, other = lane ^ d;
    if (other / width != lane / width) host::fail("an exchange beyond the width of its team");
    return host::heard(mask, x, other);
}

// What kernels that people write use beyond those that are printed. Here no two threads add at once.
template <class T> T __shfl_sync(unsigned mask, T x, int lane, int width = 32)
{
    return host::heard(mask, x, (host::running & 31) / width * width + lane % width);
}
template <class T> T __shfl_down_sync(unsigned mask, T x, int d, int width = 32)
{
    const int lane = host::running & 31, other = lane + d;
    return host::heard(mask, x, other / width == lane / width ? other : lane);
}
template <class T> T __shfl_up_sync(unsigned mask, T x, int d, int width = 32)
{
    const int lane = host::running & 31, other = lane - d;
    return host::heard(mask, x, other >= lane / width * width ? other : lane);
}
inline void __syncwarp(unsigned mask = 0xffffffff) { host::heard(mask, 0, host::running & 31); }
template <class T> T atomicAdd(T* at, T x) { const T before = *at; *at = before + x; return before; }
template <class T> T __ldg(const T* at) { return *at; }
template <class T> T min(T x, T y) { return y < x ? y : x; }
template <class T> T max(T x, T y) { return x < y ? y : x; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }

#define EXPORT(name, kernel, waits)                                                                                \
    extern "C" __attribute__((visibility("default"))) void name(const unsigned* shape, int order, void** arguments) \
    {                                                                                                              \
        host::launch(shape, waits, order, [arguments] { host::call(&kernel, arguments); });                        \
    }
