// Training, the end of a step: norm of the gradient, its verdict, optimisers, moving average.
//
// Vectors of parameters are padded: rows of weights to multiples of four numbers, with zeros that
// stay zero.

namespace training {

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
    for (u32 k = 1; k < min(blockDim.x, a.batch.count); ++k) bad = fmin(bad, first[k]);
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

}  // namespace training
