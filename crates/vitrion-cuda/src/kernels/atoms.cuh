// Passes over all atoms: kicks, drifts, sums.

struct AtomArguments {
    Plan plan;
    vec3* positions;
    vec3* velocities;
    vec3* forces;
    vec3* before_positions;
    vec3* before_velocities;
    // Positions at the last search of the list.
    const vec3* reference;
    // Acceleration per force, zero for frozen atoms; mass [amu].
    const double* mobility;
    const double* mass;
    // Thermostatted part of each atom, FROZEN for none.
    const u8* part;
    // By sorted atom.
    const double* energies;
    const double* virials;
    // Whether `sum_atoms` sums energies and virials too.
    u32 all;
    u32 reserved;
};

// Keeps the larger of two squares; NaN is larger than everything.
__device__ __forceinline__ void raise(u64* to, double square) {
    u64 bits = (u64)__double_as_longlong(square);
    for (int step = WARP_SIZE / 2; step > 0; step /= 2) {
        const u64 other = __shfl_xor_sync(ALL, bits, step);
        bits = other > bits ? other : bits;
    }
    if (lane_of() == 0) atomicMax(to, bits);
}

// The first half of a step: the state is kept, then thermostat, kick and drift.
KERNEL(move_atoms, AtomArguments, 256) {
    Control& c = *a.plan.control;
    if (halted(&c.status)) return;
    const u64 i = global_thread();
    double moved2 = 0.0, jumped2 = 0.0;
    if (i < a.plan.atoms) {
        const vec3 r = a.positions[i];
        vec3 v = a.velocities[i];
        a.before_positions[i] = r;
        a.before_velocities[i] = v;
        const double mobility = a.mobility[i];
        vec3 now = r;
        if (mobility > 0.0) {
            const double factor = c.factor[a.part[i]];
            v.x *= factor, v.y *= factor, v.z *= factor;
            const vec3 kept = row_times(v, c.decay), pushed = row_times(a.forces[i], c.push);
            v.x = kept.x + pushed.x * mobility;
            v.y = kept.y + pushed.y * mobility;
            v.z = kept.z + pushed.z * mobility;
            a.velocities[i] = v;
            const vec3 grown = row_times(r, c.grow), drifted = row_times(v, c.drift);
            now.x = grown.x + drifted.x;
            now.y = grown.y + drifted.y;
            now.z = grown.z + drifted.z;
            a.positions[i] = now;
            const vec3 whole = row_times(r, c.whole);
            const vec3 jump = {now.x - whole.x, now.y - whole.y, now.z - whole.z};
            jumped2 = square_of(jump);
        }
        const vec3 carried = row_times(a.reference[i], c.carry);
        const vec3 far = {now.x - carried.x, now.y - carried.y, now.z - carried.z};
        moved2 = square_of(far);
    }
    raise(&c.moved2, moved2);
    raise(&c.jumped2, jumped2);
}

// The second kick.
KERNEL(kick_atoms, AtomArguments, 256) {
    const Control& c = *a.plan.control;
    if (halted(&c.status)) return;
    const u64 i = global_thread();
    if (i >= a.plan.atoms || !(a.mobility[i] > 0.0)) return;
    const vec3 v = a.velocities[i];
    const vec3 kept = row_times(v, c.decay), pushed = row_times(a.forces[i], c.push);
    const double mobility = a.mobility[i];
    const vec3 now = {kept.x + pushed.x * mobility, kept.y + pushed.y * mobility,
                      kept.z + pushed.z * mobility};
    a.velocities[i] = now;
}

// The thermostats' factor on velocities.
KERNEL(scale_atoms, AtomArguments, 256) {
    const Control& c = *a.plan.control;
    if (halted(&c.status)) return;
    const u64 i = global_thread();
    if (i >= a.plan.atoms || a.part[i] == FROZEN) return;
    const double factor = c.factor[a.part[i]];
    vec3 v = a.velocities[i];
    v.x *= factor, v.y *= factor, v.z *= factor;
    a.velocities[i] = v;
}

// First stage of the sums: one row of partial sums a block, atoms in a fixed order. Frozen atoms are
// left out of the virial, W − Σ r ⊗ F, and of the forces.
KERNEL(sum_atoms, AtomArguments, 256) {
    if (halted(&a.plan.control->status)) return;
    const u64 stride = (u64)gridDim.x * blockDim.x;
    double* out = a.plan.partials + (u64)blockIdx.x * SUMS;
    if (a.all) {
        double energy = 0.0, virial[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
        for (u64 i = global_thread(); i < a.plan.atoms; i += stride) {
            energy += a.energies[i];
#pragma unroll
            for (int k = 0; k < 9; ++k) virial[k] += a.virials[i * 9 + k];
            if (a.part[i] == FROZEN) {
                const vec3 r = a.positions[i], f = a.forces[i];
                virial[0] -= r.x * f.x, virial[1] -= r.x * f.y, virial[2] -= r.x * f.z;
                virial[3] -= r.y * f.x, virial[4] -= r.y * f.y, virial[5] -= r.y * f.z;
                virial[6] -= r.z * f.x, virial[7] -= r.z * f.y, virial[8] -= r.z * f.z;
                const vec3 zero = {0.0, 0.0, 0.0};
                a.forces[i] = zero;
            }
        }
        energy = block_sum(energy);
        if (threadIdx.x == 0) out[0] = energy;
#pragma unroll
        for (int k = 0; k < 9; ++k) {
            const double sum = block_sum(virial[k]);
            if (threadIdx.x == 0) out[1 + k] = sum;
        }
    }
    for (int p = 0; p < PARTS; ++p) {
        double kinetic[6] = {0, 0, 0, 0, 0, 0};
        if (p < a.plan.part_count) {
            for (u64 i = global_thread(); i < a.plan.atoms; i += stride) {
                if (a.part[i] != p) continue;
                const vec3 v = a.velocities[i];
                const double m = a.mass[i];
                kinetic[0] += m * v.x * v.x;
                kinetic[1] += m * v.y * v.y;
                kinetic[2] += m * v.z * v.z;
                kinetic[3] += m * v.y * v.z;
                kinetic[4] += m * v.x * v.z;
                kinetic[5] += m * v.x * v.y;
            }
#pragma unroll
            for (int k = 0; k < 6; ++k) kinetic[k] = block_sum(kinetic[k]);
        }
        if (threadIdx.x == 0)
            for (int k = 0; k < 6; ++k) out[10 + 6 * p + k] = kinetic[k];
    }
}
