// The neighbour list: searched on the device when `check_list` asks for it, else these kernels return
// at once. Atoms are sorted by bins of the reach of the list; those of a bin by number, so that the
// order does not depend on the order in which threads ran.

struct ListArguments {
    Control* control;
    // By the caller's number.
    const vec3* source;
    vec3* reference;
    const u8* species;
    u32* bin_of;
    int* image_of;
    // Bins: counts, first sorted atoms, atoms placed so far.
    u32* bin_count;
    u32* bin_start;
    u32* bin_next;
    // By sorted atom.
    u32* order;
    int* image;
    vec3* sorted;
    u8* sorted_species;
    u32* offsets;
    // By list entry.
    u32* index;
    u32* entry_image;
    u32* reverse;
    vec3* translations;
    // Sorted atoms in order of species, and the place of each species.
    u32* centres;
    const u32* ranks;
    double reach2;
    u64 capacity;
    u32 atoms;
    u32 species_count;
    // The cell that translations and sorted positions follow: that of the list, or the present one.
    u32 of_list;
    u32 reserved;
};

__device__ __forceinline__ bool idle(const ListArguments& a) {
    return halted(&a.control->status) || !a.control->rebuild;
}

__device__ __forceinline__ u32 bins_of(const Control& c) {
    return (u32)(c.bins[0] * c.bins[1] * c.bins[2]);
}

// Where the list is searched becomes its reference.
KERNEL(adopt_positions, ListArguments, 256) {
    if (idle(a)) return;
    const u64 i = global_thread();
    if (i < a.atoms) a.reference[i] = a.source[i];
}

KERNEL(clear_bins, ListArguments, 256) {
    if (idle(a)) return;
    const u64 stride = (u64)gridDim.x * blockDim.x, bins = bins_of(*a.control);
    for (u64 b = global_thread(); b < bins; b += stride) {
        a.bin_count[b] = 0;
        a.bin_next[b] = 0;
    }
}

KERNEL(bin_atoms, ListArguments, 256) {
    if (idle(a)) return;
    const u64 i = global_thread();
    if (i >= a.atoms) return;
    const Control& c = *a.control;
    const vec3 inside = row_times(a.reference[i], c.list_inverse);
    const double s[3] = {inside.x, inside.y, inside.z};
    int bin[3];
    for (int k = 0; k < 3; ++k) {
        const double image = floor(s[k]);
        a.image_of[i * 3 + k] = (int)image;
        const int b = (int)floor((s[k] - image) * (double)c.bins[k]);
        bin[k] = b < 0 ? 0 : (b >= c.bins[k] ? c.bins[k] - 1 : b);
    }
    const u32 flat = (u32)((bin[0] * c.bins[1] + bin[1]) * c.bins[2] + bin[2]);
    a.bin_of[i] = flat;
    atomicAdd(a.bin_count + flat, 1u);
}

// out[k] = Σ in[..k] of n numbers, and out[n] the total, which is returned whole; one block of 1024.
__device__ u64 scan(const u32* in, u32* out, u64 n) {
    const u64 each = 4;
    u64 before = 0;
    for (u64 first = 0; first < n; first += each * blockDim.x) {
        const u64 at = first + threadIdx.x * each;
        u32 mine[4], sum = 0;
        for (u64 k = 0; k < each; ++k) {
            mine[k] = at + k < n ? in[at + k] : 0u;
            sum += mine[k];
        }
        u32 total;
        u32 place = (u32)before + block_prefix(sum, total);
        for (u64 k = 0; k < each; ++k) {
            if (at + k < n) out[at + k] = place;
            place += mine[k];
        }
        before += total;
    }
    if (threadIdx.x == 0) out[n] = (u32)before;
    return before;
}

KERNEL(scan_bins, ListArguments, 1024) {
    if (idle(a)) return;
    scan(a.bin_count, a.bin_start, bins_of(*a.control));
}

KERNEL(place_atoms, ListArguments, 256) {
    if (idle(a)) return;
    const u64 i = global_thread();
    if (i >= a.atoms) return;
    const u32 bin = a.bin_of[i];
    a.order[a.bin_start[bin] + atomicAdd(a.bin_next + bin, 1u)] = (u32)i;
}

