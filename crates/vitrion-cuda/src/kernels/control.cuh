// What a run on the device keeps between kernels, and the arithmetic that one thread does: targets,
// thermostats, barostat, and when the neighbour list has expired. Equations and signs are those of
// vitrion-md (`integrate.rs`), which defines them.

const u32 LIST_FULL = 2, MOVED_TOO_FAR = 3, STRAINED = 4, BAD_CELL = 5, NOT_FINITE = 6, TOO_MANY_IMAGES = 7,
          TOO_MANY_PAIRS = 8, LIST_BROKEN = 9;
// List entries are numbered in 32 bits, and a warp looks 32 beyond the last.
const u64 MOST_PAIRS = 0xffffff00ull;

const int PARTS = 8, CHAIN = 16, MODES = 6;
const int MAX_IMAGES = 4096;
const double LARGEST_STRAIN = 0.02;
// Sums over atoms: energy, virial, and Σ m v v of each part (xx yy zz yz xz xy).
const int SUMS = 10 + 6 * PARTS;
const u8 FROZEN = 255;

struct Chain {
    double position[CHAIN];
    double velocity[CHAIN];
};

struct Control {
    Status status;
    u64 done;
    u64 moved2;
    u64 jumped2;
    u64 builds;
    u64 pairs;
    u32 rebuild;
    u32 images;
    int bins[3];
    int reach[3];
    int far[3];
    u32 reserved;
    double cell[9];
    double inverse[9];
    double before[9];
    double list_cell[9];
    double list_inverse[9];
    double carry[9];
    double volume;
    // Thermostats and barostat.
    Chain particles[PARTS];
    Chain piston;
    double strain_rate[9];
    double work;
    double heat;
    double growth;
    double kt[PARTS];
    double pressure;
    // For the passes over atoms.
    double factor[PARTS];
    double decay[9];
    double push[9];
    double grow[9];
    double drift[9];
    double whole[9];
    // Of the last sums.
    double energy;
    double virial[9];
    double kinetic[PARTS * 6];
    double strain;
};

struct Ramp {
    double start, end;
    // 0: linear.
    u32 plateaus;
    u32 moves;
};

struct Part {
    // 0 none, 1 Nosé–Hoover chain, 2 stochastic velocity rescaling
    int thermostat;
    int chain;
    double period;
    double dof;
    Ramp temperature;
};

struct Plan {
    Control* control;
    double* partials;
    double* record_of;
    u64 steps;
    u64 seed;
    double dt;
    double skin;
    double cutoff;
    double max_displacement;
    double boltzmann;
    double kinetic_per_mv2;
    double dof;
    Ramp pressure;
    double piston_period;
    double rescaling_period;
    double compressibility;
    double modes[MODES * 9];
    Part parts[PARTS];
    int part_count;
    int mode_count;
    int piston_chain;
    int deforms;
    int moving_targets;
    int most_bins;
    u32 atoms;
    u32 blocks;
};

// Record of a step: cell, energy, virial, Σ m v v of all atoms, 2K of the parts, conserved quantity.
// Records of the last RING steps are kept, that of step k in place (k − 1) % RING.
const u64 RING = 128;
const int RECORD = 9 + 1 + 9 + 6 + PARTS + 1;

// ---- small matrices, row-major ----

__device__ void identity(double* m, double scale) {
    for (int k = 0; k < 9; ++k) m[k] = k % 4 == 0 ? scale : 0.0;
}

__device__ void matrix_product(const double* a, const double* b, double* c) {
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            c[i * 3 + j] = a[i * 3] * b[j] + a[i * 3 + 1] * b[3 + j] + a[i * 3 + 2] * b[6 + j];
}

__device__ double inner(const double* a, const double* b) {
    double sum = 0.0;
    for (int k = 0; k < 9; ++k) sum += a[k] * b[k];
    return sum;
}

