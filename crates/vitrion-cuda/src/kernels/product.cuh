// Matrix products, one launch for the nets of all species, with the arithmetic of a layer at the end.
//
// C = A B with A [rows][depth] (or its transpose) and B [depth][columns] (or its transpose), all
// row-major. Rows and leading dimensions along which four numbers are read at once are padded to
// multiples of four with zeros, and so are the rows of C. A block of 256 threads makes TILE_M × TILE_N numbers, a thread 32;
// the next tiles are fetched into registers while the present ones are used. The depth is summed in
// one order, so results do not depend on the size of the grid.

const int TILE_M = 128, TILE_N = 64, TILE_K = sizeof(real) == 4 ? 16 : 8;
const int PRODUCTS = 12;  // in one launch

struct Product {
    const real* a;
    const real* b;
    real* c;
    int rows;
    int depth;
    // Of the layer: see the kernels.
    Layer layer;
    const real* input;
    real* slopes;
};

struct ProductArguments {
    Product products[PRODUCTS];
    const Status* status;
    int columns;
    int lda;
    int ldb;
    int ldc;
    // Inputs of the layer, their leading dimension and that of slopes.
    int inputs;
    int ld_input;
    int ld_slopes;
    int reserved;
};

template <bool TRANSPOSED>
__device__ __forceinline__ void fetch(const real* from, int ld, int lines, int depth, int first_line,
                                      int first_k, int width, int id, real4& out) {
    // a group of four numbers: along the depth, or across it where the matrix is transposed
    for (int o = 0; o < 4; ++o) out.v[o] = 0;
    if (TRANSPOSED) {
        const int k = first_k + id / (width / 4), line = first_line + id % (width / 4) * 4;
        if (k < depth && line < lines) out = load4(from + (u64)k * ld + line);
    } else {
        const int line = first_line + id / (TILE_K / 4), k = first_k + id % (TILE_K / 4) * 4;
        if (line < lines && k < depth) out = load4(from + (u64)line * ld + k);
    }
}

template <bool TRANSPOSED>
__device__ __forceinline__ void put(real* tile, int pitch, int width, int id, const real4& in) {
    if (TRANSPOSED) {
        store4(tile + id / (width / 4) * pitch + id % (width / 4) * 4, in);
    } else {
        const int line = id / (TILE_K / 4), k = id % (TILE_K / 4) * 4;
        for (int o = 0; o < 4; ++o) tile[(k + o) * pitch + line] = in.v[o];
    }
}

// How the sums of a tile are spread over threads, 32 numbers each, and how they are made.
//
// Scalar: rows 4 ty + 0..3 and 64 + 4 ty + 0..3, columns 4 tx + 0..3; multiply-adds of `real`.
struct Scalar {
    static const int PITCH_A = TILE_M + 4, PITCH_B = TILE_N + 4;
    real sum[8][4];
    __device__ __forceinline__ void clear() {
        for (int y = 0; y < 8; ++y)
            for (int x = 0; x < 4; ++x) sum[y][x] = 0;
    }
    __device__ __forceinline__ real value(int e) const { return sum[e / 4][e % 4]; }
    __device__ __forceinline__ int row(int e) const {
        return threadIdx.x / 16 * 4 + (e / 4 < 4 ? e / 4 : TILE_M / 2 + e / 4 - 4);
    }
    __device__ __forceinline__ int column(int e) const { return threadIdx.x % 16 * 4 + e % 4; }
    __device__ __forceinline__ void step(const real* tile_a, const real* tile_b) {
        const real* sa = tile_a + threadIdx.x / 16 * 4;
        const real* sb = tile_b + threadIdx.x % 16 * 4;
#pragma unroll
        for (int k = 0; k < TILE_K; ++k) {
            const real4 low = load4(sa + k * PITCH_A), high = load4(sa + k * PITCH_A + TILE_M / 2);
            const real4 b = load4(sb + k * PITCH_B);
#pragma unroll
            for (int y = 0; y < 4; ++y)
#pragma unroll
                for (int x = 0; x < 4; ++x) {
                    sum[y][x] += low.v[y] * b.v[x];
                    sum[y + 4][x] += high.v[y] * b.v[x];
                }
        }
    }
};

