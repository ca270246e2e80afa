// A grid of threads on one processor core: what the kernels need of CUDA C++, for tests.
//
// Every thread of a block is a fiber with a stack of its own, so barriers and warp functions mean
// what they mean on a GPU. Blocks run one after another, threads in ascending or descending order;
// results must not depend on that order. A thread that leaves while others wait at a barrier, or a
// warp function that some lanes do not reach, ends the program with a message.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define VITRION_EMULATOR 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define EXPORTED extern "C" __attribute__((visibility("default")))

struct dim3 {
    unsigned x, y, z;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

enum Wait { NONE, BLOCK, WARP, LEFT };

struct Fiber {
    Wait wait;
    dim3 index;
#if defined(__x86_64__)
    void* stack_pointer;
#else
    ucontext_t context;
#endif
};

const size_t STACK = 96 * 1024;
static std::vector<Fiber> fibers;
static std::vector<char> stacks;
static std::vector<unsigned long long> slots;
static std::vector<unsigned char> shared_memory;
static unsigned current;
static const char* kernel_name;
static const void* arguments;
static void (*body)(const void*);
static int descending = 0;

[[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "emulator: %s: %s (block %u, thread %u)\n", kernel_name, what, blockIdx.x,
                 current);
    std::abort();
}

#if defined(__x86_64__)
static void* scheduler;
extern "C" void vitrion_switch(void** from, void* to);
asm(".text\n"
    ".local vitrion_switch\n"
    ".type vitrion_switch,@function\n"
    "vitrion_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp,(%rdi)\n"
    "  movq %rsi,%rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n");
static void to_scheduler() { vitrion_switch(&fibers[current].stack_pointer, scheduler); }
static void to_fiber() { vitrion_switch(&scheduler, fibers[current].stack_pointer); }
#else
static ucontext_t scheduler;
static void to_scheduler() { swapcontext(&fibers[current].context, &scheduler); }
static void to_fiber() { swapcontext(&scheduler, &fibers[current].context); }
#endif

static void enter() {
    body(arguments);
    fibers[current].wait = LEFT;
    to_scheduler();
}

static void prepare(unsigned thread) {
    char* stack = stacks.data() + STACK * thread;
#if defined(__x86_64__)
    uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + STACK) & ~uintptr_t(15);
    void** at = reinterpret_cast<void**>(top - 8);
    *at = nullptr;
    *--at = reinterpret_cast<void*>(&enter);
    for (int k = 0; k < 6; ++k) *--at = nullptr;
    fibers[thread].stack_pointer = at;
#else
    getcontext(&fibers[thread].context);
    fibers[thread].context.uc_stack.ss_sp = stack;
    fibers[thread].context.uc_stack.ss_size = STACK;
    fibers[thread].context.uc_link = nullptr;
    makecontext(&fibers[thread].context, &enter, 0);
#endif
    fibers[thread].wait = NONE;
}

static void wait(Wait kind) {
    fibers[current].wait = kind;
    to_scheduler();
}

// Lets threads go on that have all arrived where they wait for each other; false if none can.
static bool release(unsigned threads) {
    bool any = false;
    unsigned blocked = 0;
    for (unsigned t = 0; t < threads; ++t) blocked += fibers[t].wait == BLOCK;
    if (blocked == threads) {
        for (unsigned t = 0; t < threads; ++t) fibers[t].wait = NONE;
        return true;
    }
    for (unsigned first = 0; first < threads; first += 32) {
        unsigned end = first + 32 < threads ? first + 32 : threads, arrived = 0;
        for (unsigned t = first; t < end; ++t) arrived += fibers[t].wait == WARP;
        if (arrived == end - first) {
            for (unsigned t = first; t < end; ++t) fibers[t].wait = NONE;
            any = true;
        }
    }
    return any;
}

static void run_block(unsigned threads) {
    for (unsigned t = 0; t < threads; ++t) prepare(t);
    for (;;) {
        bool ran = false;
        for (unsigned k = 0; k < threads; ++k) {
            unsigned t = descending ? threads - 1 - k : k;
            if (fibers[t].wait != NONE) continue;
            ran = true;
            current = t;
            threadIdx = fibers[t].index;
            to_fiber();
        }
        if (ran) continue;
        unsigned left = 0;
        for (unsigned t = 0; t < threads; ++t) left += fibers[t].wait == LEFT;
        if (left == threads) return;
        if (!release(threads)) fail("some threads wait for others that never arrive");
    }
}

static void run(const char* name, const unsigned* grid, const unsigned* block, unsigned shared,
                const void* args, void (*kernel)(const void*)) {
    kernel_name = name;
    arguments = args;
    body = kernel;
    unsigned threads = block[0] * block[1] * block[2];
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    if (threads == 0 || threads > 1024) fail("a block has 1 to 1024 threads");
    if (shared > 232448) fail("more shared memory than a GPU has");
    fibers.resize(threads);
    slots.resize((threads + 31) / 32 * 32);
    if (stacks.size() < STACK * threads) stacks.resize(STACK * threads);
    // of one size more than asked for, filled with a pattern: uninitialised numbers are NaN
    shared_memory.assign(shared + 64, 0xff);
    for (unsigned t = 0; t < threads; ++t)
        fibers[t].index = {t % block[0], t / block[0] % block[1], t / block[0] / block[1]};
    for (unsigned z = 0; z < grid[2]; ++z)
        for (unsigned y = 0; y < grid[1]; ++y)
            for (unsigned x = 0; x < grid[0]; ++x) {
                blockIdx = {x, y, z};
                run_block(threads);
            }
}

