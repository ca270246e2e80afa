// Training, the end of a step: norm of the gradient, its verdict, optimisers, moving average.
//
// Vectors of parameters are padded: rows of weights to multiples of four numbers, with zeros that
// stay zero.

namespace training {

const int MUON_PARTS = 32;

// What a step that failed leaves; nothing is changed after it.
struct Control {
    u32 halt;
    // Number of the frame whose energy or forces are not finite, and its energy.
    u32 frame;
    u64 step;
    double energy;
    // What the gradient is multiplied with.
    double scale;
};
const u32 BAD_FRAME = 1, DIVERGED = 2;

struct NormArguments {
    const real* gradient;
    double* parts;
    u64 length;
};

// Sums of squares, one a block.
KERNEL(norm_parts, NormArguments, 256) {
    double sum = 0.0;
    for (u64 k = global_thread(); k < a.length; k += (u64)gridDim.x * blockDim.x)
        sum += (double)a.gradient[k] * (double)a.gradient[k];
    sum = block_sum(sum);
    if (threadIdx.x == 0) a.parts[blockIdx.x] = sum;
}

// Squares of a step: sum and number of terms of energy, force and virial.
struct StepResult {
    double loss;
    double norm;
    double squares[6];
};

struct EndArguments {
    Batch batch;
    const FrameResult* found;
    const double* parts;
    Control* control;
    StepResult* result;
    // Largest norm of the gradient.
    double clip;
    u64 step;
    u32 part_count;
    u32 reserved;
};

// Sums over the frames of a batch; whether the step may change parameters, and the gradient's scale.
KERNEL(judge_step, EndArguments, 256) {
    if (*(volatile const u32*)&a.control->halt != 0) return;
    double sums[8] = {0, 0, 0, 0, 0, 0, 0, 0}, bad = 1e300;
    for (u32 f = threadIdx.x; f < a.batch.count; f += blockDim.x) {
        const FrameResult found = a.found[f];
        const Frame& frame = a.batch.frames[f];
        sums[0] += found.loss;
        sums[2] += found.energy_square;
        sums[3] += frame.flags & HAS_ENERGY ? 1.0 : 0.0;
        sums[4] += found.force_square;
        sums[5] += frame.flags & HAS_FORCES ? 3.0 * (double)frame.atoms : 0.0;
        sums[6] += found.virial_square;
        sums[7] += frame.flags & HAS_VIRIAL ? 9.0 : 0.0;
        if (found.finite == 0.0) bad = fmin(bad, (double)f);
    }
    for (u32 k = threadIdx.x; k < a.part_count; k += blockDim.x) sums[1] += a.parts[k];
    for (int n = 0; n < 8; ++n) sums[n] = block_sum(sums[n]);
    __shared__ double first[256];
    first[threadIdx.x] = bad;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (u32 k = 1; k < blockDim.x; ++k) bad = fmin(bad, first[k]);
    const double norm = sqrt(sums[1]);
    Control& control = *a.control;
    control.scale = norm > a.clip ? a.clip / norm : 1.0;
    if (bad < 1e300) {
        control.halt = BAD_FRAME;
        control.frame = a.batch.frames[(u32)bad].number;
        control.energy = a.found[(u32)bad].energy;
    } else if (!is_finite(norm)) {
        control.halt = DIVERGED;
    }
    if (control.halt != 0) {
        control.step = a.step;
        return;
    }
    StepResult result;
    result.loss = sums[0];
    result.norm = norm;
    for (int n = 0; n < 6; ++n) result.squares[n] = sums[2 + n];
    *a.result = result;
}

struct AdamArguments {
    real* parameters;
    const real* gradient;
    real* first;
    real* second;
    // 1 where Muon takes over, or null.
    const u8* others;
    const Control* control;
    u64 length;
    double beta1;
    double one_minus1;
    double beta2;
    double one_minus2;
    double step;
    double scale;
    double epsilon;
    double keep;
};

// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − lr m̂/(√v̂ + ε)
KERNEL(adam, AdamArguments, 256) {
    const u64 k = global_thread();
    if (k >= a.length || a.control->halt != 0 || (a.others && a.others[k])) return;
    const real g = a.gradient[k] * (real)a.control->scale;
    const real m = (real)a.beta1 * a.first[k] + (real)a.one_minus1 * g;
    const real v = (real)a.beta2 * a.second[k] + (real)a.one_minus2 * g * g;
    a.first[k] = m;
    a.second[k] = v;
    const real size = sqrt(v) * (real)a.scale + (real)a.epsilon;
    a.parameters[k] = (real)a.keep * a.parameters[k] - (real)a.step * m / size;
}

struct AverageArguments {
    real* average;
    const real* parameters;
    const Control* control;
    u64 length;
    double keep;
    double take;
};

// average ← keep · average + take · parameters
KERNEL(average_parameters, AverageArguments, 256) {
    const u64 k = global_thread();
    if (k >= a.length || a.control->halt != 0) return;
    a.average[k] = (real)a.keep * a.average[k] + (real)a.take * a.parameters[k];
}

// A weight matrix and the memory to orthogonalise it (`optimizer/muon.rs`); the upright one of X and
// Xᵀ is [longer][ld_short].
struct Matrix {
    real* x;
    real* gram;
    real* polynomial;
    real* spare;
    real* factors[2];
    // Parts of the sum of squares of X.
    double* squares;
    // Start in the padded vector.
    u64 at;
    int rows;
    int columns;
    int ld;
    int longer;
    int shorter;
    int ld_short;
};
static_assert(sizeof(Matrix) == 88, "as in Rust");

struct MuonArguments {
    const Matrix* matrices;
    real* parameters;
    const real* gradient;
    real* first;
    const Control* control;
    double momentum;
    double rate;
    double keep;
    // Coefficients of the iteration.
    double coefficients[3];
    int iteration;
    int reserved;
};

// m ← μ m + g; X = g + μ m, upright.
KERNEL(muon_momentum, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.y];
    const real mu = (real)a.momentum, scale = (real)a.control->scale;
    const u64 size = (u64)matrix.rows * matrix.ld;
    double sum = 0.0;
    for (u64 k = global_thread(); k < size; k += (u64)gridDim.x * blockDim.x) {
        const int row = (int)(k / matrix.ld), column = (int)(k % matrix.ld);
        if (column >= matrix.columns) continue;
        const real g = a.gradient[matrix.at + k] * scale;
        const real m = mu * a.first[matrix.at + k] + g, x = g + mu * m;
        a.first[matrix.at + k] = m;
        const bool upright = matrix.rows >= matrix.columns;
        matrix.x[upright ? (u64)row * matrix.ld_short + column : (u64)column * matrix.ld_short + row] = x;
        sum += (double)x * (double)x;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) matrix.squares[blockIdx.x] = sum;
}