// Tensor cores: eight warps of 32 × 32 numbers, 16 × 8 at a time (mma m16n8k8). A number is split into
// two of TF32, x = h + l, and x y ≈ h h′ + h l′ + l h′: what is left out is of the size of an f32
// rounding.
struct Tensor {
    static const int PITCH_A = TILE_M + 8, PITCH_B = TILE_N + 8;
    float sum[2][4][4];
    __device__ __forceinline__ void clear() {
        for (int m = 0; m < 2; ++m)
            for (int n = 0; n < 4; ++n)
                for (int r = 0; r < 4; ++r) sum[m][n][r] = 0;
    }
    __device__ __forceinline__ real value(int e) const { return sum[e / 16][e / 4 % 4][e % 4]; }
    __device__ __forceinline__ int row(int e) const {
        return warp_of() / 2 * 32 + e / 16 * 16 + lane_of() / 4 + e % 4 / 2 * 8;
    }
    __device__ __forceinline__ int column(int e) const {
        return warp_of() % 2 * 32 + e / 4 % 4 * 8 + lane_of() % 4 * 2 + e % 2;
    }
    __device__ __forceinline__ void step(const real* tile_a, const real* tile_b) {
        const int g = lane_of() / 4, t = lane_of() % 4;
        const int m0 = warp_of() / 2 * 32 + g, n0 = warp_of() % 2 * 32 + g;
#pragma unroll
        for (int k = 0; k < TILE_K; k += 8) {
            u32 high_b[4][2], low_b[4][2];
#pragma unroll
            for (int n = 0; n < 4; ++n)
#pragma unroll
                for (int r = 0; r < 2; ++r)
                    split_tf32((float)tile_b[(k + t + r * 4) * PITCH_B + n0 + n * 8], high_b[n][r],
                               low_b[n][r]);
#pragma unroll
            for (int m = 0; m < 2; ++m) {
                u32 high[4], low[4];
#pragma unroll
                for (int r = 0; r < 4; ++r)
                    split_tf32((float)tile_a[(k + t + r / 2 * 4) * PITCH_A + m0 + m * 16 + r % 2 * 8],
                               high[r], low[r]);
#pragma unroll
                for (int n = 0; n < 4; ++n) {
                    // tensor cores cut what they add to: sums over steps are f32's own
                    float part[4] = {0, 0, 0, 0};
                    mma_tf32(part, low, high_b[n]);
                    mma_tf32(part, high, low_b[n]);
                    mma_tf32(part, high, high_b[n]);
#pragma unroll
                    for (int r = 0; r < 4; ++r) sum[m][n][r] += part[r];
                }
            }
        }
    }
};

template <class Sums, bool TA, bool TB>
__device__ __forceinline__ void multiply(const ProductArguments& a, const Product& p, Sums& sums) {
    const int PITCH_A = Sums::PITCH_A, PITCH_B = Sums::PITCH_B;
    const int GROUPS_A = TILE_M * TILE_K / 4 / 256, GROUPS_B = (TILE_N * TILE_K / 4 + 255) / 256;
    __shared__ __align__(16) real tile_a[2][TILE_K * Sums::PITCH_A];
    __shared__ __align__(16) real tile_b[2][TILE_K * Sums::PITCH_B];
    const int t = threadIdx.x;
    const int first_row = blockIdx.y * TILE_M, first_column = blockIdx.x * TILE_N;
    sums.clear();
    real4 next_a[GROUPS_A], next_b[GROUPS_B];
    const int steps = (p.depth + TILE_K - 1) / TILE_K;
    // B [depth][columns] has its columns in lines, as a transposed A has its rows
    const auto get = [&](int step) {
#pragma unroll
        for (int g = 0; g < GROUPS_A; ++g)
            fetch<TA>(p.a, a.lda, p.rows, p.depth, first_row, step * TILE_K, TILE_M, t + g * 256,
                      next_a[g]);
#pragma unroll
        for (int g = 0; g < GROUPS_B; ++g)
            if (t + g * 256 < TILE_N * TILE_K / 4)
                fetch<!TB>(p.b, a.ldb, a.columns, p.depth, first_column, step * TILE_K, TILE_N,
                           t + g * 256, next_b[g]);
    };
    const auto keep = [&](int buffer) {
#pragma unroll
        for (int g = 0; g < GROUPS_A; ++g)
            put<TA>(tile_a[buffer], PITCH_A, TILE_M, t + g * 256, next_a[g]);
#pragma unroll
        for (int g = 0; g < GROUPS_B; ++g)
            if (t + g * 256 < TILE_N * TILE_K / 4)
                put<!TB>(tile_b[buffer], PITCH_B, TILE_N, t + g * 256, next_b[g]);
    };
    if (steps > 0) {
        get(0);
        keep(0);
    }
    __syncthreads();
    for (int step = 0; step < steps; ++step) {
        if (step + 1 < steps) get(step + 1);
        sums.step(tile_a[step % 2], tile_b[step % 2]);
        if (step + 1 < steps) keep((step + 1) % 2);
        __syncthreads();
    }
}