// Inverse and determinant.
__device__ double invert(const double* m, double* out) {
    out[0] = m[4] * m[8] - m[5] * m[7];
    out[1] = m[2] * m[7] - m[1] * m[8];
    out[2] = m[1] * m[5] - m[2] * m[4];
    out[3] = m[5] * m[6] - m[3] * m[8];
    out[4] = m[0] * m[8] - m[2] * m[6];
    out[5] = m[2] * m[3] - m[0] * m[5];
    out[6] = m[3] * m[7] - m[4] * m[6];
    out[7] = m[1] * m[6] - m[0] * m[7];
    out[8] = m[0] * m[4] - m[1] * m[3];
    const double determinant = m[0] * out[0] + m[1] * out[3] + m[2] * out[6];
    for (int k = 0; k < 9; ++k) out[k] /= determinant;
    return determinant;
}

// Eigenvalues of a symmetric matrix and its eigenvectors in rows (Jacobi).
__device__ void eigen(const double* m, double (&values)[3], double (&vectors)[9]) {
    double a[9];
    for (int k = 0; k < 9; ++k) a[k] = m[k];
    identity(vectors, 1.0);
    for (int sweep = 0; sweep < 30; ++sweep) {
        const double off = a[1] * a[1] + a[2] * a[2] + a[5] * a[5];
        if (!(off > 0.0)) break;
        for (int p = 0; p < 2; ++p)
            for (int q = p + 1; q < 3; ++q) {
                if (a[p * 3 + q] == 0.0) continue;
                const double theta = (a[q * 4] - a[p * 4]) / (2.0 * a[p * 3 + q]);
                const double t =
                    (theta >= 0.0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
                const double c = 1.0 / sqrt(t * t + 1.0), s = t * c;
                for (int k = 0; k < 3; ++k) {
                    const double x = a[k * 3 + p], y = a[k * 3 + q];
                    a[k * 3 + p] = c * x - s * y;
                    a[k * 3 + q] = s * x + c * y;
                }
                for (int k = 0; k < 3; ++k) {
                    const double x = a[p * 3 + k], y = a[q * 3 + k];
                    a[p * 3 + k] = c * x - s * y;
                    a[q * 3 + k] = s * x + c * y;
                }
                for (int k = 0; k < 3; ++k) {
                    const double x = vectors[p * 3 + k], y = vectors[q * 3 + k];
                    vectors[p * 3 + k] = c * x - s * y;
                    vectors[q * 3 + k] = s * x + c * y;
                }
            }
    }
    for (int k = 0; k < 3; ++k) values[k] = a[k * 4];
}

// Symmetric matrix with these eigenvectors and eigenvalues.
__device__ void compose(const double (&f)[3], const double (&vectors)[9], double* out) {
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            double sum = 0.0;
            for (int k = 0; k < 3; ++k) sum += f[k] * vectors[k * 3 + i] * vectors[k * 3 + j];
            out[i * 3 + j] = sum;
        }
}

__device__ double sinhc(double x) {
    if (fabs(x) > 0.1) return sinh(x) / x;
    const double x2 = x * x;
    return 1.0 + x2 / 6.0 * (1.0 + x2 / 20.0 * (1.0 + x2 / 42.0 * (1.0 + x2 / 72.0)));
}

// ---- random numbers: Threefry-2x64-20, as vitrion-core `rng.rs` ----

struct Random {
    u64 key[2], counter[2], spare;
    bool has_spare;
};

__device__ Random random_at(u64 seed, u64 stream, u64 step, u64 index) {
    Random r = {{seed, stream}, {step << 24, index}, 0, false};
    return r;
}

__device__ u64 random_bits(Random& r) {
    if (r.has_spare) {
        r.has_spare = false;
        return r.spare;
    }
    const int rotations[8] = {16, 42, 12, 31, 16, 32, 24, 21};
    const u64 schedule[3] = {r.key[0], r.key[1], 0x1BD11BDAA9FC1A22ull ^ r.key[0] ^ r.key[1]};
    u64 x = r.counter[0] + schedule[0], y = r.counter[1] + schedule[1];
    for (int round = 0; round < 20; ++round) {
        const int k = rotations[round % 8];
        x += y;
        y = ((y << k) | (y >> (64 - k))) ^ x;
        if (round % 4 == 3) {
            const int block = round / 4 + 1;
            x += schedule[block % 3];
            y += schedule[(block + 1) % 3] + (u64)block;
        }
    }
    r.counter[0] += 1;
    r.spare = y;
    r.has_spare = true;
    return x;
}

