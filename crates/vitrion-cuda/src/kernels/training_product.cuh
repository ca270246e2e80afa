// Products in squares of 32 × 32 numbers, so that a few hundred rows fill a GPU.
//
// The 256 threads of a block are four groups of two warps; each takes a quarter of the depth that is
// fetched at once, and the four sums are added in order. The next squares are fetched into registers
// while the present ones are used. Leading dimensions are multiples of four, with zeros behind what
// is there.

namespace training {

const int SIDE = 32;

// A group of four numbers of a factor: along the depth ([line][depth]) or across it ([depth][line]).
template <bool ALONG>
__device__ __forceinline__ void place_of(int& line, int& k) {
    const int t = threadIdx.x;
    line = ALONG ? t / 64 * 8 + t % 8 : t % 8 * 4;
    k = ALONG ? t % 64 / 8 * 4 : t / 8;
}

template <bool ALONG>
__device__ __forceinline__ real4 fetch_four(const real* from, int ld, int lines, int depth,
                                            int first_line, int first_k) {
    int line, k;
    place_of<ALONG>(line, k);
    line += first_line;
    k += first_k;
    if (line < lines && k < depth)
        return load4(from + (ALONG ? (u64)line * ld + k : (u64)k * ld + line));
    const real4 zero = {{0, 0, 0, 0}};
    return zero;
}

template <bool ALONG, int PITCH>
__device__ __forceinline__ void put_four(real* square, const real4& four) {
    int line, k;
    place_of<ALONG>(line, k);
    if (!ALONG) store4(square + k * PITCH + line, four);
    else
        for (int o = 0; o < 4; ++o) square[(k + o) * PITCH + line] = four.v[o];
}

// How a group makes its sums, 16 numbers a thread.
//
// Multiply-adds of `real`, 4 × 4 numbers.
struct ScalarSquare {
    static const int PITCH = SIDE + 4;
    real sum[4][4];
    __device__ __forceinline__ void clear() {
        for (int r = 0; r < 4; ++r)
            for (int c = 0; c < 4; ++c) sum[r][c] = 0;
    }
    // Eight of the depth: [depth][line]
    __device__ __forceinline__ void step(const real* a, const real* b) {
        const int tx = threadIdx.x % 8, ty = threadIdx.x % 64 / 8;
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const real4 x = load4(a + k * PITCH + ty * 4), y = load4(b + k * PITCH + tx * 4);
#pragma unroll
            for (int r = 0; r < 4; ++r)
#pragma unroll
                for (int c = 0; c < 4; ++c) sum[r][c] += x.v[r] * y.v[c];
        }
    }
    __device__ __forceinline__ void write(real* square) const {
        const int tx = threadIdx.x % 8, ty = threadIdx.x % 64 / 8;
        for (int r = 0; r < 4; ++r) {
            const real4 four = {{sum[r][0], sum[r][1], sum[r][2], sum[r][3]}};
            store4(square + (ty * 4 + r) * PITCH + tx * 4, four);
        }
    }
};

// Tensor cores: a warp makes 16 × 32 numbers, 16 × 8 at a time (mma m16n8k8), of numbers split into
// two of TF32 as in `product.cuh`.
struct TensorSquare {
    static const int PITCH = SIDE + 8;
    float sum[4][4];
    __device__ __forceinline__ void clear() {
        for (int n = 0; n < 4; ++n)
            for (int r = 0; r < 4; ++r) sum[n][r] = 0;
    }
    __device__ __forceinline__ void step(const real* a, const real* b) {
        const int g = lane_of() / 4, t = lane_of() % 4, first = warp_of() % 2 * 16;
        u32 high[4], low[4];
#pragma unroll
        for (int r = 0; r < 4; ++r)
            split_tf32((float)a[(t + r / 2 * 4) * PITCH + first + g + r % 2 * 8], high[r], low[r]);
#pragma unroll
        for (int n = 0; n < 4; ++n) {
            u32 high_b[2], low_b[2];
#pragma unroll
            for (int r = 0; r < 2; ++r)
                split_tf32((float)b[(t + r * 4) * PITCH + n * 8 + g], high_b[r], low_b[r]);
            // tensor cores cut what they add to: sums over steps are f32's own
            float part[4] = {0, 0, 0, 0};
            mma_tf32(part, low, high_b);
            mma_tf32(part, high, low_b);
            mma_tf32(part, high, high_b);
#pragma unroll
            for (int r = 0; r < 4; ++r) sum[n][r] += part[r];
        }
    }
    __device__ __forceinline__ void write(real* square) const {
        const int row = warp_of() % 2 * 16 + lane_of() / 4, column = lane_of() % 4 * 2;
        for (int n = 0; n < 4; ++n)
            for (int r = 0; r < 4; ++r)
                square[(row + r / 2 * 8) * PITCH + n * 8 + column + r % 2] = sum[n][r];
    }
};

// Factors of a product; A is [depth][rows] where transposed, B [columns][depth].
struct Factors {
    const real* a;
    const real* b;
    int lda;
    int ldb;
    int rows;
    int columns;
    int depth;
};

// Adds the product of a block to its sums; `squares` has room for four.
template <class Sums, bool TA, bool TB>
__device__ __forceinline__ void accumulate(const Factors& f, real* squares, Sums& sums) {
    const int PITCH = Sums::PITCH, SQUARE = SIDE * PITCH, group = threadIdx.x / 64;
    const int first_row = blockIdx.y * SIDE, first_column = blockIdx.x * SIDE;
    const int steps = (f.depth + SIDE - 1) / SIDE;
    real4 next_a, next_b;
    const auto get = [&](int step) {
        next_a = fetch_four<!TA>(f.a, f.lda, f.rows, f.depth, first_row, step * SIDE);
        next_b = fetch_four<TB>(f.b, f.ldb, f.columns, f.depth, first_column, step * SIDE);
    };
    const auto keep = [&](int step) {
        real* to = squares + step % 2 * 2 * SQUARE;
        put_four<!TA, Sums::PITCH>(to, next_a);
        put_four<TB, Sums::PITCH>(to + SQUARE, next_b);
    };
    if (steps > 0) {
        get(0);
        keep(0);
    }
    __syncthreads();
    for (int step = 0; step < steps; ++step) {
        if (step + 1 < steps) get(step + 1);
        const real* from = squares + step % 2 * 2 * SQUARE + group * 8 * PITCH;
        sums.step(from, from + SQUARE);
        if (step + 1 < steps) keep(step + 1);
        __syncthreads();
    }
}

// Adds the groups' sums; a thread gets four numbers of row `t / 8` from column `t % 8 · 4` on.
template <class Sums> __device__ __forceinline__ real4 join(real* squares, const Sums& sums) {
    const int PITCH = Sums::PITCH, SQUARE = SIDE * PITCH, t = threadIdx.x;
    sums.write(squares + t / 64 * SQUARE);
    __syncthreads();
    real4 all = {{0, 0, 0, 0}};
    for (int g = 0; g < 4; ++g) {
        const real4 four = load4(squares + g * SQUARE + t / 8 * PITCH + t % 8 * 4);
        for (int o = 0; o < 4; ++o) all.v[o] += four.v[o];
    }
    return all;
}

}  // namespace training
