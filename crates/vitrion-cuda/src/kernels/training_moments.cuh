// Training, centre by centre: moments and their tangents, pair gradients, adjoints of node values.
//
// With rows ρ_p and inputs x_p (see `training_frames.cuh`), G between nodes the sum of six node values
// with Hermite weights:
//
//   T_c = Σ_p ρ_pc G(x_p)        Ṫ_c = Σ_p ρ̇_pc G + ρ_pc ẋ_p G′
//   Ȳ_q = Σ_p v_pq h_p + s_pq k_p   h = Σ_c ρ_c T̄′_c + ρ̇_c T̄_c   k = Σ_c ẋ ρ_c T̄_c
//
// A block serves a centre, its warps take entries in turn; a warp serves a chunk of entries. Lanes take
// four outputs each, `CHUNKS` times.

namespace training {

const int CENTRE_WARPS = 4, CENTRE_BLOCK = CENTRE_WARPS * WARP_SIZE;

struct Features {
    // (m << 16 | a) of every number of a descriptor.
    const u32* entries;
    int width;
    int stride;
    int axis;
    int numbers;
    int feature_stride;
    int reserved;
};

// Hermite sums over the six node values of an interval: G, and G′ where `SLOPES`.
template <bool SLOPES>
__device__ __forceinline__ void hermite(const real* entry, const real* nodes, int stride, int m,
                                        real4& value, real4& slope) {
    const real4 first = load4(entry + VALUE), middle = load4(entry + VALUE + 4);
    const real4 last = load4(entry + VALUE + 8);
    const real v[6] = {first.v[0], first.v[1], first.v[2], first.v[3], middle.v[0], middle.v[1]};
    const real s[6] = {middle.v[2], middle.v[3], last.v[0], last.v[1], last.v[2], last.v[3]};
    for (int o = 0; o < 4; ++o) value.v[o] = slope.v[o] = 0;
#pragma unroll
    for (int q = 0; q < 2 * ORDERS; ++q) {
        const real4 y = load4(nodes + q * stride + m);
#pragma unroll
        for (int o = 0; o < 4; ++o) {
            value.v[o] += v[q] * y.v[o];
            if (SLOPES) slope.v[o] += s[q] * y.v[o];
        }
    }
}

struct MomentsArguments {
    Batch batch;
    Features features;
    // [node][order][stride]
    const real* values;
    // [row][4][stride]: T, and Ṫ where tangents are asked for.
    real* moments;
    real* tangents;
    // [row][feature_stride]: D or Ḋ.
    real* descriptors;
    u32 rows;
    u32 reserved;
};

template <int CHUNKS, bool TANGENTS>
__device__ __forceinline__ void moments_of(const MomentsArguments& a) {
    const u32 row = blockIdx.x, lane = lane_of(), warp = warp_of();
    const Features& d = a.features;
    const int size = 4 * d.stride;
    DYNAMIC_SHARED(real, memory);
    real* moments = memory;
    real* tangents = moments + size;
    real* parts = moments + (TANGENTS ? 2 : 1) * size;  // [warp][size]
    const Centre centre = a.batch.centres[row];
    const Frame& frame = a.batch.frames[centre.frame];
    const u32 end = frame.offsets[centre.atom + 1];
    real sums[CHUNKS][4][4];
    for (int h = 0; h < CHUNKS; ++h)
        for (int c = 0; c < 4; ++c)
            for (int o = 0; o < 4; ++o) sums[h][c][o] = 0;
    for (u32 start = frame.offsets[centre.atom]; start < end; start += CENTRE_BLOCK) {
        const u32 mine = start + warp + CENTRE_WARPS * lane;
        const u32 node_of_lane = mine < end ? frame.nodes[mine] : 0;
        for (int round = 0; round < WARP_SIZE; ++round) {
            const u32 p = start + warp + CENTRE_WARPS * round;
            if (p >= end) break;
            const u64 k = frame.first_entry + p;
            const real* entry = a.batch.entries + k * ENTRY;
            const u64 node = __shfl_sync(ALL, node_of_lane, round);
            const real* nodes = a.values + node * ORDERS * d.stride;
            real4 rho = load4(entry), moving;
            if (TANGENTS) {
                moving = load4(a.batch.moving + k * 4);
                for (int c = 0; c < 4; ++c) rho.v[c] *= entry[INPUT];
            }
#pragma unroll
            for (int h = 0; h < CHUNKS; ++h) {
                const int m = 4 * (lane + h * WARP_SIZE);
                if (m >= d.stride) continue;
                real4 value, slope;
                hermite<TANGENTS>(entry, nodes, d.stride, m, value, slope);
#pragma unroll
                for (int c = 0; c < 4; ++c)
#pragma unroll
                    for (int o = 0; o < 4; ++o) {
                        if (TANGENTS)
                            sums[h][c][o] += moving.v[c] * value.v[o] + rho.v[c] * slope.v[o];
                        else
                            sums[h][c][o] += rho.v[c] * value.v[o];
                    }
            }
        }
    }
#pragma unroll
    for (int h = 0; h < CHUNKS; ++h) {
        const int m = 4 * (lane + h * WARP_SIZE);
        if (m >= d.stride) continue;
        for (int c = 0; c < 4; ++c) {
            const real4 four = {{sums[h][c][0], sums[h][c][1], sums[h][c][2], sums[h][c][3]}};
            store4(parts + warp * size + c * d.stride + m, four);
        }
    }
    __syncthreads();
    real* out = TANGENTS ? tangents : moments;
    real* kept = (TANGENTS ? a.tangents : a.moments) + (u64)row * size;
    for (int m = threadIdx.x; m < size; m += CENTRE_BLOCK) {
        real sum = 0;
        for (int w = 0; w < CENTRE_WARPS; ++w) sum += parts[w * size + m];
        out[m] = kept[m] = sum;
        if (TANGENTS) moments[m] = a.moments[(u64)row * size + m];
    }
    __syncthreads();
    real* descriptor = a.descriptors + (u64)row * d.feature_stride;
    for (int e = threadIdx.x; e < d.feature_stride; e += CENTRE_BLOCK) {
        real value = 0;
        if (e < d.numbers) {
            const u32 pair = d.entries[e], m = pair >> 16, b = pair & 0xffffu;
            for (int c = 0; c < 4; ++c) {
                const int at = c * d.stride;
                if (TANGENTS)
                    value += tangents[at + m] * moments[at + b] + moments[at + m] * tangents[at + b];
                else
                    value += moments[at + m] * moments[at + b];
            }
        }
        descriptor[e] = value;
    }
}

KERNEL(moments, MomentsArguments, 128) { moments_of<1, false>(a); }
KERNEL(moments_wide, MomentsArguments, 128) { moments_of<2, false>(a); }
KERNEL(moment_tangents, MomentsArguments, 128) { moments_of<1, true>(a); }
KERNEL(moment_tangents_wide, MomentsArguments, 128) { moments_of<2, true>(a); }

struct PairGradientArguments {
    Batch batch;
    Features features;
    const real* values;
    const real* moments;
    // ∂E/∂D
    const real* slopes;
    // ∂E/∂T, written here.
    real* toward;
    // ∂E_i/∂r of every entry.
    real3* gradients;
    double per_slot;
    u32 rows;
    u32 reserved;
};

// From ∂E/∂D to the gradient of every entry.
template <int CHUNKS>
__device__ __forceinline__ void pair_gradients_of(const PairGradientArguments& a) {
    const u32 row = blockIdx.x, lane = lane_of(), warp = warp_of();
    const Features& d = a.features;
    const int size = 4 * d.stride;
    DYNAMIC_SHARED(real, memory);
    real* sums = memory;  // [entry of a round][8]
    real* moments = sums + CENTRE_BLOCK * 8;
    real* toward = moments + size;
    real* slopes = toward + size;
    const Centre centre = a.batch.centres[row];
    const Frame& frame = a.batch.frames[centre.frame];
    const u32 end = frame.offsets[centre.atom + 1];
    for (int m = threadIdx.x; m < size; m += CENTRE_BLOCK) moments[m] = a.moments[(u64)row * size + m];
    for (int e = threadIdx.x; e < d.numbers; e += CENTRE_BLOCK)
        slopes[e] = a.slopes[(u64)row * d.feature_stride + e];
    __syncthreads();
    spread(d, slopes, moments, (real)1, toward, threadIdx.x, CENTRE_BLOCK);
    __syncthreads();
    for (int m = threadIdx.x; m < size; m += CENTRE_BLOCK) a.toward[(u64)row * size + m] = toward[m];
    real t[CHUNKS][4][4];
#pragma unroll
    for (int h = 0; h < CHUNKS; ++h) {
        const int m = 4 * (lane + h * WARP_SIZE);
        for (int c = 0; c < 4; ++c)
            for (int o = 0; o < 4; ++o)
                t[h][c][o] = m < d.stride ? toward[c * d.stride + m + o] : (real)0;
    }
    for (u32 start = frame.offsets[centre.atom]; start < end; start += CENTRE_BLOCK) {
        const int n = min(end - start, (u32)CENTRE_BLOCK);
        // four entries at a time, so that 32 sums share their exchanges
        for (int first = 4 * warp; first < n; first += 4 * CENTRE_WARPS) {
            real x[WARP_SIZE];
#pragma unroll
            for (int slot = 0; slot < 4; ++slot) {
                real along[4] = {0, 0, 0, 0}, turned = 0;
                if (first + slot < n) {
                    const u32 p = start + first + slot;
                    const real* entry = a.batch.entries + (u64)(frame.first_entry + p) * ENTRY;
                    const real* nodes = a.values + (u64)frame.nodes[p] * ORDERS * d.stride;
                    const real4 rho = load4(entry);
#pragma unroll
                    for (int h = 0; h < CHUNKS; ++h) {
                        const int m = 4 * (lane + h * WARP_SIZE);
                        if (m >= d.stride) continue;
                        real4 value, slope;
                        hermite<true>(entry, nodes, d.stride, m, value, slope);
#pragma unroll
                        for (int o = 0; o < 4; ++o) {
                            real weighted = 0;
#pragma unroll
                            for (int c = 0; c < 4; ++c) {
                                along[c] += t[h][c][o] * value.v[o];
                                weighted += t[h][c][o] * rho.v[c];
                            }
                            turned += weighted * slope.v[o];
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
        __syncthreads();
        if (threadIdx.x < n) {
            const u64 k = frame.first_entry + start + threadIdx.x;
            const real* sum = sums + threadIdx.x * 8;
            const real4 unit = load4(a.batch.entries + k * ENTRY + UNIT);
            const real4 scales = load4(a.batch.entries + k * ENTRY + RADIAL);
            const real per_slot = (real)a.per_slot;
            const real g[4] = {sum[0] * per_slot + sum[4], sum[1] * per_slot, sum[2] * per_slot,
                               sum[3] * per_slot};
            const real turn = g[1] * unit.v[0] + g[2] * unit.v[1] + g[3] * unit.v[2];
            const real along = scales.v[0] * g[0] + scales.v[2] * turn;
            const real3 found = {along * unit.v[0] + scales.v[1] * g[1],
                                 along * unit.v[1] + scales.v[1] * g[2],
                                 along * unit.v[2] + scales.v[1] * g[3]};
            a.gradients[k] = found;
        }
        __syncthreads();
    }
}

KERNEL(pair_gradients, PairGradientArguments, 128) { pair_gradients_of<1>(a); }
KERNEL(pair_gradients_wide, PairGradientArguments, 128) { pair_gradients_of<2>(a); }

struct MomentAdjointArguments {
    Features features;
    const real* moments;
    const real* tangents;
    // D̄ and ∂E/∂D, which is the adjoint of Ḋ.
    const real* adjoints;
    const real* slopes;
    // T̄′
    real* out;
    u32 rows;
    u32 reserved;
};

// T̄′ from D̄ through T and from ∂E/∂D through Ṫ.
KERNEL(moment_adjoints, MomentAdjointArguments, 128) {
    const u64 row = blockIdx.x;
    const Features& d = a.features;
    const int size = 4 * d.stride;
    DYNAMIC_SHARED(real, memory);
    real* first = memory;
    real* second = first + size;
    real* moments = second + size;
    real* slopes = moments + size;
    for (int way = 0; way < 2; ++way) {
        const real* from = (way ? a.tangents : a.moments) + row * size;
        const real* given = (way ? a.slopes : a.adjoints) + row * d.feature_stride;
        for (int m = threadIdx.x; m < size; m += CENTRE_BLOCK) moments[m] = from[m];
        for (int e = threadIdx.x; e < d.numbers; e += CENTRE_BLOCK) slopes[e] = given[e];
        __syncthreads();
        spread(d, slopes, moments, (real)1, way ? second : first, threadIdx.x, CENTRE_BLOCK);
        __syncthreads();
    }
    for (int m = threadIdx.x; m < size; m += CENTRE_BLOCK)
        a.out[row * size + m] = first[m] + second[m];
}

struct ChunkArguments {
    Batch batch;
    // [row][4][stride]: ∂E/∂T and T̄′.
    const real* toward;
    const real* adjoints;
    // [chunk][6][stride]
    real* partial;
    int stride;
    int reserved;
};

// What the entries of a chunk, all in one interval, add to the adjoints of its six node values.
template <int CHUNKS> __device__ __forceinline__ void chunk_sums_of(const ChunkArguments& a) {
    const u32 k = (u32)global_warp();
    if (k >= a.batch.chunk_count) return;
    const Frame& frame = a.batch.frames[frame_of<&Frame::first_chunk>(a.batch, k)];
    const u32 chunk = k - frame.first_chunk, first_at = frame.chunks[chunk];
    const int count = frame.chunks[chunk + 1] - first_at;
    // every lane looks up one entry and its row
    u32 entry_of_lane = 0, row_of_lane = 0;
    if (lane_of() < count) {
        entry_of_lane = frame.order[first_at + lane_of()];
        row_of_lane = a.batch.rows[frame.first_atom + frame.centres[entry_of_lane]];
    }
    real sums[CHUNKS][6][4];
    for (int h = 0; h < CHUNKS; ++h)
        for (int q = 0; q < 6; ++q)
            for (int o = 0; o < 4; ++o) sums[h][q][o] = 0;
    for (int at = 0; at < count; ++at) {
        const u64 number = frame.first_entry + __shfl_sync(ALL, entry_of_lane, at);
        const real* entry = a.batch.entries + number * ENTRY;
        const u64 row = (u64)__shfl_sync(ALL, row_of_lane, at) * 4 * a.stride;
        const real4 rho = load4(entry), moving = load4(a.batch.moving + number * 4);
        const real4 first = load4(entry + VALUE), middle = load4(entry + VALUE + 4);
        const real4 last = load4(entry + VALUE + 8);
        const real v[6] = {first.v[0], first.v[1], first.v[2], first.v[3], middle.v[0], middle.v[1]};
        const real s[6] = {middle.v[2], middle.v[3], last.v[0], last.v[1], last.v[2], last.v[3]};
        const real input = entry[INPUT];
#pragma unroll
        for (int h = 0; h < CHUNKS; ++h) {
            const int m = 4 * (lane_of() + h * WARP_SIZE);
            if (m >= a.stride) continue;
            real along[4] = {0, 0, 0, 0}, across[4] = {0, 0, 0, 0};
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const real4 t = load4(a.toward + row + c * a.stride + m);
                const real4 adjoint = load4(a.adjoints + row + c * a.stride + m);
#pragma unroll
                for (int o = 0; o < 4; ++o) {
                    along[o] += rho.v[c] * adjoint.v[o] + moving.v[c] * t.v[o];
                    across[o] += rho.v[c] * t.v[o];
                }
            }
#pragma unroll
            for (int o = 0; o < 4; ++o) across[o] *= input;
#pragma unroll
            for (int q = 0; q < 6; ++q)
#pragma unroll
                for (int o = 0; o < 4; ++o) sums[h][q][o] += v[q] * along[o] + s[q] * across[o];
        }
    }
#pragma unroll
    for (int h = 0; h < CHUNKS; ++h) {
        const int m = 4 * (lane_of() + h * WARP_SIZE);
        if (m >= a.stride) continue;
        for (int q = 0; q < 6; ++q) {
            const real4 four = {{sums[h][q][0], sums[h][q][1], sums[h][q][2], sums[h][q][3]}};
            store4(a.partial + ((u64)k * 6 + q) * a.stride + m, four);
        }
    }
}

KERNEL(chunk_sums, ChunkArguments, 128) { chunk_sums_of<1>(a); }
KERNEL(chunk_sums_wide, ChunkArguments, 128) { chunk_sums_of<2>(a); }

struct NodeArguments {
    Batch batch;
    const real* partial;
    // [node][order][stride]
    real* adjoints;
    u32 nodes;
    int stride;
};

// Adjoints of node values: the chunks of the intervals on both sides, frame by frame. Many neighbours lie
// in the first interval, at the cut-off, so the chunks of a node are dealt out to NODE_PARTS threads,
// whose sums are added in order.
const u32 NODE_PARTS = 8;

KERNEL(node_sums, NodeArguments, 128) {
    __shared__ __align__(16) real parts[128 * 4];
    const u32 fours = a.stride / 4, across = 128 / NODE_PARTS, part = threadIdx.x / across;
    const u64 k = (u64)blockIdx.x * across + threadIdx.x % across;
    const bool there = k < (u64)a.nodes * ORDERS * fours;
    const u32 node = (u32)(k / (ORDERS * fours)), order = (u32)(k / fours % ORDERS);
    const u32 m = (u32)(k % fours) * 4;
    real4 sum = {{0, 0, 0, 0}};
    // of the chunks before, modulo NODE_PARTS
    u32 before = 0;
    for (u32 f = 0; there && f < a.batch.count; ++f) {
        const Frame& frame = a.batch.frames[f];
        // the interval to the right has this node at its left end
        for (int side = 0; side < 2; ++side) {
            if (side > node) continue;
            const u32 interval = node - side;
            const u32 begin = frame.intervals[interval], end = frame.intervals[interval + 1];
            const u32 mine = (part + NODE_PARTS - before) % NODE_PARTS;
            before = (before + end - begin) % NODE_PARTS;
            for (u32 chunk = begin + mine; chunk < end; chunk += NODE_PARTS) {
                const u64 at = (u64)(frame.first_chunk + chunk) * 6 + side * ORDERS + order;
                const real4 part = load4(a.partial + at * a.stride + m);
                for (int o = 0; o < 4; ++o) sum.v[o] += part.v[o];
            }
        }
    }
    store4(parts + threadIdx.x * 4, sum);
    __syncthreads();
    if (part != 0 || !there) return;
    for (u32 other = 1; other < NODE_PARTS; ++other) {
        const real4 more = load4(parts + (threadIdx.x + other * across) * 4);
        for (int o = 0; o < 4; ++o) sum.v[o] += more.v[o];
    }
    store4(a.adjoints + ((u64)node * ORDERS + order) * a.stride + m, sum);
}

}  // namespace training