__device__ double random_uniform(Random& r) {
    return (double)(random_bits(r) >> 11) * 1.1102230246251565e-16;
}

__device__ double random_normal(Random& r) {
    const double u = 1.0 - random_uniform(r), v = random_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

__device__ double random_chi_squared(Random& r, u64 n) {
    if (n < 4) {
        double sum = 0.0;
        for (u64 k = 0; k < n; ++k) {
            const double x = random_normal(r);
            sum += x * x;
        }
        return sum;
    }
    const double d = 0.5 * (double)n - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        const double x = random_normal(r), w = 1.0 + c * x, v = w * w * w;
        const double u = 1.0 - random_uniform(r);
        if (v > 0.0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) return 2.0 * d * v;
    }
}

// ---- thermostats and barostat ----

__device__ double ramp_at(const Ramp& ramp, double fraction) {
    if (!ramp.moves) return ramp.start;
    const double last = (double)ramp.plateaus - 1.0;
    const double done =
        ramp.plateaus == 0 ? fraction : fmin(floor(fraction * (double)ramp.plateaus), last) / last;
    return ramp.start * (1.0 - done) + ramp.end * done;
}

// G_k/Q_k of a chain.
__device__ double pull(const Chain& chain, int k, double twice, double f, double kt, double tau2) {
    if (k == 0) return (twice / (f * kt) - 1.0) / tau2;
    const double v = chain.velocity[k - 1];
    return (k == 1 ? f : 1.0) * v * v - 1.0 / tau2;
}

__device__ void drag(Chain& chain, int k, double pulled, double half, double eighth) {
    const double decay = exp(-eighth * chain.velocity[k + 1]);
    chain.velocity[k] = chain.velocity[k] * decay * decay + half * pulled * decay;
}

// Half a step of a Nosé–Hoover chain; the factor on the velocities it holds.
__device__ double chain_half_step(Chain& chain, int length, double twice, double f, double kt,
                                  double tau, double dt) {
    if (length == 0) return 1.0;
    const double outer = 1.3512071919596578, tau2 = tau * tau;
    const int last = length - 1;
    double factor = 1.0;
    for (int part = 0; part < 3; ++part) {
        const double whole = 0.5 * (part == 1 ? 1.0 - 2.0 * outer : outer) * dt;
        const double half = 0.5 * whole, eighth = 0.25 * whole;
        chain.velocity[last] += half * pull(chain, last, twice * factor * factor, f, kt, tau2);
        for (int k = last - 1; k >= 0; --k)
            drag(chain, k, pull(chain, k, twice * factor * factor, f, kt, tau2), half, eighth);
        factor *= exp(-whole * chain.velocity[0]);
        for (int k = 0; k < length; ++k) chain.position[k] += whole * chain.velocity[k];
        for (int k = 0; k < last; ++k)
            drag(chain, k, pull(chain, k, twice * factor * factor, f, kt, tau2), half, eighth);
        chain.velocity[last] += half * pull(chain, last, twice * factor * factor, f, kt, tau2);
    }
    return factor;
}

__device__ double chain_energy(const Chain& chain, int length, double f, double kt, double tau) {
    double sum = 0.0;
    for (int k = 0; k < length; ++k) {
        const double v = chain.velocity[k];
        sum += (k == 0 ? f : 1.0) * (0.5 * tau * tau * v * v + chain.position[k]);
    }
    return sum * kt;
}

__device__ double inertia(const Plan& plan, const Control& c) {
    return (plan.dof + 3.0) * c.kt[0] * plan.piston_period * plan.piston_period / 3.0;
}