// The atoms of each bin in order of their numbers: heap sort, for bins may be large in small cells.
KERNEL(order_bins, ListArguments, 128) {
    if (idle(a)) return;
    const u64 stride = (u64)gridDim.x * blockDim.x, bins = bins_of(*a.control);
    for (u64 b = global_thread(); b < bins; b += stride) {
        u32* x = a.order + a.bin_start[b];
        const int n = (int)a.bin_count[b];
        for (int start = n / 2 - 1, end = n; end > 1;) {
            if (start >= 0) {
                // building the heap
            } else {
                --end;
                const u32 top = x[0];
                x[0] = x[end];
                x[end] = top;
            }
            int root = start >= 0 ? start : 0;
            for (;;) {
                int child = 2 * root + 1;
                if (child >= end) break;
                if (child + 1 < end && x[child] < x[child + 1]) ++child;
                if (x[root] >= x[child]) break;
                const u32 other = x[root];
                x[root] = x[child];
                x[child] = other;
                root = child;
            }
            if (start >= 0) --start;
        }
    }
}

KERNEL(sort_atoms, ListArguments, 256) {
    if (idle(a)) return;
    const u64 k = global_thread();
    if (k >= a.atoms) return;
    const u32 i = a.order[k];
    a.sorted_species[k] = a.species[i];
    for (int x = 0; x < 3; ++x) a.image[k * 3 + x] = a.image_of[(u64)i * 3 + x];
}

// Images · H of the cell that is asked for; every step, since the cell may have changed.
KERNEL(translate, ListArguments, 256) {
    if (halted(&a.control->status) || (a.of_list && !a.control->rebuild)) return;
    const Control& c = *a.control;
    const double* cell = a.of_list ? c.list_cell : c.cell;
    const int ny = 2 * c.far[1] + 1, nz = 2 * c.far[2] + 1;
    for (u32 n = (u32)global_thread(); n < c.images; n += gridDim.x * blockDim.x) {
        const vec3 image = {(double)((int)n / (ny * nz) - c.far[0]),
                            (double)((int)n / nz % ny - c.far[1]), (double)((int)n % nz - c.far[2])};
        a.translations[n] = row_times(image, cell);
    }
}

// Positions of the sorted atoms, inside the cell at the last search.
KERNEL(refresh, ListArguments, 256) {
    if (halted(&a.control->status) || (a.of_list && !a.control->rebuild)) return;
    const u64 k = global_thread();
    if (k >= a.atoms) return;
    const Control& c = *a.control;
    const int* n = a.image + k * 3;
    const vec3 image = {(double)n[0], (double)n[1], (double)n[2]};
    const vec3 shift = row_times(image, a.of_list ? c.list_cell : c.cell);
    const vec3 r = (a.of_list ? a.reference : a.source)[a.order[k]];
    const vec3 inside = {r.x - shift.x, r.y - shift.y, r.z - shift.z};
    a.sorted[k] = inside;
}

