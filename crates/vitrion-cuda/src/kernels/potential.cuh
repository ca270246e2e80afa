// A Deep Potential: from neighbours to descriptors, and from their slopes to pair gradients.
//
// One warp serves one centre. Its lanes first take one list entry each: distance, environment row,
// interval of the table. Entries within the cut-off are packed into shared memory, then lanes take
// four embedding outputs each and go through the packed neighbours one by one, so that rows of a
// table are read in full lines and the moments stay in registers.

// What a list of neighbours is.
struct Surroundings {
    const vec3* positions;
    const u8* species;
    const u32* offsets;
    const u32* index;
    const u32* image;
    const vec3* translations;
};

// A pair [centre][neighbour] of species.
struct Pair {
    double mean[4];
    double inverse_std[4];
    // Of the table: input at its start and cells per unit.
    double lower;
    double per_cell;
    // First of its cells and of its rows; cells are 0 where there is no table.
    u32 first_cell;
    u32 cells;
    u32 first_row;
    // Whether such neighbours are seen at all.
    u32 seen;
};

struct Cell {
    u32 first;
    u32 intervals;
};

struct Descriptor {
    double cutoff;
    double smooth_cutoff;
    double protection;
    const Pair* pairs;
    const Cell* cells;
    // Rows [power][stride].
    const real* tables;
    // Moments of one empty slot, [pair][4][stride], or null where all are zero; slots per species.
    const real* padding;
    const double* sel;
    // (m << 16 | a) of every entry.
    const u32* entries;
    double per_slot;
    int species;
    int width;
    int stride;
    int axis;
    int degree;
    int features;
    int feature_stride;
    int reserved;
};

// Numbers that a warp keeps in shared memory for the neighbours of one round.
struct Packed {
    real* row;      // [32][4]
    real* place;    // [32][2]: position in the interval, du/dx
    u32* table;     // [32]: row of the table
};


// Distance and what the environment row is made of.
struct Seen {
    double vector[3];
    double distance;
    double s, t, s_slope, t_slope;
};

__device__ __forceinline__ void look(const Descriptor& d, double r2, Seen& seen) {
    const double r = sqrt(r2), q = 1.0 / (r + d.protection);
    const double per_width = 1.0 / (d.cutoff - d.smooth_cutoff);
    const double u = fmax((r - d.smooth_cutoff) * per_width, 0.0);
    const double polynomial = u * (u * -6.0 + 15.0) - 10.0;
    const double w = u * u * u * polynomial + 1.0;
    const double dw = u * u * per_width * (3.0 * polynomial + u * (u * -12.0 + 15.0));
    seen.distance = r;
    seen.s = w * q;
    seen.t = seen.s * q;
    seen.s_slope = (dw - seen.s) * q;
    seen.t_slope = r * (dw - 2.0 * seen.s) * q * q;
}

// Interval of input `x`; false outside the table and for NaN.
__device__ __forceinline__ bool locate(const Descriptor& d, const Pair& pair, double x, u32& row,
                                       double& u, double& scale) {
    const double position = (x - pair.lower) * pair.per_cell;
    if (!(position >= 0.0 && position < (double)pair.cells)) return false;
    const u32 cell = (u32)position;
    const Cell found = d.cells[pair.first_cell + cell];
    const double fine = (position - (double)cell) * (double)found.intervals;
    const u32 k = min((u32)fine, found.intervals - 1);
    row = pair.first_row + found.first + k;
    u = fine - (double)k;
    scale = pair.per_cell * (double)found.intervals;
    return true;
}

// What every kernel looks at first; `halt` stops all that follow. See `Halt` in Rust.
struct Status {
    u32 halt;
    // List of the atom that a halt is about, if any.
    u32 atom;
};
const u32 TOO_CLOSE = 1;

__device__ __forceinline__ bool halted(const Status* status) {
    return *(volatile const u32*)&status->halt != 0;
}