__device__ double twice_kinetic_of(const Control& c, int part) {
    const double* k = c.kinetic + part * 6;
    return k[0] + k[1] + k[2];
}

__device__ double twice_kinetic_of_all(const Plan& plan, const Control& c) {
    double sum = 0.0;
    for (int part = 0; part < plan.part_count; ++part) sum += twice_kinetic_of(c, part);
    return sum;
}

// Σ m v v of all atoms, [3][3].
__device__ void kinetic_tensor(const Plan& plan, const Control& c, double* out) {
    const int place[9] = {0, 5, 4, 5, 1, 3, 4, 3, 2};
    for (int k = 0; k < 9; ++k) {
        out[k] = 0.0;
        for (int part = 0; part < plan.part_count; ++part) out[k] += c.kinetic[part * 6 + place[k]];
    }
}

__device__ double extended_energy(const Plan& plan, const Control& c) {
    double energy = 0.0;
    for (int p = 0; p < plan.part_count; ++p)
        if (plan.parts[p].thermostat == 1)
            energy += chain_energy(c.particles[p], plan.parts[p].chain, plan.parts[p].dof, c.kt[p],
                                   plan.parts[p].period);
    if (plan.mode_count > 0)
        energy += chain_energy(c.piston, plan.piston_chain, plan.mode_count, c.kt[0],
                               plan.piston_period) +
                  0.5 * inertia(plan, c) * inner(c.strain_rate, c.strain_rate) +
                  c.pressure * c.volume;
    return energy;
}

__device__ void move_targets(const Plan& plan, Control& c, double fraction) {
    if (!plan.moving_targets) return;
    const double before = extended_energy(plan, c);
    for (int p = 0; p < plan.part_count; ++p)
        c.kt[p] = plan.boltzmann * ramp_at(plan.parts[p].temperature, fraction);
    c.pressure = ramp_at(plan.pressure, fraction);
    c.work += extended_energy(plan, c) - before;
}

// Particles and cell for half a step; velocities are scaled by `factor` later.
__device__ void thermostats(const Plan& plan, Control& c, u64 draw) {
    if (plan.mode_count > 0) {
        const double twice = inertia(plan, c) * inner(c.strain_rate, c.strain_rate);
        const double factor = chain_half_step(c.piston, plan.piston_chain, twice, plan.mode_count,
                                              c.kt[0], plan.piston_period, plan.dt);
        for (int k = 0; k < 9; ++k) c.strain_rate[k] *= factor;
    }
    for (int p = 0; p < plan.part_count; ++p) {
        const Part& part = plan.parts[p];
        c.factor[p] = 1.0;
        if (part.thermostat == 0 || part.dof <= 0.0) continue;
        const double twice = twice_kinetic_of(c, p);
        double factor;
        if (part.thermostat == 1) {
            factor = chain_half_step(c.particles[p], part.chain, twice, part.dof, c.kt[p],
                                     part.period, plan.dt);
        } else {
            Random random = random_at(plan.seed, 8, draw, (u64)p);
            const double decay = exp(-0.5 * plan.dt / part.period);
            const double share = (1.0 - decay) * c.kt[p] / twice;
            const double first = random_normal(random);
            const double others = random_chi_squared(random, (u64)part.dof - 1);
            const double square = decay + share * (first * first + others) +
                                  2.0 * first * sqrt(decay * share);
            const double sign = first + sqrt(decay / share) < 0.0 ? -1.0 : 1.0;
            factor = sign * sqrt(fmax(square, 0.0));
            c.heat += 0.5 * twice * (factor * factor - 1.0);
        }
        c.factor[p] = factor;
        for (int k = 0; k < 6; ++k) c.kinetic[p * 6 + k] *= factor * factor;
    }
}

__device__ void work_of_deformation(const Plan& plan, Control& c) {
    if (!plan.deforms) return;
    double tensor[9];
    kinetic_tensor(plan, c, tensor);
    for (int k = 0; k < 9; ++k) tensor[k] += c.virial[k];
    c.work -= 0.5 * plan.dt * inner(tensor, c.strain_rate);
}