template <class T> static unsigned long long pack(T v) {
    unsigned long long bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    return bits;
}
template <class T> static T unpack(unsigned long long bits) {
    T v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}
template <class T> static T exchange(T v, unsigned lane) {
    unsigned warp = current / 32 * 32;
    slots[current] = pack(v);
    wait(WARP);
    T found = unpack<T>(slots[warp + lane % 32]);
    wait(WARP);
    return found;
}

}  // namespace emulator

static void __syncthreads() { emulator::wait(emulator::BLOCK); }
static void __syncwarp(unsigned = ~0u) { emulator::wait(emulator::WARP); }
template <class T> static T __shfl_sync(unsigned, T v, int lane) {
    return emulator::exchange(v, lane);
}
template <class T> static T __shfl_xor_sync(unsigned, T v, int mask) {
    return emulator::exchange(v, (emulator::current % 32) ^ mask);
}
template <class T> static T __shfl_down_sync(unsigned, T v, unsigned delta) {
    unsigned lane = emulator::current % 32;
    return emulator::exchange(v, lane + delta < 32 ? lane + delta : lane);
}
template <class T> static T __shfl_up_sync(unsigned, T v, unsigned delta) {
    unsigned lane = emulator::current % 32;
    return emulator::exchange(v, lane >= delta ? lane - delta : lane);
}
static unsigned __ballot_sync(unsigned, int predicate) {
    unsigned warp = emulator::current / 32 * 32, mask = 0;
    emulator::slots[emulator::current] = predicate != 0;
    emulator::wait(emulator::WARP);
    for (unsigned lane = 0; lane < 32 && warp + lane < emulator::fibers.size(); ++lane)
        mask |= (emulator::slots[warp + lane] != 0) << lane;
    emulator::wait(emulator::WARP);
    return mask;
}
static int __popc(unsigned x) { return __builtin_popcount(x); }
static int __ffs(unsigned x) { return __builtin_ffs(static_cast<int>(x)); }
template <class T> static T atomicAdd(T* at, T v) {
    T old = *at;
    *at = old + v;
    return old;
}
template <class T> static T atomicMax(T* at, T v) {
    T old = *at;
    if (v > old) *at = v;
    return old;
}
static long long __double_as_longlong(double x) { return emulator::unpack<long long>(emulator::pack(x)); }
static double __longlong_as_double(long long x) { return emulator::unpack<double>(emulator::pack(x)); }
static unsigned __float_as_uint(float x) { return emulator::unpack<unsigned>(emulator::pack(x)); }
static float __uint_as_float(unsigned x) { return emulator::unpack<float>(emulator::pack(x)); }
template <class T> static T min(T x, T y) { return y < x ? y : x; }
template <class T> static T max(T x, T y) { return x < y ? y : x; }
static double rsqrt(double x) { return 1.0 / std::sqrt(x); }
template <class T> static T __ldg(const T* at) { return *at; }

// TF32: ten bits after the point, ties away from zero.
static unsigned round_tf32(float x) {
    return (emulator::unpack<unsigned>(emulator::pack(x)) + 0x1000u) & ~0x1fffu;
}

// d += a b of a warp. Lane 4 g + t holds of A the rows g and g + 8 in the columns t and t + 4 (rows
// first), of B the rows t and t + 4 in column g, of D the rows g and g + 8 in the columns 2 t and
// 2 t + 1 (columns first): PTX ISA, matrix fragments for mma.m16n8k8.
static void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    static unsigned fragments[32][32][6];
    const unsigned warp = emulator::current / 32, lane = emulator::current % 32;
    std::memcpy(fragments[warp][lane], a, sizeof a);
    std::memcpy(fragments[warp][lane] + 4, b, sizeof b);
    emulator::wait(emulator::WARP);
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned r = 0; r < 4; ++r) {
        const unsigned row = g + r / 2 * 8, column = 2 * t + r % 2;
        for (unsigned k = 0; k < 8; ++k) {
            const unsigned left = fragments[warp][row % 8 * 4 + k % 4][row / 8 + k / 4 * 2];
            const unsigned right = fragments[warp][column * 4 + k % 4][4 + k / 4];
            d[r] += emulator::unpack<float>(left) * emulator::unpack<float>(right);
        }
    }
    emulator::wait(emulator::WARP);
}

#define DYNAMIC_SHARED(type, name) \
    type* name = reinterpret_cast<type*>((reinterpret_cast<uintptr_t>(emulator::shared_memory.data()) + 31) & ~uintptr_t(31))

#define KERNEL(name, Arguments, threads)                                                       \
    static void name##_body(const Arguments& a);                                               \
    static void name##_entry(const void* a) { name##_body(*static_cast<const Arguments*>(a)); } \
    EXPORTED unsigned name##_size() { return sizeof(Arguments); }                            \
    EXPORTED void name(const unsigned* grid, const unsigned* block, unsigned shared,         \
                         const void* a) {                                                      \
        emulator::run(#name, grid, block, shared, a, name##_entry);                            \
    }                                                                                          \
    static void name##_body(const Arguments& a)

EXPORTED void emulator_order(int descending) { emulator::descending = descending; }
