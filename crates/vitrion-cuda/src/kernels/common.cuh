// Types and helpers of all kernels. `REAL` is float (mixed precision) or double.
//
// Every kernel takes one structure by value; its twin in Rust has the same fields in the same order.

#ifndef VITRION_EMULATOR
extern __shared__ __align__(32) unsigned char vitrion_shared[];
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(vitrion_shared)
#define KERNEL(name, Arguments, threads) \
    extern "C" __global__ void __launch_bounds__(threads) name(const Arguments a)

// From compute capability 8.0 on; the host asks for them nowhere else.
__device__ __forceinline__ unsigned round_tf32(float x) {
    unsigned rounded = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
#endif
    return rounded;
}

// d += a b of a warp: a 16 × 8, b 8 × 8, in the layout of mma.m16n8k8.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
#endif

typedef REAL real;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
typedef unsigned char u8;

const u32 ALL = 0xffffffffu;
const int WARP_SIZE = 32;

struct __align__(16) real4 {
    real v[4];
};
struct real3 {
    real x, y, z;
};
struct vec3 {
    double x, y, z;
};

__device__ __forceinline__ real4 load4(const real* at) { return *reinterpret_cast<const real4*>(at); }
__device__ __forceinline__ void store4(real* at, const real4& v) { *reinterpret_cast<real4*>(at) = v; }

__device__ __forceinline__ u32 lane_of() { return threadIdx.x % WARP_SIZE; }
__device__ __forceinline__ u32 warp_of() { return threadIdx.x / WARP_SIZE; }
// Number of the thread, or of its warp, in a grid of one dimension.
__device__ __forceinline__ u64 global_thread() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ u64 global_warp() { return global_thread() / WARP_SIZE; }

// Sum over the lanes of a warp, in one order, on every lane.
template <class T> __device__ __forceinline__ T warp_sum(T x) {
    for (int step = WARP_SIZE / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL, x, step);
    return x;
}

// One exchange of `warp_sum_32`: of 2 HALF numbers a lane keeps HALF sums.
template <int HALF, class T> __device__ __forceinline__ void warp_fold(T (&x)[WARP_SIZE]) {
    const bool upper = lane_of() & HALF;
#pragma unroll
    for (int k = 0; k < HALF; ++k) {
        const T keep = upper ? x[k + HALF] : x[k];
        const T give = upper ? x[k] : x[k + HALF];
        x[k] = keep + __shfl_xor_sync(ALL, give, HALF);
    }
}

// Sums of 32 numbers over the lanes of a warp: lane `l` gets that of number `l`. Each exchange halves
// the numbers a lane still carries: 31 exchanges instead of 160.
template <class T> __device__ __forceinline__ T warp_sum_32(T (&x)[WARP_SIZE]) {
    warp_fold<16>(x);
    warp_fold<8>(x);
    warp_fold<4>(x);
    warp_fold<2>(x);
    warp_fold<1>(x);
    return x[0];
}

// Sum over the threads of a block of at most 1024, in one order, on every thread.
template <class T> __device__ T block_sum(T x) {
    __shared__ T parts[WARP_SIZE];
    x = warp_sum(x);
    __syncthreads();
    if (lane_of() == 0) parts[warp_of()] = x;
    __syncthreads();
    T sum = 0;
    for (u32 w = 0; w < blockDim.x / WARP_SIZE; ++w) sum += parts[w];
    return sum;
}

// Sum of all earlier threads of the block; `total` receives that of all.
__device__ u32 block_prefix(u32 x, u32& total) {
    __shared__ u32 parts[WARP_SIZE];
    u32 inside = x;
    for (int step = 1; step < WARP_SIZE; step *= 2) {
        const u32 other = __shfl_up_sync(ALL, inside, step);
        if (lane_of() >= step) inside += other;
    }
    __syncthreads();
    if (lane_of() == WARP_SIZE - 1) parts[warp_of()] = inside;
    __syncthreads();
    u32 before = 0;
    total = 0;
    for (u32 w = 0; w < blockDim.x / WARP_SIZE; ++w) {
        if (w < warp_of()) before += parts[w];
        total += parts[w];
    }
    __syncthreads();
    return before + inside - x;
}

__device__ __forceinline__ bool is_finite(double x) { return x - x == 0.0; }
__device__ __forceinline__ double square_of(const vec3& v) { return v.x * v.x + v.y * v.y + v.z * v.z; }
// From one atom to the image of another; the exact negative of the way back.
__device__ __forceinline__ vec3 vector_to(const vec3& from, const vec3& to, const vec3& shift) {
    const vec3 v = {(to.x - from.x) + shift.x, (to.y - from.y) + shift.y, (to.z - from.z) + shift.z};
    return v;
}
// r = s · H with lattice vectors in rows.
__device__ __forceinline__ vec3 row_times(const vec3& s, const double* h) {
    vec3 r = {s.x * h[0] + s.y * h[3] + s.z * h[6], s.x * h[1] + s.y * h[4] + s.z * h[7],
              s.x * h[2] + s.y * h[5] + s.z * h[8]};
    return r;
}