// Half a step of `dD/dt` of the barostat.
__device__ void push_piston(const Plan& plan, Control& c) {
    if (plan.mode_count == 0) return;
    double force[9];
    kinetic_tensor(plan, c, force);
    const double isotropic = (force[0] + force[4] + force[8]) / plan.dof - c.pressure * c.volume;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) force[i * 3 + j] += 0.5 * (c.virial[i * 3 + j] + c.virial[j * 3 + i]);
    for (int i = 0; i < 3; ++i) force[i * 4] += isotropic;
    const double mass = inertia(plan, c);
    for (int m = 0; m < plan.mode_count; ++m) {
        const double* mode = plan.modes + m * 9;
        const double change = 0.5 * plan.dt * inner(mode, force) / (mass * inner(mode, mode));
        for (int k = 0; k < 9; ++k) c.strain_rate[k] += mode[k] * change;
    }
}

// Matrices of a kick of half a step, with the flow of the cell if it has one.
__device__ void prepare_kick(const Plan& plan, Control& c) {
    const double half = 0.5 * plan.dt;
    if (plan.mode_count == 0 && !plan.deforms) {
        identity(c.decay, 1.0);
        identity(c.push, half);
        return;
    }
    double rates[3], vectors[9], decay[3], push[3];
    eigen(c.strain_rate, rates, vectors);
    const double shared = plan.mode_count > 0 ? (rates[0] + rates[1] + rates[2]) / plan.dof : 0.0;
    for (int k = 0; k < 3; ++k) {
        const double friction = (rates[k] + shared) * half;
        decay[k] = exp(-friction);
        push[k] = half * exp(-0.5 * friction) * sinhc(0.5 * friction);
    }
    compose(decay, vectors, c.decay);
    compose(push, vectors, c.push);
}

__device__ void halt(Control& c, u32 reason) { c.status.halt = reason; }

// Takes over a new cell; false if it has no volume.
__device__ bool set_cell(Control& c, const double* cell) {
    for (int k = 0; k < 9; ++k) c.cell[k] = cell[k];
    const double volume = invert(c.cell, c.inverse);
    c.volume = fabs(volume);
    if (!(c.volume > 0.0)) return false;
    matrix_product(c.list_inverse, c.cell, c.carry);
    return true;
}

struct PlanArguments {
    Plan plan;
};

