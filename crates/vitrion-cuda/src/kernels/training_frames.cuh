// Training, frame by frame: what entries of the neighbour lists are, forces, losses and displacements.
//
// A frame lies in device memory as the host packed it (`training/frames.rs`); a batch is a table of
// frames and arrays over their atoms and entries, frame after frame. Rows of matrices are centres in
// order of species, then of frames, then of atoms.

namespace training {

const int ORDERS = 3;
// Numbers of an entry: row 4, value 6, slope 6, unit 3, distance, radial, angular, angular_slope, ẋ.
const int ENTRY = 24, VALUE = 4, SLOPE = 10, UNIT = 16, RADIAL = 20, INPUT = 23;
// In place of an image: the term of empty slots of a species, and how many neighbours it has.
const u32 EMPTY = 0x80000000u, EMPTY_COUNT = 20;
const u32 HAS_ENERGY = 1, HAS_FORCES = 2, HAS_VIRIAL = 4;

struct Frame {
    const vec3* positions;
    const u8* species;
    // Number of each atom among those of its species.
    const u32* ranks;
    // Entries of each atom; their centre, neighbour, image and interval of the grids.
    const u32* offsets;
    const u32* centres;
    const u32* index;
    const u32* image;
    const u32* nodes;
    const vec3* translations;
    // Entries in which an atom is the neighbour.
    const u32* incoming_offsets;
    const u32* incoming;
    // Entries in order of their intervals; chunks of those; the first chunk of each interval.
    const u32* order;
    const u32* chunks;
    const u32* intervals;
    // Labels.
    const vec3* forces;
    double energy;
    double virial[9];
    u32 flags;
    u32 number;
    u32 atoms;
    u32 entries;
    // In the arrays of the batch.
    u32 first_atom;
    u32 first_entry;
    u32 first_chunk;
    u32 reserved;
};
static_assert(sizeof(Frame) == 232, "as in Rust");

struct Centre {
    u32 frame;
    u32 atom;
};

struct Batch {
    const Frame* frames;
    // First row of each frame and species.
    const u32* row_starts;
    // Of every row, and the row of every atom.
    Centre* centres;
    u32* rows;
    // [entry][ENTRY] and ρ̇, [entry][4]
    real* entries;
    real* moving;
    u32 count;
    u32 atoms;
    u32 entry_count;
    u32 chunk_count;
    u32 species;
    u32 reserved;
};

// The frame that number `k` of the batch belongs to.
template <u32 Frame::*FIRST> __device__ __forceinline__ u32 frame_of(const Batch& batch, u32 k) {
    u32 low = 0, high = batch.count;
    while (high - low > 1) {
        const u32 middle = (low + high) / 2;
        if (batch.frames[middle].*FIRST <= k) low = middle;
        else high = middle;
    }
    return low;
}

struct ArrangeArguments {
    Batch batch;
};

// Puts centres in order of species.
KERNEL(arrange, ArrangeArguments, 128) {
    const u32 k = (u32)global_thread();
    if (k >= a.batch.atoms) return;
    const u32 f = frame_of<&Frame::first_atom>(a.batch, k);
    const Frame& frame = a.batch.frames[f];
    const u32 atom = k - frame.first_atom;
    const u32 row = a.batch.row_starts[f * a.batch.species + frame.species[atom]] + frame.ranks[atom];
    const Centre centre = {f, atom};
    a.batch.centres[row] = centre;
    a.batch.rows[k] = row;
}

// A pair [centre][neighbour] of species and the grid of its net.
struct TrainingPair {
    double mean;
    double per_radial;
    double per_angular;
    double lower;
    double per_spacing;
    double spacing;
    // Slots of the neighbour's species.
    double slots;
    u32 first;
    u32 reserved;
};

struct EnvironmentArguments {
    Batch batch;
    const TrainingPair* pairs;
    double cutoff;
    double smooth_cutoff;
    double protection;
    double per_slot;
};

// Row, its slopes and Hermite weights of every entry, in f64, rounded at the end.
KERNEL(environment, EnvironmentArguments, 128) {
    const u32 k = (u32)global_thread();
    if (k >= a.batch.entry_count) return;
    const Frame& frame = a.batch.frames[frame_of<&Frame::first_entry>(a.batch, k)];
    const u32 p = k - frame.first_entry, i = frame.centres[p], image = frame.image[p];
    const u32 own = frame.species[i] * a.batch.species;
    double out[ENTRY], x;
    for (int n = 0; n < ENTRY; ++n) out[n] = 0.0;
    const TrainingPair* pair;
    if (image & EMPTY) {
        pair = a.pairs + own + (image >> EMPTY_COUNT & 0x7ffu);
        const double missing = pair->slots - (double)(image & ((1u << EMPTY_COUNT) - 1u));
        x = -pair->mean * pair->per_radial;
        out[0] = missing * x * a.per_slot;
    } else {
        const u32 j = frame.index[p];
        pair = a.pairs + own + frame.species[j];
        const vec3 from = frame.positions[i], to = frame.positions[j], s = frame.translations[image];
        const vec3 v = {(to.x - from.x) + s.x, (to.y - from.y) + s.y, (to.z - from.z) + s.z};
        const double r = sqrt(square_of(v)), q = 1.0 / (r + a.protection);
        const double per_width = 1.0 / (a.cutoff - a.smooth_cutoff);
        const double u = fmin(fmax((r - a.smooth_cutoff) * per_width, 0.0), 1.0);
        const double polynomial = u * (u * -6.0 + 15.0) - 10.0;
        const double w = u * u * u * polynomial + 1.0;
        const double dw = u * u * per_width * (3.0 * polynomial + u * (u * -12.0 + 15.0));
        const double weight = w * q, t = weight * q;
        const double angular = t * pair->per_angular, turn = angular * a.per_slot;
        x = (weight - pair->mean) * pair->per_radial;
        out[0] = x * a.per_slot;
        out[1] = turn * v.x;
        out[2] = turn * v.y;
        out[3] = turn * v.z;
        out[UNIT] = v.x / r;
        out[UNIT + 1] = v.y / r;
        out[UNIT + 2] = v.z / r;
        out[UNIT + 3] = r;
        out[RADIAL] = (dw - weight) * q * pair->per_radial;
        out[RADIAL + 1] = angular;
        out[RADIAL + 2] = r * (dw - 2.0 * weight) * q * q * pair->per_angular;
    }
    const double h = pair->spacing;
    const double u = (x - pair->lower) * pair->per_spacing - (double)(frame.nodes[p] - pair->first);
    const double v = 1.0 - u, u2 = u * u, v2 = v * v, u3 = u2 * u, v3 = v2 * v;
    out[VALUE] = v3 * (1.0 + 3.0 * u + 6.0 * u2);
    out[VALUE + 1] = h * u * v3 * (1.0 + 3.0 * u);
    out[VALUE + 2] = 0.5 * h * h * u2 * v3;
    out[VALUE + 3] = u3 * (1.0 + 3.0 * v + 6.0 * v2);
    out[VALUE + 4] = -h * v * u3 * (1.0 + 3.0 * v);
    out[VALUE + 5] = 0.5 * h * h * v2 * u3;
    out[SLOPE] = -30.0 * u2 * v2 / h;
    out[SLOPE + 1] = v2 * (1.0 - 3.0 * u) * (1.0 + 5.0 * u);
    out[SLOPE + 2] = 0.5 * h * u * v2 * (2.0 - 5.0 * u);
    out[SLOPE + 3] = -out[SLOPE];
    out[SLOPE + 4] = u2 * (1.0 - 3.0 * v) * (1.0 + 5.0 * v);
    out[SLOPE + 5] = -0.5 * h * v * u2 * (2.0 - 5.0 * v);
    for (int n = 0; n < ENTRY; n += 4) {
        const real4 four = {{(real)out[n], (real)out[n + 1], (real)out[n + 2], (real)out[n + 3]}};
        store4(a.batch.entries + (u64)k * ENTRY + n, four);
    }
}

struct ForcesArguments {
    Batch batch;
    // ∂E_i/∂r of every entry.
    const real3* gradients;
    // Of every atom.
    vec3* forces;
    double* virials;
};

// F_i = Σ ∂E_i/∂r − Σ of the entries in which i is the neighbour; −Σ g ⊗ r of its own entries.
KERNEL(collect_forces, ForcesArguments, 128) {
    const u32 k = (u32)global_warp();
    if (k >= a.batch.atoms) return;
    const Frame& frame = a.batch.frames[frame_of<&Frame::first_atom>(a.batch, k)];
    const u32 i = k - frame.first_atom, lane = lane_of();
    const real3* gradients = a.gradients + frame.first_entry;
    double f[3] = {0, 0, 0}, w[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    for (u32 p = frame.offsets[i] + lane; p < frame.offsets[i + 1]; p += WARP_SIZE) {
        const real4 unit = load4(a.batch.entries + (u64)(frame.first_entry + p) * ENTRY + UNIT);
        const real3 found = gradients[p];
        const double g[3] = {found.x, found.y, found.z};
        for (int x = 0; x < 3; ++x) {
            f[x] += g[x];
            for (int y = 0; y < 3; ++y)
                w[x * 3 + y] -= g[x] * (double)unit.v[3] * (double)unit.v[y];
        }
    }
    for (u32 q = frame.incoming_offsets[i] + lane; q < frame.incoming_offsets[i + 1];
         q += WARP_SIZE) {
        const real3 g = gradients[frame.incoming[q]];
        f[0] -= (double)g.x;
        f[1] -= (double)g.y;
        f[2] -= (double)g.z;
    }
    for (int x = 0; x < 3; ++x) f[x] = warp_sum(f[x]);
    for (int x = 0; x < 9; ++x) w[x] = warp_sum(w[x]);
    if (lane == 0) {
        const vec3 force = {f[0], f[1], f[2]};
        a.forces[k] = force;
        for (int x = 0; x < 9; ++x) a.virials[(u64)k * 9 + x] = w[x];
    }
}

// Of one frame: its part of the loss, squares of residuals, energy, and whether all is finite.
struct FrameResult {
    double loss;
    double energy_square;
    double force_square;
    double virial_square;
    double energy;
    double finite;
};

struct LossArguments {
    Batch batch;
    // Of every row, and of every atom.
    const double* energies;
    const vec3* forces;
    const double* virials;
    FrameResult* found;
    // λ of every atom, [4]; μ and Λ of every frame, [12].
    real* force_slopes;
    real* frame_slopes;
    // Prefactors over the denominators of the batch.
    double energy_factor;
    double force_factor;
    double virial_factor;
    // δ; negative for squares.
    double huber;
    double element_weights[PRODUCTS];
    u32 intensive;
    u32 reserved;
};

__device__ __forceinline__ double penalty_of(double huber, double x, double& slope) {
    if (huber < 0.0) {
        slope = 2.0 * x;
        return x * x;
    }
    if (fabs(x) <= huber) {
        slope = x;
        return 0.5 * x * x;
    }
    slope = x < 0.0 ? -huber : huber;
    return huber * (fabs(x) - 0.5 * huber);
}

// Loss of a frame, a block each, and its slopes with respect to energy, forces and virial.
KERNEL(frame_losses, LossArguments, 256) {
    const Frame& frame = a.batch.frames[blockIdx.x];
    double energy = 0.0, virial[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    double loss = 0.0, square = 0.0, bad = 0.0;
    for (u32 i = threadIdx.x; i < frame.atoms; i += blockDim.x) {
        const u32 k = frame.first_atom + i;
        energy += a.energies[a.batch.rows[k]];
        for (int x = 0; x < 9; ++x) virial[x] += a.virials[(u64)k * 9 + x];
        const vec3 f = a.forces[k];
        const double force[3] = {f.x, f.y, f.z};
        if (!(is_finite(f.x) && is_finite(f.y) && is_finite(f.z))) bad = 1.0;
        real4 slopes = {{0, 0, 0, 0}};
        if (frame.flags & HAS_FORCES) {
            const vec3 l = frame.forces[i];
            const double label[3] = {l.x, l.y, l.z};
            const double factor = a.force_factor * a.element_weights[frame.species[i]];
            for (int x = 0; x < 3; ++x) {
                const double residual = force[x] - label[x];
                double slope;
                square += residual * residual;
                loss += factor * penalty_of(a.huber, residual, slope);
                slopes.v[x] = (real)(factor * slope);
            }
        }
        store4(a.force_slopes + (u64)k * 4, slopes);
    }
    energy = block_sum(energy);
    for (int x = 0; x < 9; ++x) virial[x] = block_sum(virial[x]);
    FrameResult found;
    found.loss = block_sum(loss);
    found.force_square = block_sum(square);
    found.energy_square = found.virial_square = 0.0;
    found.energy = energy;
    found.finite = block_sum(bad) > 0.0 || !is_finite(energy) ? 0.0 : 1.0;
    if (threadIdx.x != 0) return;
    const double n = (double)frame.atoms;
    const double scale = a.intensive || a.huber >= 0.0 ? 1.0 / n : 1.0 / sqrt(n);
    real* slopes = a.frame_slopes + (u64)blockIdx.x * 12;
    for (int x = 0; x < 12; ++x) slopes[x] = 0;
    double slope;
    if (frame.flags & HAS_ENERGY) {
        const double residual = energy - frame.energy;
        found.energy_square = residual / n * (residual / n);
        found.loss += a.energy_factor * penalty_of(a.huber, residual * scale, slope);
        slopes[0] = (real)(a.energy_factor * slope * scale);
    }
    if (frame.flags & HAS_VIRIAL) {
        for (int x = 0; x < 9; ++x) {
            const double residual = virial[x] - frame.virial[x];
            found.virial_square += residual / n * (residual / n);
            found.loss += a.virial_factor * penalty_of(a.huber, residual * scale, slope);
            slopes[1 + x] = (real)(a.virial_factor * slope * scale);
        }
    }
    a.found[blockIdx.x] = found;
}

struct DisplaceArguments {
    Batch batch;
    const real* force_slopes;
    const real* frame_slopes;
    double per_slot;
};

// ρ̇ and ẋ of every entry, displaced by d = λ_i − λ_j − Λ r.
KERNEL(displace, DisplaceArguments, 128) {
    const u32 k = (u32)global_thread();
    if (k >= a.batch.entry_count) return;
    const u32 f = frame_of<&Frame::first_entry>(a.batch, k);
    const Frame& frame = a.batch.frames[f];
    const u32 p = k - frame.first_entry;
    const u32 i = frame.first_atom + frame.centres[p], j = frame.first_atom + frame.index[p];
    real* entry = a.batch.entries + (u64)k * ENTRY;
    const real4 unit = load4(entry + UNIT), scales = load4(entry + RADIAL);
    const real4 own = load4(a.force_slopes + (u64)i * 4), other = load4(a.force_slopes + (u64)j * 4);
    const real* strain = a.frame_slopes + (u64)f * 12 + 1;
    real d[3], along = 0;
    for (int x = 0; x < 3; ++x) {
        const real turned = strain[x * 3] * unit.v[0] + strain[x * 3 + 1] * unit.v[1] +
                            strain[x * 3 + 2] * unit.v[2];
        d[x] = own.v[x] - other.v[x] - unit.v[3] * turned;
        along += unit.v[x] * d[x];
    }
    const real turn = scales.v[2] * along, per_slot = (real)a.per_slot, input = scales.v[0] * along;
    const real4 moving = {{input * per_slot, (scales.v[1] * d[0] + turn * unit.v[0]) * per_slot,
                           (scales.v[1] * d[1] + turn * unit.v[1]) * per_slot,
                           (scales.v[1] * d[2] + turn * unit.v[2]) * per_slot}};
    store4(a.batch.moving + (u64)k * 4, moving);
    entry[INPUT] = input;
}

}  // namespace training
