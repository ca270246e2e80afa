// Training, fitting nets: grouped products (`training_product.cuh`).
//
// What is done is told by a table in device memory that does not change from step to step; which rows
// belong to which species is told by `segments`.
//
// Layer y = φ(z) t + skip(x), z = x W + b; with g = ∂E/∂y, a dot the derivative along displacements
// and p the adjoint of y:
//
//   q = g t φ′    g ← q Wᵀ + skipᵀ g    ζ = (p φ′ + g φ″ ż) t    p ← ζ Wᵀ + skipᵀ p
//   dW = xᵀ ζ + ẋᵀ q    db = Σ ζ    dt = Σ p φ + g φ′ ż

namespace training {

// Rows of a species.
struct Segment {
    u32 first;
    u32 count;
};

struct Task {
    const real* a;
    const real* b;
    // A second pair of factors whose product is added, or null.
    const real* a2;
    const real* b2;
    real* c;
    // What skip connections carry: x forward, g or p backward.
    const real* input;
    // Of the layer whose activation is at work.
    real* kept;
    real* slope;
    real* moving;
    real* second;
    const real* timestep;
    const real* bias;
    double threshold;
    int rows;
    int columns;
    int depth;
    int lda;
    int ldb;
    int ldc;
    int ld_input;
    // Species whose rows these are; −1 where `rows` and `depth` say all.
    int segment;
    int activation;
    int skip;
};
static_assert(sizeof(Task) == 144, "as in Rust");

struct TaskArguments {
    const Task* tasks;
    const Segment* segments;
};

// The product of a task; false where this thread has nothing of it.
template <class Sums, bool TA, bool TB>
__device__ __forceinline__ bool product_of(const TaskArguments& a, const Task& t, u64& row,
                                           int& column, real4& out) {
    __shared__ __align__(16) real squares[4 * SIDE * Sums::PITCH];
    Factors f = {t.a, t.b, t.lda, t.ldb, t.rows, t.columns, t.depth};
    u64 first = 0;
    if (t.segment >= 0) {
        const Segment segment = a.segments[t.segment];
        first = segment.first;
        (TA ? f.depth : f.rows) = segment.count;
        f.a += first * t.lda;
        if (TA) f.b += first * t.ldb;
    }
    if ((int)blockIdx.y * SIDE >= f.rows || (int)blockIdx.x * SIDE >= t.ldc) return false;
    Sums sums;
    sums.clear();
    accumulate<Sums, TA, TB>(f, squares, sums);
    if (t.a2) {
        f.a = t.a2 + first * t.lda;
        f.b = t.b2 + (TA ? first * t.ldb : 0);
        accumulate<Sums, TA, TB>(f, squares, sums);
    }
    out = join(squares, sums);
    const int line = blockIdx.y * SIDE + threadIdx.x / 8;
    column = blockIdx.x * SIDE + threadIdx.x % 8 * 4;
    row = line + (TA ? 0 : first);
    return line < f.rows && column < t.ldc;
}

// tanh keeps its value, from which its derivatives follow; others keep their argument.
__device__ __forceinline__ real keep_of(int activation, real z) {
    return activation == TANH ? tanh(z) : z;
}

__device__ __forceinline__ Curve kept_curve(int activation, double threshold, real kept) {
    if (activation != TANH) return curve(activation, threshold, kept);
    const real d = (real)1 - kept * kept;
    const Curve found = {kept, d, (real)-2 * kept * d, d * ((real)4 * kept * kept - (real)2 * d)};
    return found;
}

// y = φ(x W + b) t + skip(x)
template <class Sums> __device__ __forceinline__ void fit_forward_of(const TaskArguments& a) {
    const Task& t = a.tasks[blockIdx.z];
    u64 row;
    int column;
    real4 sum;
    if (!product_of<Sums, false, false>(a, t, row, column, sum)) return;
    real4 kept, y;
    for (int o = 0; o < 4; ++o) {
        const int n = column + o;
        kept.v[o] = y.v[o] = 0;
        if (n >= t.columns) continue;
        kept.v[o] = keep_of(t.activation, sum.v[o] + t.bias[n]);
        const real step = t.timestep ? t.timestep[n] : (real)1;
        y.v[o] = kept_curve(t.activation, t.threshold, kept.v[o]).value * step;
        if (t.skip) y.v[o] += t.input[row * t.ld_input + n % t.depth];
    }
    store4(t.kept + row * t.ldc + column, kept);
    store4(t.c + row * t.ldc + column, y);
}

KERNEL(fit_forward, TaskArguments, 256) { fit_forward_of<ScalarSquare>(a); }
KERNEL(fit_forward_tensor, TaskArguments, 256) { fit_forward_of<TensorSquare>(a); }

// ẏ = φ′ ż t + skip(ẋ), ż = ẋ W
template <class Sums> __device__ __forceinline__ void fit_tangents_of(const TaskArguments& a) {
    const Task& t = a.tasks[blockIdx.z];
    u64 row;
    int column;
    real4 moving;
    if (!product_of<Sums, false, false>(a, t, row, column, moving)) return;
    const real4 kept = load4(t.kept + row * t.ldc + column);
    real4 y;
    for (int o = 0; o < 4; ++o) {
        const int n = column + o;
        y.v[o] = 0;
        if (n >= t.columns) continue;
        const real step = t.timestep ? t.timestep[n] : (real)1;
        y.v[o] = kept_curve(t.activation, t.threshold, kept.v[o]).slope * moving.v[o] * step;
        if (t.skip) y.v[o] += t.input[row * t.ld_input + n % t.depth];
    }
    store4(t.moving + row * t.ldc + column, moving);
    store4(t.c + row * t.ldc + column, y);
}

KERNEL(fit_tangents, TaskArguments, 256) { fit_tangents_of<ScalarSquare>(a); }
KERNEL(fit_tangents_tensor, TaskArguments, 256) { fit_tangents_of<TensorSquare>(a); }

// The way back of g or p through W and the skip connection.
__device__ __forceinline__ void add_skip(const Task& t, u64 row, int column, real4& g) {
    for (int o = 0; o < 4; ++o) {
        if (column + o >= t.columns) g.v[o] = 0;
        else
            for (int k = 0; k < t.skip; ++k)
                g.v[o] += t.input[row * t.ld_input + column + o + k * t.columns];
    }
}

// g of the layer below, and its q = g t φ′ where there is one.
template <class Sums> __device__ __forceinline__ void fit_backward_of(const TaskArguments& a) {
    const Task& t = a.tasks[blockIdx.z];
    u64 row;
    int column;
    real4 g;
    if (!product_of<Sums, false, true>(a, t, row, column, g)) return;
    add_skip(t, row, column, g);
    const u64 at = row * t.ldc + column;
    store4(t.c + at, g);
    if (!t.kept) return;
    real4 q = load4(t.kept + at);
    for (int o = 0; o < 4; ++o) {
        const real step = t.timestep && column + o < t.columns ? t.timestep[column + o] : (real)1;
        q.v[o] = g.v[o] * step * kept_curve(t.activation, t.threshold, q.v[o]).slope;
    }
    store4(t.second + at, q);
}

KERNEL(fit_backward, TaskArguments, 256) { fit_backward_of<ScalarSquare>(a); }
KERNEL(fit_backward_tensor, TaskArguments, 256) { fit_backward_of<TensorSquare>(a); }

// ζ, and in place of ż what the gradient of the timestep sums.
__device__ __forceinline__ void adjoint_of(int activation, double threshold, real timestep,
                                           real kept, real g, real p, real& moving, real& zeta) {
    const Curve f = kept_curve(activation, threshold, kept);
    zeta = (p * f.slope + g * f.bend * moving) * timestep;
    moving = p * f.value + g * f.slope * moving;
}

// p of the layer below, and its ζ where there is one.
template <class Sums> __device__ __forceinline__ void fit_adjoints_of(const TaskArguments& a) {
    const Task& t = a.tasks[blockIdx.z];
    u64 row;
    int column;
    real4 p;
    if (!product_of<Sums, false, true>(a, t, row, column, p)) return;
    add_skip(t, row, column, p);
    const u64 at = row * t.ldc + column;
    store4(t.c + at, p);
    if (!t.kept) return;
    const real4 kept = load4(t.kept + at), g = load4(t.slope + at);
    real4 moving = load4(t.moving + at), zeta;
    for (int o = 0; o < 4; ++o) {
        const real step = t.timestep && column + o < t.columns ? t.timestep[column + o] : (real)1;
        adjoint_of(t.activation, t.threshold, step, kept.v[o], g.v[o], p.v[o], moving.v[o],
                   zeta.v[o]);
    }
    store4(t.moving + at, moving);
    store4(t.second + at, zeta);
}

KERNEL(fit_adjoints, TaskArguments, 256) { fit_adjoints_of<ScalarSquare>(a); }
KERNEL(fit_adjoints_tensor, TaskArguments, 256) { fit_adjoints_of<TensorSquare>(a); }

// dW = Aᵀ B + A2ᵀ B2
template <class Sums> __device__ __forceinline__ void weight_gradients_of(const TaskArguments& a) {
    const Task& t = a.tasks[blockIdx.z];
    u64 row;
    int column;
    real4 sum;
    if (product_of<Sums, true, false>(a, t, row, column, sum)) store4(t.c + row * t.ldc + column, sum);
}

KERNEL(weight_gradients, TaskArguments, 256) { weight_gradients_of<ScalarSquare>(a); }
KERNEL(weight_gradients_tensor, TaskArguments, 256) { weight_gradients_of<TensorSquare>(a); }

// The last layer of a species, which has one output, and the hidden one below.
struct Top {
    const real* weights;
    const real* bias;
    const real* timestep;
    double threshold;
    double constant;
    int activation;
    int reserved;
};
static_assert(sizeof(Top) == 48, "as in Rust");

struct TopArguments {
    Batch batch;
    const Top* tops;
    const real* frame_slopes;
    const real* kept;
    const real* output;
    // g and q going down; p and ζ going down the second time.
    real* slope;
    real* second;
    // ẏ, then what the gradient of the last layer sums; ż, the same of the timestep.
    real* tangent;
    real* moving;
    double* energies;
    // μ of every row, [4]
    real* row_slopes;
    int width;
    int ld;
    u32 rows;
    u32 reserved;
};

// E = w · y + b; g = w and q of the last hidden layer.
KERNEL(fit_energies, TopArguments, 128) {
    const u32 row = (u32)global_warp();
    if (row >= a.rows) return;
    const Centre centre = a.batch.centres[row];
    const Top& top = a.tops[a.batch.frames[centre.frame].species[centre.atom]];
    double sum = 0.0;
    for (int n = lane_of(); n < a.ld; n += WARP_SIZE) {
        const u64 at = (u64)row * a.ld + n;
        real g = 0, q = 0;
        if (n < a.width) {
            g = top.weights[n];
            sum += (double)(g * a.output[at]);
            const real step = top.timestep ? top.timestep[n] : (real)1;
            q = g * step * kept_curve(top.activation, top.threshold, a.kept[at]).slope;
        }
        a.slope[at] = g;
        a.second[at] = q;
    }
    sum = warp_sum(sum);
    if (lane_of() == 0) a.energies[row] = sum + (double)top.bias[0] + top.constant;
}

// p = μ w and ζ of the last hidden layer; μ y + ẏ, which the gradient of the last layer sums.
KERNEL(fit_top, TopArguments, 128) {
    const u32 row = (u32)global_warp();
    if (row >= a.rows) return;
    const Centre centre = a.batch.centres[row];
    const Top& top = a.tops[a.batch.frames[centre.frame].species[centre.atom]];
    const real mu = a.frame_slopes[(u64)centre.frame * 12];
    for (int n = lane_of(); n < a.ld; n += WARP_SIZE) {
        const u64 at = (u64)row * a.ld + n;
        real p = 0, zeta = 0, moving = 0, sum = 0;
        if (n < a.width) {
            const real g = top.weights[n], step = top.timestep ? top.timestep[n] : (real)1;
            p = g * mu;
            moving = a.moving[at];
            adjoint_of(top.activation, top.threshold, step, a.kept[at], g, p, moving, zeta);
            sum = mu * a.output[at] + a.tangent[at];
        }
        a.slope[at] = p;
        a.second[at] = zeta;
        a.moving[at] = moving;
        a.tangent[at] = sum;
    }
    if (lane_of() < 4) a.row_slopes[(u64)row * 4 + lane_of()] = lane_of() == 0 ? mu : (real)0;
}

// Columns of a matrix whose sums are wanted.
struct Columns {
    const real* from;
    real* to;
    int ld;
    int count;
    int rows;
    int segment;
};
static_assert(sizeof(Columns) == 32, "as in Rust");

struct ColumnArguments {
    const Columns* columns;
    const Segment* segments;
};

// Eight threads a column, their sums in order.
KERNEL(column_sums, ColumnArguments, 256) {
    __shared__ real parts[8][32];
    const Columns& c = a.columns[blockIdx.y];
    const u32 column = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    if (blockIdx.x * 32 >= c.count) return;
    const real* from = c.from;
    u32 rows = c.rows;
    if (c.segment >= 0) {
        const Segment segment = a.segments[c.segment];
        from += (u64)segment.first * c.ld;
        rows = segment.count;
    }
    real sum = 0;
    if (column < c.count)
        for (u32 row = part; row < rows; row += 8) sum += from[(u64)row * c.ld + column];
    parts[part][threadIdx.x % 32] = sum;
    __syncthreads();
    if (part != 0 || column >= c.count) return;
    sum = 0;
    for (int k = 0; k < 8; ++k) sum += parts[k][threadIdx.x];
    c.to[column] = sum;
}

}  // namespace training