// One round: entries `start + lane` of a row. Returns the number of packed neighbours; `mine` is the
// place of this lane's, or -1.
__device__ __forceinline__ int pack_round(const Descriptor& d, const Surroundings& a, u32 i, u32 own,
                                          u32 start, u32 end, Status* status, const Packed& packed,
                                          Seen& seen, u32& pair_of, double& scale, u32& species,
                                          int& mine) {
    const u32 lane = lane_of(), p = start + lane;
    bool sees = false, tabled = false;
    double r2 = 0.0;
    species = 0xffu;
    pair_of = 0;
    if (p < end) {
        const u32 j = a.index[p];
        const vec3 v = vector_to(a.positions[i], a.positions[j], a.translations[a.image[p]]);
        seen.vector[0] = v.x, seen.vector[1] = v.y, seen.vector[2] = v.z;
        r2 = seen.vector[0] * seen.vector[0] + seen.vector[1] * seen.vector[1] +
             seen.vector[2] * seen.vector[2];
        species = a.species[j];
        pair_of = own * d.species + species;
        sees = r2 < d.cutoff * d.cutoff && d.pairs[pair_of].seen;
        tabled = sees && d.pairs[pair_of].cells != 0;
    }
    if (!sees) species = 0xffu;
    u32 row = 0;
    double u = 0.0, inputs[4] = {0.0, 0.0, 0.0, 0.0};
    scale = 0.0;
    if (tabled) {
        look(d, r2, seen);
        const Pair& pair = d.pairs[pair_of];
        inputs[0] = (seen.s - pair.mean[0]) * pair.inverse_std[0];
#pragma unroll
        for (int c = 0; c < 3; ++c)
            inputs[c + 1] = (seen.t * seen.vector[c] - pair.mean[c + 1]) * pair.inverse_std[c + 1];
        if (!locate(d, pair, inputs[0], row, u, scale)) {
            status->halt = TOO_CLOSE;
            status->atom = i;
            tabled = false;
        }
    }
    const u32 mask = __ballot_sync(ALL, tabled);
    mine = tabled ? __popc(mask & ((1u << lane) - 1u)) : -1;
    if (tabled) {
#pragma unroll
        for (int c = 0; c < 4; ++c) packed.row[mine * 4 + c] = (real)inputs[c];
        packed.place[mine * 2] = (real)u;
        packed.place[mine * 2 + 1] = (real)scale;
        packed.table[mine] = row;
    }
    __syncwarp();
    return __popc(mask);
}

// Shared numbers of one warp, carved from the dynamic shared memory of the block.
__device__ __forceinline__ Packed packed_of(real*& at) {
    Packed packed;
    packed.row = at;
    packed.place = at + 32 * 4;
    packed.table = reinterpret_cast<u32*>(at + 32 * 6);
    at += 32 * 7;
    return packed;
}

struct DescribeArguments {
    Surroundings around;
    Descriptor descriptor;
    Status* status;
    // Centres of this part in order of species.
    const u32* centres;
    // [centre][4][stride] and [centre][feature_stride]
    real* moments;
    real* features;
    u32 count;
    u32 reserved;
};