// Sum of the squares of X.
__device__ __forceinline__ double muon_square(const Matrix& matrix) {
    double sum = 0.0;
    for (int k = 0; k < MUON_PARTS; ++k) sum += matrix.squares[k];
    return sum;
}

// The product of this block, [rows][shorter]; false where this thread has nothing of it.
template <bool TA>
__device__ __forceinline__ bool muon_product(const Matrix& matrix, const real* a, const real* b,
                                             int rows, int depth, int& row, int& column,
                                             real4& out) {
    __shared__ __align__(16) real squares[4 * SIDE * ScalarSquare::PITCH];
    const int ld = matrix.ld_short;
    if ((int)blockIdx.y * SIDE >= rows || (int)blockIdx.x * SIDE >= ld) return false;
    const Factors f = {a, b, ld, ld, rows, matrix.shorter, depth};
    ScalarSquare sums;
    sums.clear();
    accumulate<ScalarSquare, TA, false>(f, squares, sums);
    out = join(squares, sums);
    row = blockIdx.y * SIDE + threadIdx.x / 8;
    column = blockIdx.x * SIDE + threadIdx.x % 8 * 4;
    return row < rows && column < ld;
}

// A = Xᵀ X / |X|²
KERNEL(muon_gram, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (!muon_product<true>(matrix, matrix.x, matrix.x, matrix.shorter, matrix.longer, row, column,
                            sum))
        return;
    const real scale = (real)(1.0 / sqrt(muon_square(matrix)));
    for (int o = 0; o < 4; ++o) sum.v[o] = sum.v[o] * scale * scale;
    store4(matrix.gram + (u64)row * matrix.ld_short + column, sum);
}

// p(A) = a + b A + c A², which is also the first factor.
KERNEL(muon_polynomial, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (!muon_product<false>(matrix, matrix.gram, matrix.gram, matrix.shorter, matrix.shorter, row,
                             column, sum))
        return;
    const u64 at = (u64)row * matrix.ld_short + column;
    const real4 gram = load4(matrix.gram + at);
    for (int o = 0; o < 4; ++o) {
        const real diagonal = row == column + o ? (real)a.coefficients[0] : (real)0;
        sum.v[o] = diagonal + (real)a.coefficients[1] * gram.v[o] +
                   (real)a.coefficients[2] * sum.v[o];
    }
    store4(matrix.polynomial + at, sum);
    if (a.iteration == 0) store4(matrix.factors[0] + at, sum);
}

// Q ← Q p(A) and A p(A), one after the other in the grid.
KERNEL(muon_advance, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.z / 2];
    const bool factor = blockIdx.z % 2;
    if (factor && a.iteration == 0) return;
    const real* from = factor ? matrix.factors[(a.iteration + 1) % 2] : matrix.gram;
    real* to = factor ? matrix.factors[a.iteration % 2] : matrix.spare;
    int row, column;
    real4 sum;
    if (muon_product<false>(matrix, from, matrix.polynomial, matrix.shorter, matrix.shorter, row,
                            column, sum))
        store4(to + (u64)row * matrix.ld_short + column, sum);
}

// A ← A p(A)²
KERNEL(muon_square_gram, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (muon_product<false>(matrix, matrix.spare, matrix.polynomial, matrix.shorter, matrix.shorter,
                            row, column, sum))
        store4(matrix.gram + (u64)row * matrix.ld_short + column, sum);
}

// θ ← (1 − lr·decay) θ − lr · 0.2 √max(rows, columns) · X Q / |X|
KERNEL(muon_step, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (!muon_product<false>(matrix, matrix.x, matrix.factors[a.iteration % 2], matrix.longer,
                             matrix.shorter, row, column, sum))
        return;
    const double square = muon_square(matrix);
    if (square < 2.2250738585072014e-308) return;
    const real scale = (real)(1.0 / sqrt(square)), keep = (real)a.keep;
    const real step = (real)(a.rate * 0.2 * sqrt((double)matrix.longer));
    const bool upright = matrix.rows >= matrix.columns;
    for (int o = 0; o < 4 && column + o < matrix.shorter; ++o) {
        const u64 at = upright ? (u64)row * matrix.ld + column + o
                               : (u64)(column + o) * matrix.ld + row;
        real& parameter = a.parameters[matrix.at + at];
        parameter = keep * parameter - step * (sum.v[o] * scale);
    }
}

}  // namespace training
