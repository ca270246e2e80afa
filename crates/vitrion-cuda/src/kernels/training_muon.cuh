// Training, Muon: weight matrices step along the orthogonal factor of their momentum.
//
// X ← X (a + b A + c A²) with A = Xᵀ X, done on the small square side as in `optimizer/muon.rs`:
// Q ← Q p(A), A ← A p(A)², and X Q at the end. All matrices of a model share each launch.

namespace training {

const int MUON_PARTS = 128;

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
    const u32 size = (u32)(matrix.rows * matrix.ld), ld = (u32)matrix.ld;
    double sum = 0.0;
    for (u32 k = blockIdx.x * blockDim.x + threadIdx.x; k < size; k += gridDim.x * blockDim.x) {
        const int row = (int)(k / ld), column = (int)(k % ld);
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

// X ← X/|X|, so that nothing that follows is too small for f32.
KERNEL(muon_normalize, MuonArguments, 256) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.y];
    const double square = muon_square(matrix);
    if (square < 2.2250738585072014e-308) return;
    const real scale = (real)(1.0 / sqrt(square));
    const u32 size = (u32)(matrix.longer * matrix.ld_short);
    for (u32 k = blockIdx.x * blockDim.x + threadIdx.x; k < size; k += gridDim.x * blockDim.x)
        matrix.x[k] *= scale;
}

// The product of this block, [rows][shorter]; false where this thread has nothing of it.
template <class Sums, bool TA>
__device__ __forceinline__ bool muon_product(const Matrix& matrix, const real* a, const real* b,
                                             int rows, int depth, int& row, int& column,
                                             real4& out) {
    __shared__ __align__(16) real squares[4 * SIDE * Sums::PITCH];
    const int ld = matrix.ld_short;
    if ((int)blockIdx.y * SIDE >= rows || (int)blockIdx.x * SIDE >= ld) return false;
    const Factors f = {a, b, ld, ld, rows, matrix.shorter, depth};
    Sums sums;
    sums.clear();
    accumulate<Sums, TA, false>(f, squares, sums);
    out = join(squares, sums);
    row = blockIdx.y * SIDE + threadIdx.x / 8;
    column = blockIdx.x * SIDE + threadIdx.x % 8 * 4;
    return row < rows && column < ld;
}

// Squares below the diagonal of a symmetric matrix are mirror images.
__device__ __forceinline__ bool below_diagonal() { return blockIdx.x < blockIdx.y; }

// Writes numbers on the diagonal and above it, and their mirror images.
__device__ __forceinline__ void store_symmetric(const Matrix& matrix, real* to, int row, int column,
                                                const real4& four) {
    for (int o = 0; o < 4; ++o) {
        const int other = column + o;
        if (other < row || other >= matrix.shorter) continue;
        to[(u64)row * matrix.ld_short + other] = four.v[o];
        to[(u64)other * matrix.ld_short + row] = four.v[o];
    }
}

// A = Xᵀ X
template <class Sums> __device__ __forceinline__ void muon_gram_of(const MuonArguments& a) {
    if (a.control->halt != 0 || below_diagonal()) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (!muon_product<Sums, true>(matrix, matrix.x, matrix.x, matrix.shorter, matrix.longer, row, column,
                            sum))
        return;
    store_symmetric(matrix, matrix.gram, row, column, sum);
}

KERNEL(muon_gram, MuonArguments, 256) { muon_gram_of<ScalarSquare>(a); }
KERNEL(muon_gram_tensor, MuonArguments, 256) { muon_gram_of<TensorSquare>(a); }