// The part of a step before the new forces: everything but the atoms.
KERNEL(begin_step, PlanArguments, 32) {
    const Plan& plan = a.plan;
    Control& c = *plan.control;
    if (threadIdx.x != 0 || halted(&c.status)) return;
    const u64 step = c.done + 1;
    for (int k = 0; k < 9; ++k) c.before[k] = c.cell[k];
    move_targets(plan, c, (double)step / (double)plan.steps);
    thermostats(plan, c, 2 * step);
    work_of_deformation(plan, c);
    const double dt = plan.dt;
    double cell[9];
    if (plan.mode_count == 0 && !plan.deforms) {
        identity(c.grow, 1.0);
        identity(c.drift, dt);
        identity(c.whole, 1.0);
        prepare_kick(plan, c);
        c.growth = 0.0;
        if (plan.compressibility > 0.0) {
            // stochastic cell rescaling
            const double kt = c.kt[0], twice = twice_kinetic_of_all(plan, c);
            const double trace = c.virial[0] + c.virial[4] + c.virial[8];
            const double rate = 0.5 * plan.compressibility / plan.rescaling_period * dt;
            const double lambda = sqrt(c.volume);
            Random random = random_at(plan.seed, 9, step, 0);
            const double excess =
                c.pressure - (twice + trace) / (3.0 * c.volume) - 0.5 * kt / c.volume;
            const double next =
                lambda - lambda * rate * excess + sqrt(kt * rate) * random_normal(random);
            const double growth = 2.0 * log(next / lambda), strain = growth / 3.0;
            if (!(fabs(strain) <= LARGEST_STRAIN)) {
                c.strain = strain;
                halt(c, STRAINED);
                return;
            }
            const double scale = exp(strain);
            identity(c.grow, scale);
            identity(c.whole, scale);
            for (int p = 0; p < plan.part_count; ++p) c.factor[p] *= 1.0 / scale;
            c.heat += 0.5 * twice * (1.0 / (scale * scale) - 1.0) - growth * trace / 6.0;
            c.growth = growth;
            matrix_product(c.before, c.whole, cell);
            if (!set_cell(c, cell)) halt(c, BAD_CELL);
        }
        return;
    }
    push_piston(plan, c);
    prepare_kick(plan, c);
    double rates[3], vectors[9], grow[3], drift[3], largest = 0.0;
    eigen(c.strain_rate, rates, vectors);
    for (int k = 0; k < 3; ++k) {
        const double strain = fabs(rates[k] * dt);
        if (!(strain <= largest)) largest = strain;
        grow[k] = exp(rates[k] * dt);
        drift[k] = dt * exp(0.5 * rates[k] * dt) * sinhc(0.5 * rates[k] * dt);
    }
    if (!(largest <= LARGEST_STRAIN)) {
        c.strain = largest;
        halt(c, STRAINED);
        return;
    }
    compose(grow, vectors, c.grow);
    compose(drift, vectors, c.drift);
    for (int k = 0; k < 9; ++k) c.whole[k] = c.grow[k];
    matrix_product(c.before, c.grow, cell);
    if (!set_cell(c, cell)) halt(c, BAD_CELL);
}

// Bins and images for a list of reach cutoff + skin in the present cell.
__device__ void lay_bins(const Plan& plan, Control& c) {
    const double reach = plan.cutoff + plan.skin;
    c.images = 1;
    for (int k = 0; k < 3; ++k) {
        // columns of the inverse are perpendicular to the faces; one over their length is the width
        const double x = c.list_inverse[k], y = c.list_inverse[3 + k], z = c.list_inverse[6 + k];
        const double width = 1.0 / sqrt(x * x + y * y + z * z);
        int bins = (int)fmin(floor(width / reach), (double)plan.most_bins);
        bins = bins < 1 ? 1 : bins;
        c.bins[k] = bins;
        c.reach[k] = (int)ceil(reach * (double)bins / width);
        c.far[k] = (bins - 1 + c.reach[k]) / bins;
        c.images *= (u32)(2 * c.far[k] + 1);
    }
    if (c.images > MAX_IMAGES) halt(c, TOO_MANY_IMAGES);
}

// After the atoms moved: how far, and whether the list still holds every pair. The two largest
// displacements together may not exceed the skin (vitrion-core, `verlet.rs`); twice the largest is
// what is known here.
KERNEL(check_list, PlanArguments, 32) {
    const Plan& plan = a.plan;
    Control& c = *plan.control;
    if (threadIdx.x != 0 || halted(&c.status)) return;
    const double jumped2 = __longlong_as_double((i64)c.jumped2);
    const double moved = sqrt(__longlong_as_double((i64)c.moved2));
    c.jumped2 = 0;
    c.moved2 = 0;
    if (!(jumped2 <= plan.max_displacement * plan.max_displacement)) {
        halt(c, MOVED_TOO_FAR);
        return;
    }
    double strain = 0.0;
    for (int k = 0; k < 9; ++k) {
        const double excess = c.carry[k] - (k % 4 == 0 ? 1.0 : 0.0);
        strain += excess * excess;
    }
    const double reach = plan.cutoff + plan.skin;
    const double allowed = (1.0 - sqrt(strain)) * reach - plan.cutoff;
    const bool covered = plan.skin > 0.0 && allowed >= 0.0 && 2.0 * moved <= allowed;
    c.rebuild = covered ? 0 : 1;
    if (covered) return;
    c.builds += 1;
    for (int k = 0; k < 9; ++k) {
        c.list_cell[k] = c.cell[k];
        c.list_inverse[k] = c.inverse[k];
    }
    identity(c.carry, 1.0);
    lay_bins(plan, c);
}