// T = 1/N_m Σ_slots G ⊗ R̃ and D = T T[..A]ᵀ of every centre; a lane has `CHUNKS` times four outputs.
template <int CHUNKS> __device__ __forceinline__ void describe_centre(const DescribeArguments& a) {
    if (halted(a.status)) return;
    const u32 k = (u32)global_warp();
    if (k >= a.count) return;
    const Descriptor& d = a.descriptor;
    const u32 lane = lane_of();
    DYNAMIC_SHARED(real, memory);
    real* at = memory + warp_of() * (32 * 7 + 4 * d.stride);
    const Packed packed = packed_of(at);
    real* moments = at;

    const u32 i = a.centres[k], own = a.around.species[i];
    const u32 row = a.around.offsets[i], end = a.around.offsets[i + 1];
    const int row_size = (d.degree + 1) * d.stride;
    real sums[CHUNKS][4][4];
    for (int h = 0; h < CHUNKS; ++h)
        for (int c = 0; c < 4; ++c)
            for (int o = 0; o < 4; ++o) sums[h][c][o] = 0;
    for (u32 m = lane; m < 4 * d.stride; m += WARP_SIZE) moments[m] = 0;
    __syncwarp();
    for (u32 start = row; start < end; start += WARP_SIZE) {
        Seen seen;
        u32 pair, species;
        double scale;
        int mine;
        const int n = pack_round(d, a.around, i, own, start, end, a.status, packed, seen, pair,
                                 scale, species, mine);
        if (d.padding) {
            // every neighbour takes the place of one empty slot
            for (int t = 0; t < d.species; ++t) {
                const int count = __popc(__ballot_sync(ALL, species == (u32)t));
                const real* term = d.padding + (u64)(own * d.species + t) * 4 * d.stride;
                if (count)
                    for (u32 m = lane; m < 4 * d.stride; m += WARP_SIZE)
                        moments[m] -= (real)count * term[m];
            }
        }
        for (int q = 0; q < n; ++q) {
            const real* coefficients = d.tables + (u64)packed.table[q] * row_size;
            const real u = packed.place[q * 2];
            const real4 rho = load4(packed.row + q * 4);
#pragma unroll
            for (int h = 0; h < CHUNKS; ++h) {
                const int m = 4 * (lane + h * WARP_SIZE);
                if (m >= d.stride) continue;
                real4 y = load4(coefficients + d.degree * d.stride + m);
                for (int power = d.degree - 1; power >= 0; --power) {
                    const real4 next = load4(coefficients + power * d.stride + m);
#pragma unroll
                    for (int o = 0; o < 4; ++o) y.v[o] = y.v[o] * u + next.v[o];
                }
#pragma unroll
                for (int c = 0; c < 4; ++c)
#pragma unroll
                    for (int o = 0; o < 4; ++o) sums[h][c][o] += rho.v[c] * y.v[o];
            }
        }
        __syncwarp();
    }
    if (d.padding) {
        for (int t = 0; t < d.species; ++t) {
            const real* term = d.padding + (u64)(own * d.species + t) * 4 * d.stride;
            for (u32 m = lane; m < 4 * d.stride; m += WARP_SIZE)
                moments[m] += (real)d.sel[t] * term[m];
        }
        __syncwarp();
    }
#pragma unroll
    for (int h = 0; h < CHUNKS; ++h) {
        const int m = 4 * (lane + h * WARP_SIZE);
        if (m >= d.stride) continue;
        for (int c = 0; c < 4; ++c)
            for (int o = 0; o < 4; ++o) {
                real& moment = moments[c * d.stride + m + o];
                moment = (moment + sums[h][c][o]) * (real)d.per_slot;
            }
    }
    __syncwarp();
    real* kept = a.moments + (u64)k * 4 * d.stride;
    for (u32 m = lane; m < 4 * d.stride; m += WARP_SIZE) kept[m] = moments[m];
    real* features = a.features + (u64)k * d.feature_stride;
    for (u32 e = lane; e < d.feature_stride; e += WARP_SIZE) {
        real value = 0;
        if (e < d.features) {
            const u32 entry = d.entries[e], m = entry >> 16, b = entry & 0xffffu;
            for (int c = 0; c < 4; ++c)
                value += moments[c * d.stride + m] * moments[c * d.stride + b];
        }
        features[e] = value;
    }
}

KERNEL(describe, DescribeArguments, 128) { describe_centre<1>(a); }
KERNEL(describe_wide, DescribeArguments, 128) { describe_centre<2>(a); }

// Number of entry (m, a) of a descriptor.
__device__ __forceinline__ int entry_of(int axis, int m, int b) {
    if (m < axis) return m >= b ? m * (m + 1) / 2 + b : b * (b + 1) / 2 + m;
    return axis * (axis + 1) / 2 + (m - axis) * axis + b;
}

