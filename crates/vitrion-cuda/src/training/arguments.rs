//! The structures of `kernels/training*.cuh`.

use crate::arguments::{PRODUCTS, arguments};
use crate::device::Address;
use bytemuck::{Pod, Zeroable};

/// Numbers of an entry of a neighbour list.
pub(super) const ENTRY: usize = 24;
/// In place of an image: a term of empty slots; where the number of the species starts.
pub(super) const EMPTY: u32 = 1 << 31;
pub(super) const EMPTY_COUNT: u32 = 20;
/// Warps of a block that serves a centre.
pub(super) const CENTRE_WARPS: usize = 4;
/// Entries in a chunk.
pub(super) const CHUNK: usize = 32;
/// Nodes that a block takes through an embedding net, and rows of their numbers.
pub(super) const GRID_NODES: usize = 4;
pub(super) const GRID_ROWS: usize = 3 * GRID_NODES;
/// Rows and columns of a product that a block makes.
pub(super) const SIDE: usize = 32;
/// Parts of the sum of squares of one of Muon's matrices, and of the gradient.
pub(super) const MUON_PARTS: usize = 128;
/// Threads that share the sums of a node.
pub(super) const NODE_PARTS: usize = 8;
pub(super) const NORM_PARTS: usize = 256;
/// Labels of a frame.
pub(super) const HAS_ENERGY: u32 = 1;
pub(super) const HAS_FORCES: u32 = 2;
pub(super) const HAS_VIRIAL: u32 = 4;
/// Why a device stopped.
pub(super) const BAD_FRAME: u32 = 1;