// The same before the first step, for a list whose cell is given.
KERNEL(first_list, PlanArguments, 32) {
    const Plan& plan = a.plan;
    Control& c = *plan.control;
    if (threadIdx.x != 0) return;
    c.rebuild = 1;
    c.builds += 1;
    invert(c.list_cell, c.list_inverse);
    set_cell(c, c.cell);
    for (int k = 0; k < 9; ++k) c.before[k] = c.cell[k];
    lay_bins(plan, c);
}

// Last stage of the sums over atoms, in the order of the blocks; every thread then sees them.
__device__ void finish_sums(const Plan& plan, Control& c, bool all) {
    const int t = threadIdx.x;
    if (t < SUMS && (all || t >= 10)) {
        double sum = 0.0;
        for (u32 b = 0; b < plan.blocks; ++b) sum += plan.partials[(u64)b * SUMS + t];
        if (t == 0) c.energy = sum;
        else if (t < 10) c.virial[t - 1] = sum;
        else c.kinetic[t - 10] = sum * plan.kinetic_per_mv2;
    }
    __syncthreads();
}

// The part of a step after the new forces and the second kick: everything but the atoms.
KERNEL(end_step, PlanArguments, 64) {
    const Plan& plan = a.plan;
    Control& c = *plan.control;
    if (halted(&c.status)) return;
    finish_sums(plan, c, true);
    if (threadIdx.x != 0) return;
    double check = c.energy;
    for (int k = 0; k < 9; ++k) check += c.virial[k];
    for (int k = 0; k < 6 * plan.part_count; ++k) check += c.kinetic[k];
    if (!is_finite(check)) {
        halt(c, NOT_FINITE);
        return;
    }
    push_piston(plan, c);
    work_of_deformation(plan, c);
    c.heat -= c.growth * (c.virial[0] + c.virial[4] + c.virial[8]) / 6.0;
    c.growth = 0.0;
    thermostats(plan, c, 2 * (c.done + 1) + 1);
}

__device__ void write_record(const Plan& plan, const Control& c, double* to) {
    for (int k = 0; k < 9; ++k) to[k] = c.cell[k];
    to[9] = c.energy;
    for (int k = 0; k < 9; ++k) to[10 + k] = c.virial[k];
    double kinetic[9];
    kinetic_tensor(plan, c, kinetic);
    to[19] = kinetic[0], to[20] = kinetic[4], to[21] = kinetic[8];
    to[22] = kinetic[5], to[23] = kinetic[2], to[24] = kinetic[1];
    for (int p = 0; p < PARTS; ++p)
        to[25 + p] = p < plan.part_count ? twice_kinetic_of(c, p) : 0.0;
    to[25 + PARTS] = c.energy + 0.5 * twice_kinetic_of_all(plan, c) + extended_energy(plan, c) -
                     c.work - c.heat;
}

// Sums of the velocities as they are now; the step is done.
KERNEL(record_step, PlanArguments, 64) {
    const Plan& plan = a.plan;
    Control& c = *plan.control;
    if (halted(&c.status)) return;
    finish_sums(plan, c, false);
    if (threadIdx.x != 0) return;
    write_record(plan, c, plan.record_of + c.done % RING * RECORD);
    c.done += 1;
}

// The same before the first step, which is no step.
KERNEL(record_start, PlanArguments, 64) {
    const Plan& plan = a.plan;
    Control& c = *plan.control;
    if (halted(&c.status)) return;
    finish_sums(plan, c, true);
    if (threadIdx.x != 0) return;
    double check = c.energy;
    for (int k = 0; k < 9; ++k) check += c.virial[k];
    if (!is_finite(check)) halt(c, NOT_FINITE);
    write_record(plan, c, plan.record_of + (c.done + RING - 1) % RING * RECORD);
}