// All neighbours of sorted atom `i`, bin by bin; entries are written where `write` is set.
template <bool WRITE> __device__ __forceinline__ u32 search(const ListArguments& a, u32 i, u32 at) {
    const Control& c = *a.control;
    const u32 lane = lane_of();
    const u32 home = a.bin_of[a.order[i]];
    const int bin[3] = {(int)(home / (u32)(c.bins[1] * c.bins[2])),
                        (int)(home / (u32)c.bins[2]) % c.bins[1], (int)(home % (u32)c.bins[2])};
    const vec3 from = a.sorted[i];
    const u32 first = at;
    for (int x = bin[0] - c.reach[0]; x <= bin[0] + c.reach[0]; ++x)
        for (int y = bin[1] - c.reach[1]; y <= bin[1] + c.reach[1]; ++y)
            for (int z = bin[2] - c.reach[2]; z <= bin[2] + c.reach[2]; ++z) {
                const int there[3] = {x, y, z};
                int wrapped[3], image[3];
                for (int k = 0; k < 3; ++k) {
                    image[k] = (there[k] >= 0 ? there[k] : there[k] - c.bins[k] + 1) / c.bins[k];
                    wrapped[k] = there[k] - image[k] * c.bins[k];
                }
                const u32 flat = (u32)((wrapped[0] * c.bins[1] + wrapped[1]) * c.bins[2] + wrapped[2]);
                const u32 number = (u32)(((image[0] + c.far[0]) * (2 * c.far[1] + 1) + image[1] +
                                          c.far[1]) * (2 * c.far[2] + 1) + image[2] + c.far[2]);
                const vec3 shift = a.translations[number];
                const bool own = image[0] == 0 && image[1] == 0 && image[2] == 0;
                const u32 begin = a.bin_start[flat], end = a.bin_start[flat + 1];
                for (u32 start = begin; start < end; start += WARP_SIZE) {
                    const u32 j = start + lane;
                    bool near = false;
                    if (j < end && !(own && j == i)) {
                        near = square_of(vector_to(from, a.sorted[j], shift)) < a.reach2;
                    }
                    const u32 mask = __ballot_sync(ALL, near);
                    const u32 p = at + __popc(mask & ((1u << lane) - 1u));
                    if (WRITE && near && p < a.offsets[i + 1]) {
                        a.index[p] = j;
                        a.entry_image[p] = number;
                    }
                    at += __popc(mask);
                }
            }
    return at - first;
}

// Number of neighbours of each atom, where the offsets will be.
KERNEL(count_neighbors, ListArguments, 128) {
    if (idle(a)) return;
    const u32 i = (u32)global_warp();
    if (i >= a.atoms) return;
    const u32 count = search<false>(a, i, 0);
    if (lane_of() == 0) a.offsets[i] = count;
}

KERNEL(scan_neighbors, ListArguments, 1024) {
    if (idle(a)) return;
    const u64 pairs = scan(a.offsets, a.offsets, a.atoms);
    if (threadIdx.x == 0) {
        a.control->pairs = pairs;
        if (pairs > a.capacity) a.control->status.halt = pairs > MOST_PAIRS ? TOO_MANY_PAIRS : LIST_FULL;
    }
}

KERNEL(fill_neighbors, ListArguments, 128) {
    if (idle(a)) return;
    const u32 i = (u32)global_warp();
    if (i >= a.atoms) return;
    search<true>(a, i, a.offsets[i]);
}

// The entry of the same pair seen from its other end.
KERNEL(reverse_neighbors, ListArguments, 128) {
    if (idle(a)) return;
    const u32 i = (u32)global_warp();
    if (i >= a.atoms) return;
    const u32 images = a.control->images;
    for (u32 p = a.offsets[i] + lane_of(); p < a.offsets[i + 1]; p += WARP_SIZE) {
        const u32 j = a.index[p], image = images - 1 - a.entry_image[p];
        u32 q = a.offsets[j];
        const u32 row_end = a.offsets[j + 1];
        while (q < row_end && (a.index[q] != i || a.entry_image[q] != image)) ++q;
        // every pair is found from both ends: distances are exact negatives
        if (q == row_end) a.control->status.halt = LIST_BROKEN;
        a.reverse[p] = q < row_end ? q : p;
    }
}

// Sorted atoms in order of species, each species in the order of the atoms; one block of 1024, every
// thread with atoms in a row.
KERNEL(group_centres, ListArguments, 1024) {
    if (idle(a)) return;
    const u32 each = (a.atoms + blockDim.x - 1) / blockDim.x;
    const u32 first = min(threadIdx.x * each, a.atoms), end = min(first + each, a.atoms);
    u32 before = 0;
    for (u32 rank = 0; rank < a.species_count; ++rank) {
        u32 count = 0, total;
        for (u32 k = first; k < end; ++k) count += a.ranks[a.sorted_species[k]] == rank;
        u32 at = before + block_prefix(count, total);
        for (u32 k = first; k < end; ++k)
            if (a.ranks[a.sorted_species[k]] == rank) a.centres[at++] = k;
        before += total;
    }
}