arguments! {
    /// A frame in device memory, and where it is in the arrays of a batch.
    FrameRecord {
        positions: Address,
        species: Address,
        ranks: Address,
        offsets: Address,
        centres: Address,
        index: Address,
        image: Address,
        nodes: Address,
        translations: Address,
        incoming_offsets: Address,
        incoming: Address,
        order: Address,
        chunks: Address,
        intervals: Address,
        forces: Address,
        energy: f64,
        virial: [f64; 9],
        flags: u32,
        number: u32,
        atoms: u32,
        entries: u32,
        first_atom: u32,
        first_entry: u32,
        first_chunk: u32,
        reserved: u32,
    }

    BatchArguments {
        frames: Address,
        row_starts: Address,
        centres: Address,
        rows: Address,
        entries: Address,
        moving: Address,
        count: u32,
        atoms: u32,
        entry_count: u32,
        chunk_count: u32,
        species: u32,
        reserved: u32,
    }

    /// A pair of species and the grid of its net.
    TrainingPair {
        mean: f64,
        per_radial: f64,
        per_angular: f64,
        lower: f64,
        per_spacing: f64,
        spacing: f64,
        slots: f64,
        first: u32,
        reserved: u32,
    }

    EnvironmentArguments {
        batch: BatchArguments,
        pairs: Address,
        cutoff: f64,
        smooth_cutoff: f64,
        protection: f64,
        per_slot: f64,
    }

    ForcesArguments {
        batch: BatchArguments,
        gradients: Address,
        forces: Address,
        virials: Address,
    }

    FrameResult {
        loss: f64,
        energy_square: f64,
        force_square: f64,
        virial_square: f64,
        energy: f64,
        finite: f64,
    }

    LossArguments {
        batch: BatchArguments,
        energies: Address,
        forces: Address,
        virials: Address,
        found: Address,
        force_slopes: Address,
        frame_slopes: Address,
        energy_factor: f64,
        force_factor: f64,
        virial_factor: f64,
        huber: f64,
        element_weights: [f64; PRODUCTS],
        intensive: u32,
        reserved: u32,
    }

    DisplaceArguments {
        batch: BatchArguments,
        force_slopes: Address,
        frame_slopes: Address,
        per_slot: f64,
    }

    /// Shape of a descriptor.
    Features {
        entries: Address,
        width: i32,
        stride: i32,
        axis: i32,
        numbers: i32,
        feature_stride: i32,
        reserved: i32,
    }

    MomentsArguments {
        batch: BatchArguments,
        features: Features,
        values: Address,
        moments: Address,
        tangents: Address,
        descriptors: Address,
        rows: u32,
        reserved: u32,
    }

    PairGradientArguments {
        batch: BatchArguments,
        features: Features,
        values: Address,
        moments: Address,
        slopes: Address,
        toward: Address,
        gradients: Address,
        per_slot: f64,
        rows: u32,
        reserved: u32,
    }

    MomentAdjointArguments {
        features: Features,
        moments: Address,
        tangents: Address,
        adjoints: Address,
        slopes: Address,
        out: Address,
        rows: u32,
        reserved: u32,
    }

    ChunkArguments {
        batch: BatchArguments,
        toward: Address,
        adjoints: Address,
        partial: Address,
        stride: i32,
        reserved: i32,
    }

    NodeArguments {
        batch: BatchArguments,
        partial: Address,
        adjoints: Address,
        nodes: u32,
        stride: i32,
    }

    /// Rows of a species in a batch.
    Segment {
        first: u32,
        count: u32,
    }

    /// One product of a launch and the arithmetic of its layer.
    Task {
        a: Address,
        b: Address,
        a2: Address,
        b2: Address,
        c: Address,
        input: Address,
        kept: Address,
        slope: Address,
        moving: Address,
        second: Address,
        timestep: Address,
        bias: Address,
        threshold: f64,
        rows: i32,
        columns: i32,
        depth: i32,
        lda: i32,
        ldb: i32,
        ldc: i32,
        ld_input: i32,
        segment: i32,
        activation: i32,
        skip: i32,
    }

    TaskArguments {
        tasks: Address,
        segments: Address,
    }

    /// The last layer of a species.
    Top {
        weights: Address,
        bias: Address,
        timestep: Address,
        threshold: f64,
        constant: f64,
        activation: i32,
        reserved: i32,
    }

    TopArguments {
        batch: BatchArguments,
        tops: Address,
        frame_slopes: Address,
        kept: Address,
        output: Address,
        slope: Address,
        second: Address,
        tangent: Address,
        moving: Address,
        energies: Address,
        row_slopes: Address,
        width: i32,
        ld: i32,
        rows: u32,
        reserved: u32,
    }

    /// Columns whose sums are wanted.
    Columns {
        from: Address,
        to: Address,
        ld: i32,
        count: i32,
        rows: i32,
        segment: i32,
    }

    ColumnArguments {
        columns: Address,
        segments: Address,
    }

    GridLayer {
        weights: Address,
        bias: Address,
        timestep: Address,
        z: Address,
        y: Address,
        adjoint: Address,
        terms: Address,
        threshold: f64,
        inputs: i32,
        outputs: i32,
        ld: i32,
        activation: i32,
        skip: i32,
        reserved: i32,
    }

    GridNet {
        lower: f64,
        spacing: f64,
        adjoints: Address,
        nodes: u32,
        first_layer: u32,
        layers: u32,
        reserved: u32,
    }

    GridArguments {
        nets: Address,
        layers: Address,
        widest: i32,
        reserved: i32,
    }

    /// What a step that failed leaves.
    Control {
        halt: u32,
        frame: u32,
        step: u64,
        energy: f64,
        scale: f64,
    }

    NormArguments {
        gradient: Address,
        parts: Address,
        length: u64,
    }

    StepResult {
        loss: f64,
        norm: f64,
        squares: [f64; 6],
    }

    EndArguments {
        batch: BatchArguments,
        found: Address,
        parts: Address,
        control: Address,
        result: Address,
        clip: f64,
        step: u64,
        part_count: u32,
        reserved: u32,
    }

    AdamArguments {
        parameters: Address,
        gradient: Address,
        first: Address,
        second: Address,
        others: Address,
        control: Address,
        length: u64,
        beta1: f64,
        one_minus1: f64,
        beta2: f64,
        one_minus2: f64,
        step: f64,
        scale: f64,
        epsilon: f64,
        keep: f64,
    }

    AverageArguments {
        average: Address,
        parameters: Address,
        control: Address,
        length: u64,
        keep: f64,
        take: f64,
    }

    /// A weight matrix and the memory to orthogonalise it.
    Matrix {
        x: Address,
        gram: Address,
        polynomial: Address,
        spare: Address,
        factors: [Address; 2],
        squares: Address,
        at: u64,
        rows: i32,
        columns: i32,
        ld: i32,
        longer: i32,
        shorter: i32,
        ld_short: i32,
    }

    MuonArguments {
        matrices: Address,
        parameters: Address,
        gradient: Address,
        first: Address,
        control: Address,
        momentum: f64,
        rate: f64,
        keep: f64,
        coefficients: [f64; 3],
        iteration: i32,
        reserved: i32,
    }
}

// structures in tables, whose size no launch compares
const _: () = {
    assert!(size_of::<FrameRecord>() == 232 && size_of::<Task>() == 144 && size_of::<Top>() == 48);
    assert!(size_of::<Columns>() == 32 && size_of::<GridLayer>() == 88);
    assert!(size_of::<GridNet>() == 40 && size_of::<Matrix>() == 88);
};