// ∂/∂T of a function of D with these slopes, times `factor`: for every m and c
// Σ_a s_ma T_ca (+ Σ_m' s_m'm T_cm' where m is below the axis; the diagonal counts twice). Thread
// `thread` of so many.
template <class Shape>
__device__ __forceinline__ void spread(const Shape& d, const real* slopes, const real* moments,
                                       real factor, real* out, int thread, int threads) {
    for (int m = thread; m < d.stride; m += threads) {
        real sum[4] = {0, 0, 0, 0};
        if (m < d.width) {
            for (int b = 0; b < d.axis; ++b) {
                real s = slopes[entry_of(d.axis, m, b)];
                if (b == m) s *= 2;
                for (int c = 0; c < 4; ++c) sum[c] += s * moments[c * d.stride + b];
            }
            if (m < d.axis)
                for (int other = d.axis; other < d.width; ++other) {
                    const real s = slopes[entry_of(d.axis, other, m)];
                    for (int c = 0; c < 4; ++c) sum[c] += s * moments[c * d.stride + other];
                }
        }
        for (int c = 0; c < 4; ++c) out[c * d.stride + m] = sum[c] * factor;
    }
}

struct DifferentiateArguments {
    Surroundings around;
    Descriptor descriptor;
    Status* status;
    const u32* centres;
    const real* moments;
    // ∂E/∂D
    const real* slopes;
    // ∂E_i/∂r_ij of every list entry.
    real3* gradients;
    // −Σ g ⊗ r of every atom, by its number.
    double* virials;
    u32 count;
    u32 reserved;
};

