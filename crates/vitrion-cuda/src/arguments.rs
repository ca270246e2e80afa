//! The structures that kernels take, field by field as in `kernels/*.cuh`.

use crate::device::Address;
use bytemuck::{Pod, Zeroable};

/// Defines structures of arguments: C layout, plain data.
macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, Pod, Zeroable)]
            #[repr(C)]
            pub(crate) struct $name {
                $(pub(crate) $field: $kind,)*
            }
        )*
    };
}
pub(crate) use arguments;

/// Products in one launch.
pub(crate) const PRODUCTS: usize = 12;

arguments! {
    /// A list of neighbours.
    Surroundings {
        positions: Address,
        species: Address,
        offsets: Address,
        index: Address,
        image: Address,
        translations: Address,
    }

    /// A pair `[centre][neighbour]` of species.
    Pair {
        mean: [f64; 4],
        inverse_std: [f64; 4],
        lower: f64,
        per_cell: f64,
        first_cell: u32,
        cells: u32,
        first_row: u32,
        seen: u32,
    }

    /// What the kernels know of a descriptor.
    DescriptorArguments {
        cutoff: f64,
        smooth_cutoff: f64,
        protection: f64,
        pairs: Address,
        cells: Address,
        tables: Address,
        padding: Address,
        sel: Address,
        entries: Address,
        per_slot: f64,
        species: i32,
        width: i32,
        stride: i32,
        axis: i32,
        degree: i32,
        features: i32,
        feature_stride: i32,
        reserved: i32,
    }

    DescribeArguments {
        around: Surroundings,
        descriptor: DescriptorArguments,
        status: Address,
        centres: Address,
        moments: Address,
        features: Address,
        count: u32,
        reserved: u32,
    }

    DifferentiateArguments {
        around: Surroundings,
        descriptor: DescriptorArguments,
        status: Address,
        centres: Address,
        moments: Address,
        slopes: Address,
        gradients: Address,
        virials: Address,
        count: u32,
        reserved: u32,
    }

    SilentArguments {
        around: Surroundings,
        status: Address,
        centres: Address,
        energy: Address,
        gradients: Address,
        virials: Address,
        energies: Address,
        count: u32,
        reserved: u32,
    }

    /// Screened nuclear repulsion of a pair of species.
    RepulsionPair {
        strength: f64,
        per_length: f64,
        switch: [f64; 3],
    }

    GatherArguments {
        around: Surroundings,
        reverse: Address,
        status: Address,
        gradients: Address,
        energies: Address,
        virials: Address,
        order: Address,
        forces: Address,
        repulsions: Address,
        inner: f64,
        outer: f64,
        species: i32,
        atoms: u32,
    }

    /// The arithmetic of a layer.
    LayerArguments {
        activation: i32,
        skip: i32,
        threshold: f64,
        timestep: Address,
        bias: Address,
    }

    /// One matrix product of a launch.
    Product {
        a: Address,
        b: Address,
        c: Address,
        rows: i32,
        depth: i32,
        layer: LayerArguments,
        input: Address,
        slopes: Address,
    }

    ProductArguments {
        products: [Product; PRODUCTS],
        status: Address,
        columns: i32,
        lda: i32,
        ldb: i32,
        ldc: i32,
        inputs: i32,
        ld_input: i32,
        ld_slopes: i32,
        reserved: i32,
    }

    OutputArguments {
        status: Address,
        centres: Address,
        outputs: Address,
        slopes: Address,
        upstream: Address,
        weights: Address,
        energies: Address,
        bias: f64,
        threshold: f64,
        activation: i32,
        width: i32,
        ld: i32,
        rows: u32,
    }
}

/// Atoms whose matrix rows make one block of a product, and its columns, as in `product.cuh`.
const TILE_ROWS: usize = 128;
const TILE_COLUMNS: usize = 64;

impl ProductArguments {
    /// The grid that these products need: columns, rows and products.
    pub(crate) fn shape(&self) -> crate::device::Shape {
        let used = self.products.iter().take_while(|p| p.a != Address::NULL).count();
        let rows = self.products.iter().map(|p| p.rows as usize).max().unwrap_or(0);
        let columns = (self.columns as usize).div_ceil(TILE_COLUMNS);
        let grid = [columns as u32, rows.div_ceil(TILE_ROWS) as u32, used as u32];
        crate::device::Shape { grid, block: 256, shared: 0 }
    }
}