// p(A) = a + b A + c A², which is also the first factor.
template <class Sums> __device__ __forceinline__ void muon_polynomial_of(const MuonArguments& a) {
    if (a.control->halt != 0 || below_diagonal()) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (!muon_product<Sums, false>(matrix, matrix.gram, matrix.gram, matrix.shorter, matrix.shorter, row,
                             column, sum))
        return;
    const real4 gram = load4(matrix.gram + (u64)row * matrix.ld_short + column);
    for (int o = 0; o < 4; ++o) {
        const real diagonal = row == column + o ? (real)a.coefficients[0] : (real)0;
        sum.v[o] = diagonal + (real)a.coefficients[1] * gram.v[o] +
                   (real)a.coefficients[2] * sum.v[o];
    }
    store_symmetric(matrix, matrix.polynomial, row, column, sum);
    if (a.iteration == 0) store_symmetric(matrix, matrix.factors[0], row, column, sum);
}

KERNEL(muon_polynomial, MuonArguments, 256) { muon_polynomial_of<ScalarSquare>(a); }
KERNEL(muon_polynomial_tensor, MuonArguments, 256) { muon_polynomial_of<TensorSquare>(a); }

// Q ← Q p(A) and A p(A), one after the other in the grid.
template <class Sums> __device__ __forceinline__ void muon_advance_of(const MuonArguments& a) {
    if (a.control->halt != 0 || below_diagonal()) return;
    const Matrix& matrix = a.matrices[blockIdx.z / 2];
    const bool factor = blockIdx.z % 2;
    if (factor && a.iteration == 0) return;
    const real* from = factor ? matrix.factors[(a.iteration + 1) % 2] : matrix.gram;
    real* to = factor ? matrix.factors[a.iteration % 2] : matrix.spare;
    int row, column;
    real4 sum;
    if (muon_product<Sums, false>(matrix, from, matrix.polynomial, matrix.shorter, matrix.shorter, row,
                            column, sum))
        store_symmetric(matrix, to, row, column, sum);
}

KERNEL(muon_advance, MuonArguments, 256) { muon_advance_of<ScalarSquare>(a); }
KERNEL(muon_advance_tensor, MuonArguments, 256) { muon_advance_of<TensorSquare>(a); }

// A ← A p(A)²
template <class Sums> __device__ __forceinline__ void muon_square_gram_of(const MuonArguments& a) {
    if (a.control->halt != 0 || below_diagonal()) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (muon_product<Sums, false>(matrix, matrix.spare, matrix.polynomial, matrix.shorter, matrix.shorter,
                            row, column, sum))
        store_symmetric(matrix, matrix.gram, row, column, sum);
}

KERNEL(muon_square_gram, MuonArguments, 256) { muon_square_gram_of<ScalarSquare>(a); }
KERNEL(muon_square_gram_tensor, MuonArguments, 256) { muon_square_gram_of<TensorSquare>(a); }

// θ ← (1 − lr·decay) θ − lr · 0.2 √max(rows, columns) · X Q
template <class Sums> __device__ __forceinline__ void muon_step_of(const MuonArguments& a) {
    if (a.control->halt != 0) return;
    const Matrix& matrix = a.matrices[blockIdx.z];
    int row, column;
    real4 sum;
    if (!muon_product<Sums, false>(matrix, matrix.x, matrix.factors[a.iteration % 2], matrix.longer,
                             matrix.shorter, row, column, sum))
        return;
    if (muon_square(matrix) < 2.2250738585072014e-308) return;
    const real keep = (real)a.keep;
    const real step = (real)(a.rate * 0.2 * sqrt((double)matrix.longer));
    const bool upright = matrix.rows >= matrix.columns;
    for (int o = 0; o < 4 && column + o < matrix.shorter; ++o) {
        const u64 at = upright ? (u64)row * matrix.ld + column + o
                               : (u64)(column + o) * matrix.ld + row;
        real& parameter = a.parameters[matrix.at + at];
        parameter = keep * parameter - step * sum.v[o];
    }
}

KERNEL(muon_step, MuonArguments, 256) { muon_step_of<ScalarSquare>(a); }
KERNEL(muon_step_tensor, MuonArguments, 256) { muon_step_of<TensorSquare>(a); }

}  // namespace training