const int SUMS_A_THREAD = TILE_M * TILE_N / 256;

// A layer forward: y = φ(z) t + skip(x), z = x W + b; φ′ t is kept in `slopes`.
template <class Sums> __device__ __forceinline__ void forward(const ProductArguments& a) {
    const Product& p = a.products[blockIdx.z];
    if (halted(a.status)) return;
    if ((int)blockIdx.y * TILE_M >= p.rows) return;
    Sums sums;
    multiply<Sums, false, false>(a, p, sums);
#pragma unroll
    for (int e = 0; e < SUMS_A_THREAD; ++e) {
        const int row = blockIdx.y * TILE_M + sums.row(e);
        const int column = blockIdx.x * TILE_N + sums.column(e);
        if (row >= p.rows || column >= a.ldc) continue;
        real out = 0, slope = 0;
        if (column < a.columns) {
            const Curve f = curve(p.layer.activation, p.layer.threshold,
                                  sums.value(e) + p.layer.bias[column]);
            const real t = p.layer.timestep ? p.layer.timestep[column] : (real)1;
            out = f.value * t;
            slope = f.slope * t;
            if (p.layer.skip) out += p.input[(u64)row * a.ld_input + column % a.inputs];
        }
        p.c[(u64)row * a.ldc + column] = out;
        p.slopes[(u64)row * a.ld_slopes + column] = slope;
    }
}

KERNEL(layer_forward, ProductArguments, 256) { forward<Scalar>(a); }
KERNEL(layer_forward_tensor, ProductArguments, 256) { forward<Tensor>(a); }

// A layer backward: ∂E/∂x = ∂E/∂z Wᵀ + skipᵀ(∂E/∂y); then, in place of the slopes of the layer
// before, its ∂E/∂z. `input` is ∂E/∂y of this layer.
template <class Sums> __device__ __forceinline__ void backward(const ProductArguments& a) {
    const Product& p = a.products[blockIdx.z];
    if (halted(a.status)) return;
    if ((int)blockIdx.y * TILE_M >= p.rows) return;
    Sums sums;
    multiply<Sums, false, true>(a, p, sums);
#pragma unroll
    for (int e = 0; e < SUMS_A_THREAD; ++e) {
        const int row = blockIdx.y * TILE_M + sums.row(e);
        const int column = blockIdx.x * TILE_N + sums.column(e);
        if (row >= p.rows || column >= a.ldc) continue;
        real g = 0;
        if (column < a.columns) {
            g = sums.value(e);
            for (int k = 0; k < p.layer.skip; ++k)
                g += p.input[(u64)row * a.ld_input + column + k * a.columns];
            if (p.slopes) p.slopes[(u64)row * a.ld_slopes + column] *= g;
        }
        p.c[(u64)row * a.ldc + column] = g;
    }
}

KERNEL(layer_backward, ProductArguments, 256) { backward<Scalar>(a); }
KERNEL(layer_backward_tensor, ProductArguments, 256) { backward<Tensor>(a); }

struct OutputArguments {
    const Status* status;
    const u32* centres;
    // Rows of the part that are of this species.
    const real* outputs;
    real* slopes;
    // ∂E/∂y of the last hidden layer, written here.
    real* upstream;
    const real* weights;
    double* energies;
    double bias;
    double threshold;
    int activation;
    int width;
    int ld;
    u32 rows;
};

// The last layer: E = φ(w · y + b) + bias; ∂E/∂y, and ∂E/∂z in place of the slopes.
KERNEL(output_layer, OutputArguments, 128) {
    if (halted(a.status)) return;
    const u32 k = (u32)global_warp();
    if (k >= a.rows) return;
    double sum = 0.0;
    for (int n = lane_of(); n < a.width; n += WARP_SIZE)
        sum += (double)a.outputs[(u64)k * a.ld + n] * (double)a.weights[n];
    sum = warp_sum(sum) + (double)a.weights[a.width];
    double value = sum, slope = 1.0;
    if (a.activation != LINEAR) {
        const Curve f = curve(a.activation, a.threshold, (real)sum);
        value = f.value;
        slope = f.slope;
    }
    for (int n = lane_of(); n < a.ld; n += WARP_SIZE) {
        const real up = n < a.width ? a.weights[n] * (real)slope : (real)0;
        a.upstream[(u64)k * a.ld + n] = up;
        a.slopes[(u64)k * a.ld + n] *= up;
    }
    if (lane_of() == 0) a.energies[a.centres[k]] = value + a.bias;
}