// From ∂E/∂D to the gradient of every pair.
template <int CHUNKS>
__device__ __forceinline__ void differentiate_centre(const DifferentiateArguments& a) {
    if (halted(a.status)) return;
    const u32 k = (u32)global_warp();
    if (k >= a.count) return;
    const Descriptor& d = a.descriptor;
    const u32 lane = lane_of();
    DYNAMIC_SHARED(real, memory);
    real* at = memory + warp_of() * (32 * 7 + 32 * 8 + 8 * d.stride + d.feature_stride);
    const Packed packed = packed_of(at);
    real* sums = at;  // [32][8]
    at += 32 * 8;
    real* moments = at;
    at += 4 * d.stride;
    real* toward = at;  // ∂E/∂T / N_m
    at += 4 * d.stride;
    real* slopes = at;

    const u32 i = a.centres[k], own = a.around.species[i];
    const u32 row = a.around.offsets[i], end = a.around.offsets[i + 1];
    const int row_size = (d.degree + 1) * d.stride;
    for (u32 m = lane; m < 4 * d.stride; m += WARP_SIZE)
        moments[m] = a.moments[(u64)k * 4 * d.stride + m];
    for (u32 e = lane; e < d.features; e += WARP_SIZE)
        slopes[e] = a.slopes[(u64)k * d.feature_stride + e];
    __syncwarp();
    spread(d, slopes, moments, (real)d.per_slot, toward, lane, WARP_SIZE);
    __syncwarp();
    real t[CHUNKS][4][4];
#pragma unroll
    for (int h = 0; h < CHUNKS; ++h) {
        const int m = 4 * (lane + h * WARP_SIZE);
        const bool there = m < d.stride;
        for (int c = 0; c < 4; ++c)
            for (int o = 0; o < 4; ++o) t[h][c][o] = there ? toward[c * d.stride + m + o] : (real)0;
    }
    double virial[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    for (u32 start = row; start < end; start += WARP_SIZE) {
        Seen seen;
        u32 pair, species;
        double scale;
        int mine;
        const int n = pack_round(d, a.around, i, own, start, end, a.status, packed, seen, pair,
                                 scale, species, mine);
        for (int first = 0; first < n; first += 4) {
            real x[WARP_SIZE];
#pragma unroll
            for (int slot = 0; slot < 4; ++slot) {
                real along[4] = {0, 0, 0, 0}, turned = 0;
                const int q = first + slot;
                if (q < n) {
                    const real* coefficients = d.tables + (u64)packed.table[q] * row_size;
                    const real u = packed.place[q * 2];
                    const real4 rho = load4(packed.row + q * 4);
#pragma unroll
                    for (int h = 0; h < CHUNKS; ++h) {
                        const int m = 4 * (lane + h * WARP_SIZE);
                        if (m >= d.stride) continue;
                        real4 y = load4(coefficients + d.degree * d.stride + m);
                        real slope[4] = {0, 0, 0, 0};
                        for (int power = d.degree - 1; power >= 0; --power) {
                            const real4 next = load4(coefficients + power * d.stride + m);
#pragma unroll
                            for (int o = 0; o < 4; ++o) {
                                slope[o] = slope[o] * u + y.v[o];
                                y.v[o] = y.v[o] * u + next.v[o];
                            }
                        }
#pragma unroll
                        for (int o = 0; o < 4; ++o) {
                            real weighted = 0;
#pragma unroll
                            for (int c = 0; c < 4; ++c) {
                                along[c] += t[h][c][o] * y.v[o];
                                weighted += t[h][c][o] * rho.v[c];
                            }
                            turned += weighted * slope[o];
                        }
                    }
                }
#pragma unroll
                for (int c = 0; c < 4; ++c) x[slot * 8 + c] = along[c];
                x[slot * 8 + 4] = turned;
                x[slot * 8 + 5] = x[slot * 8 + 6] = x[slot * 8 + 7] = 0;
            }
            sums[first * 8 + lane] = warp_sum_32(x);
        }
        __syncwarp();
        const u32 p = start + lane;
        if (p < end) {
            real3 g = {0, 0, 0};
            if (mine >= 0) {
                const Pair& kind = d.pairs[pair];
                const real* sum = sums + mine * 8;
                const real ds = (sum[0] + sum[4] * (real)scale) * (real)kind.inverse_std[0];
                real unit[3], d_row[3], radial = 0;
#pragma unroll
                for (int c = 0; c < 3; ++c) {
                    unit[c] = (real)(seen.vector[c] / seen.distance);
                    d_row[c] = sum[c + 1] * (real)kind.inverse_std[c + 1];
                    radial += d_row[c] * unit[c];
                }
                const real along = ds * (real)seen.s_slope + (real)seen.t_slope * radial;
                g.x = along * unit[0] + (real)seen.t * d_row[0];
                g.y = along * unit[1] + (real)seen.t * d_row[1];
                g.z = along * unit[2] + (real)seen.t * d_row[2];
                const double gradient[3] = {g.x, g.y, g.z};
#pragma unroll
                for (int x = 0; x < 9; ++x) virial[x] -= gradient[x / 3] * seen.vector[x % 3];
            }
            a.gradients[p] = g;
        }
        __syncwarp();
    }
    double mine = 0;
#pragma unroll
    for (int x = 0; x < 9; ++x) {
        const double sum = warp_sum(virial[x]);
        if (lane == x) mine = sum;
    }
    if (lane < 9) a.virials[(u64)i * 9 + lane] = mine;
}

KERNEL(differentiate, DifferentiateArguments, 128) { differentiate_centre<1>(a); }
KERNEL(differentiate_wide, DifferentiateArguments, 128) { differentiate_centre<2>(a); }

struct SilentArguments {
    Surroundings around;
    Status* status;
    const u32* centres;
    const double* energy;
    real3* gradients;
    double* virials;
    double* energies;
    u32 count;
    u32 reserved;
};

// Centres whose species has no net: a constant energy and no gradients.
KERNEL(silence, SilentArguments, 128) {
    if (halted(a.status)) return;
    const u32 k = (u32)global_warp();
    if (k >= a.count) return;
    const u32 i = a.centres[k], end = a.around.offsets[i + 1];
    const real3 zero = {0, 0, 0};
    for (u32 p = a.around.offsets[i] + lane_of(); p < end; p += WARP_SIZE) a.gradients[p] = zero;
    if (lane_of() < 9) a.virials[(u64)i * 9 + lane_of()] = 0;
    if (lane_of() == 0) a.energies[i] = a.energy[a.around.species[i]];
}

// Screened nuclear repulsion of a pair of species.
struct Repulsion {
    double strength, per_length, a, b, c;
};

struct GatherArguments {
    Surroundings around;
    const u32* reverse;
    Status* status;
    const real3* gradients;
    double* energies;
    double* virials;
    // The caller's number of each atom; forces are written in that order.
    const u32* order;
    vec3* forces;
    // [centre][neighbour], or null; the switch goes from `inner` to `outer`.
    const Repulsion* repulsions;
    double inner;
    double outer;
    int species;
    u32 atoms;
};

// F_i = Σ_j (∂E_i/∂r_ij − ∂E_j/∂r_ji): each atom collects both ends of its pairs.
KERNEL(gather, GatherArguments, 128) {
    if (halted(a.status)) return;
    const u32 i = (u32)global_warp();
    if (i >= a.atoms) return;
    const u32 lane = lane_of(), end = a.around.offsets[i + 1], own = a.around.species[i];
    double f[3] = {0, 0, 0}, energy = 0.0, w[6] = {0, 0, 0, 0, 0, 0};
    for (u32 p = a.around.offsets[i] + lane; p < end; p += WARP_SIZE) {
        const real3 here = a.gradients[p], there = a.gradients[a.reverse[p]];
        f[0] += (double)here.x - (double)there.x;
        f[1] += (double)here.y - (double)there.y;
        f[2] += (double)here.z - (double)there.z;
        if (!a.repulsions) continue;
        const u32 j = a.around.index[p];
        const vec3 v = vector_to(a.around.positions[i], a.around.positions[j],
                                 a.around.translations[a.around.image[p]]);
        const double r2 = square_of(v);
        if (!(r2 < a.outer * a.outer)) continue;
        const double weights[4] = {0.02817, 0.28022, 0.50986, 0.18175};
        const double exponents[4] = {0.20162, 0.40290, 0.94229, 3.19980};
        const Repulsion& pair = a.repulsions[own * a.species + a.around.species[j]];
        const double r = sqrt(r2);
        double screened = 0.0, slope = 0.0;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const double e = weights[k] * exp(-exponents[k] * pair.per_length * r);
            screened += e;
            slope -= exponents[k] * pair.per_length * e;
        }
        const double s = pair.strength / r, t = r - a.inner;
        double phi = s * screened + pair.c, d = s * (slope - screened / r);
        if (t > 0.0) {
            phi += t * t * t * (pair.a / 3.0 + pair.b / 4.0 * t);
            d += t * t * (pair.a + pair.b * t);
        }
        // both ends see the pair; each has half of its energy
        energy += 0.5 * phi;
        const double g = d / r;
        f[0] += g * v.x;
        f[1] += g * v.y;
        f[2] += g * v.z;
        const double h = -0.5 * g;
        w[0] += h * v.x * v.x;
        w[1] += h * v.x * v.y;
        w[2] += h * v.x * v.z;
        w[3] += h * v.y * v.y;
        w[4] += h * v.y * v.z;
        w[5] += h * v.z * v.z;
    }
#pragma unroll
    for (int c = 0; c < 3; ++c) f[c] = warp_sum(f[c]);
    if (a.repulsions) {
        energy = warp_sum(energy);
#pragma unroll
        for (int c = 0; c < 6; ++c) w[c] = warp_sum(w[c]);
    }
    if (lane == 0) {
        const vec3 force = {f[0], f[1], f[2]};
        a.forces[a.order[i]] = force;
        if (a.repulsions) {
            a.energies[i] += energy;
            double* virial = a.virials + (u64)i * 9;
            virial[0] += w[0], virial[1] += w[1], virial[2] += w[2];
            virial[3] += w[1], virial[4] += w[3], virial[5] += w[4];
            virial[6] += w[2], virial[7] += w[4], virial[8] += w[5];
        }
    }
}
