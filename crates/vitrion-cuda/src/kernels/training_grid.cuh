// Training, embedding nets: a block takes a few nodes of the grid of one net through all layers.
//
// Taylor arithmetic of orders 0, 1, 2 through y = φ(z) t + skip(x), z = x W + b, and its adjoint with
// A_o = ȳ_o t:
//
//   y₀ = φ t    y₁ = φ′ z₁ t    y₂ = (φ″ z₁² + φ′ z₂) t
//   z̄₂ = A₂ φ′    z̄₁ = A₁ φ′ + 2 A₂ φ″ z₁    z̄₀ = A₀ φ′ + A₁ φ″ z₁ + A₂ (φ‴ z₁² + φ″ z₂)

namespace training {

const int GRID_NODES = 4, GRID_ROWS = GRID_NODES * ORDERS;

struct GridLayer {
    const real* weights;
    const real* bias;
    const real* timestep;
    // [node][order][ld]: z (what the activation keeps in order 0), y, z̄; [node][ld]: terms of the
    // timestep's gradient.
    real* z;
    real* y;
    real* adjoint;
    real* terms;
    double threshold;
    int inputs;
    int outputs;
    int ld;
    int activation;
    int skip;
    int reserved;
};
static_assert(sizeof(GridLayer) == 88, "as in Rust");

struct GridNet {
    double lower;
    double spacing;
    // Adjoints of the outputs, [node][order][stride].
    const real* adjoints;
    u32 nodes;
    u32 first_layer;
    u32 layers;
    u32 reserved;
};
static_assert(sizeof(GridNet) == 40, "as in Rust");

struct GridArguments {
    const GridNet* nets;
    const GridLayer* layers;
    int widest;
    int reserved;
};

KERNEL(grid_forward, GridArguments, 128) {
    const GridNet& net = a.nets[blockIdx.y];
    const u32 first = blockIdx.x * GRID_NODES;
    if (first >= net.nodes) return;
    DYNAMIC_SHARED(real, memory);
    real* x = memory;  // [input][GRID_ROWS]
    real* next = memory + a.widest * GRID_ROWS;
    if (threadIdx.x < GRID_ROWS) {
        const u32 order = threadIdx.x % ORDERS, node = first + threadIdx.x / ORDERS;
        const double at = net.lower + (double)node * net.spacing;
        x[threadIdx.x] = order == 0 ? (real)at : order == 1 ? (real)1 : (real)0;
    }
    __syncthreads();
    for (u32 k = 0; k < net.layers; ++k) {
        const GridLayer& layer = a.layers[net.first_layer + k];
        for (int o = threadIdx.x; o < layer.ld; o += blockDim.x) {
            real z[GRID_ROWS], y[GRID_ROWS];
            for (int r = 0; r < GRID_ROWS; ++r) z[r] = y[r] = 0;
            if (o < layer.outputs) {
                for (int i = 0; i < layer.inputs; ++i) {
                    const real w = layer.weights[(u64)i * layer.ld + o];
#pragma unroll
                    for (int r = 0; r < GRID_ROWS; ++r) z[r] += x[i * GRID_ROWS + r] * w;
                }
                const real bias = layer.bias[o];
                const real step = layer.timestep ? layer.timestep[o] : (real)1;
                const real* below = x + o % layer.inputs * GRID_ROWS;
#pragma unroll
                for (int r = 0; r < GRID_ROWS; r += ORDERS) {
                    z[r] = keep_of(layer.activation, z[r] + bias);
                    const Curve f = kept_curve(layer.activation, layer.threshold, z[r]);
                    y[r] = f.value * step;
                    y[r + 1] = f.slope * z[r + 1] * step;
                    y[r + 2] = (f.bend * z[r + 1] * z[r + 1] + f.slope * z[r + 2]) * step;
                    if (layer.skip)
                        for (int k = 0; k < ORDERS; ++k) y[r + k] += below[r + k];
                }
                for (int r = 0; r < GRID_ROWS; ++r) next[o * GRID_ROWS + r] = y[r];
            }
#pragma unroll
            for (int r = 0; r < GRID_ROWS; ++r) {
                if (first + r / ORDERS >= net.nodes) continue;
                const u64 at = ((u64)first * ORDERS + r) * layer.ld + o;
                layer.z[at] = z[r];
                layer.y[at] = y[r];
            }
        }
        __syncthreads();
        real* swapped = x;
        x = next;
        next = swapped;
    }
}

KERNEL(grid_backward, GridArguments, 128) {
    const GridNet& net = a.nets[blockIdx.y];
    const u32 first = blockIdx.x * GRID_NODES;
    if (first >= net.nodes) return;
    DYNAMIC_SHARED(real, memory);
    real* outer = memory;  // [output][GRID_ROWS]
    real* inner = outer + a.widest * GRID_ROWS;
    real* adjoint = inner + a.widest * GRID_ROWS;
    const GridLayer& last = a.layers[net.first_layer + net.layers - 1];
    for (int k = threadIdx.x; k < last.outputs * GRID_ROWS; k += blockDim.x) {
        const int r = k / last.outputs, o = k % last.outputs;
        const bool there = first + r / ORDERS < net.nodes;
        const u64 at = ((u64)first * ORDERS + r) * last.ld + o;
        outer[o * GRID_ROWS + r] = there ? net.adjoints[at] : (real)0;
    }
    __syncthreads();
    for (int k = net.layers - 1; k >= 0; --k) {
        const GridLayer& layer = a.layers[net.first_layer + k];
        for (int o = threadIdx.x; o < layer.ld; o += blockDim.x) {
            const bool real_output = o < layer.outputs;
            const real step = layer.timestep && real_output ? layer.timestep[o] : (real)1;
            for (int n = 0; n < GRID_NODES; ++n) {
                const bool there = real_output && first + n < net.nodes;
                const u64 at = (u64)(first + n) * ORDERS * layer.ld + o;
                real s[ORDERS] = {0, 0, 0}, term = 0;
                if (there) {
                    const real* a = outer + o * GRID_ROWS + n * ORDERS;
                    const real z1 = layer.z[at + layer.ld], z2 = layer.z[at + 2 * layer.ld];
                    const Curve f = kept_curve(layer.activation, layer.threshold, layer.z[at]);
                    const real second = f.bend * z1 * z1 + f.slope * z2;
                    term = a[0] * f.value + a[1] * f.slope * z1 + a[2] * second;
                    const real a0 = a[0] * step, a1 = a[1] * step, a2 = a[2] * step;
                    s[2] = a2 * f.slope;
                    s[1] = a1 * f.slope + (real)2 * a2 * f.bend * z1;
                    s[0] = a0 * f.slope + a1 * f.bend * z1 + a2 * (f.third * z1 * z1 + f.bend * z2);
                }
                if (real_output)
                    for (int r = 0; r < ORDERS; ++r)
                        adjoint[o * GRID_ROWS + n * ORDERS + r] = s[r];
                if (first + n >= net.nodes) continue;
                for (int r = 0; r < ORDERS; ++r) layer.adjoint[at + r * layer.ld] = s[r];
                if (layer.terms) layer.terms[(u64)(first + n) * layer.ld + o] = term;
            }
        }
        __syncthreads();
        if (k == 0) return;
        for (int i = threadIdx.x; i < layer.inputs; i += blockDim.x) {
            real sum[GRID_ROWS];
            for (int r = 0; r < GRID_ROWS; ++r) sum[r] = 0;
            for (int o = 0; o < layer.outputs; ++o) {
                const real w = layer.weights[(u64)i * layer.ld + o];
#pragma unroll
                for (int r = 0; r < GRID_ROWS; ++r) sum[r] += adjoint[o * GRID_ROWS + r] * w;
            }
            for (int k = 0; k < layer.skip; ++k)
                for (int r = 0; r < GRID_ROWS; ++r)
                    sum[r] += outer[(i + k * layer.inputs) * GRID_ROWS + r];
            for (int r = 0; r < GRID_ROWS; ++r) inner[i * GRID_ROWS + r] = sum[r];
        }
        __syncthreads();
        real* swapped = outer;
        outer = inner;
        inner = swapped;
    }
}

}  // namespace training