// The two numbers of TF32 (10 bits after the point) that come nearest to x.
__device__ __forceinline__ void split_tf32(float x, u32& high, u32& low) {
    high = round_tf32(x);
    low = round_tf32(x - __uint_as_float(high));
}

// Activation functions; numbers as `Kind` in Rust.
const int TANH = 0, RELU = 1, RELU6 = 2, GELU = 3, SOFTPLUS = 4, SIGMOID = 5, SILU = 6, SILUT = 7,
          LINEAR = 8;

struct Curve {
    real value, slope, bend, third;
};

__device__ void sigmoid_curve(double x, double (&s)[4]) {
    const double e = exp(-fabs(x));
    const double f = x >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
    const double d = f * (1.0 - f);
    s[0] = f;
    s[1] = d;
    s[2] = d * (1.0 - 2.0 * f);
    s[3] = s[2] * (1.0 - 2.0 * f) - 2.0 * d * d;
}

__device__ void tanh_curve(double x, double (&t)[4]) {
    const double f = tanh(x), d = 1.0 - f * f;
    t[0] = f;
    t[1] = d;
    t[2] = -2.0 * f * d;
    t[3] = d * (4.0 * f * f - 2.0 * d);
}

// All but tanh and linear, in double: rare, and their derivatives cancel.
__device__ Curve other_curve(int kind, double threshold, double x) {
    double y[4] = {0.0, 0.0, 0.0, 0.0}, s[4];
    switch (kind) {
        case RELU:
            if (x > 0.0) y[0] = x, y[1] = 1.0;
            break;
        case RELU6:
            if (x > 6.0) y[0] = 6.0;
            else if (x >= 0.0) y[0] = x, y[1] = 1.0;
            break;
        case GELU: {
            const double c = 0.7978845608028654, k = 0.044715;
            const double u = c * (x + k * x * x * x), du = c * (1.0 + 3.0 * k * x * x);
            const double ddu = 6.0 * c * k * x, dddu = 6.0 * c * k;
            tanh_curve(u, s);
            const double bend = s[2] * du * du + s[1] * ddu;
            const double twist = s[3] * du * du * du + 3.0 * s[2] * du * ddu + s[1] * dddu;
            y[0] = 0.5 * x * (1.0 + s[0]);
            y[1] = 0.5 * (1.0 + s[0]) + 0.5 * x * s[1] * du;
            y[2] = s[1] * du + 0.5 * x * bend;
            y[3] = 0.5 * (3.0 * bend + x * twist);
            break;
        }
        case SOFTPLUS:
            sigmoid_curve(x, s);
            y[0] = fmax(x, 0.0) + log1p(exp(-fabs(x)));
            y[1] = s[0], y[2] = s[1], y[3] = s[2];
            break;
        case SIGMOID:
            sigmoid_curve(x, y);
            break;
        case SILU:
        case SILUT:
            if (kind == SILUT && x >= threshold) {
                sigmoid_curve(threshold, s);
                const double slope = s[0] + threshold * s[1];
                double t[4];
                tanh_curve(slope * (x - threshold), t);
                y[0] = t[0] + threshold * s[0];
                y[1] = slope * t[1];
                y[2] = slope * slope * t[2];
            } else {
                sigmoid_curve(x, s);
                y[0] = x * s[0];
                y[1] = s[0] + x * s[1];
                y[2] = 2.0 * s[1] + x * s[2];
                y[3] = 3.0 * s[2] + x * s[3];
            }
            break;
        default:
            y[0] = x, y[1] = 1.0;
    }
    const Curve found = {(real)y[0], (real)y[1], (real)y[2], (real)y[3]};
    return found;
}

__device__ __forceinline__ Curve curve(int kind, double threshold, real x) {
    if (kind == TANH) {
        const real f = tanh(x), d = (real)1 - f * f;
        const Curve found = {f, d, (real)-2 * f * d, d * ((real)4 * f * f - (real)2 * d)};
        return found;
    }
    return other_curve(kind, threshold, (double)x);
}

// How a layer adds its input to its output: 0 not, 1 as it is, 2 twice.
struct Layer {
    int activation;
    int skip;
    double threshold;
    // Factor on each activated output, or null.
    const real* timestep;
    const real* bias;
};
