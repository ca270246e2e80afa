//! From frames to losses and gradients: the launches of a step in their order.

use super::arguments::{
    CENTRE_WARPS, ChunkArguments, ColumnArguments, DisplaceArguments, EnvironmentArguments,
    Features, ForcesArguments, GridArguments, LossArguments, MomentAdjointArguments,
    MomentsArguments, NODE_PARTS, NodeArguments, PairGradientArguments, TaskArguments,
    TopArguments, TrainingPair,
};
use super::batch::{Lists, Rows, Uploaded, Way};
use super::frames::Frames;
use super::layout::Layout;
use super::nets::{Nets, SHARED, Vectors, Weights};
use crate::arguments::PRODUCTS;
use crate::device::{Address, Buffer, Device, Kernel, Shape, Width};
use crate::error::{Result, unsupported};
use crate::potential::model::padded;
use crate::potential::width;
use vitrion_model::DeepPotential;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::loss::Norms;
use vitrion_model::train::parameters;
use vitrion_model::train::{Geometry, Loss, Prefactors};

/// Threads of a block, and of one that serves a centre.
const BLOCK: u32 = 128;
const CENTRE_BLOCK: u32 = CENTRE_WARPS as u32 * 32;
/// Widest embedding: 32 lanes, four outputs each, twice.
const WIDEST: usize = 256;

#[derive(Debug)]
struct Kernels {
    arrange: Kernel<super::arguments::BatchArguments>,
    environment: Kernel<EnvironmentArguments>,
    grid_forward: Kernel<GridArguments>,
    grid_backward: Kernel<GridArguments>,
    moments: Kernel<MomentsArguments>,
    moment_tangents: Kernel<MomentsArguments>,
    moment_adjoints: Kernel<MomentAdjointArguments>,
    pair_gradients: Kernel<PairGradientArguments>,
    energies: Kernel<TopArguments>,
    top: Kernel<TopArguments>,
    forces: Kernel<ForcesArguments>,
    losses: Kernel<LossArguments>,
    displace: Kernel<DisplaceArguments>,
    chunk_sums: Kernel<ChunkArguments>,
    node_sums: Kernel<NodeArguments>,
    column_sums: Kernel<ColumnArguments>,
}

impl Kernels {
    fn new<T>(device: &Device, wide: bool) -> Result<Self> {
        let w = width::<T>();
        let either = |narrow: &'static str, name: &'static str| if wide { name } else { narrow };
        Ok(Kernels {
            arrange: device.kernel(w, "arrange")?,
            environment: device.kernel(w, "environment")?,
            grid_forward: device.kernel(w, "grid_forward")?,
            grid_backward: device.kernel(w, "grid_backward")?,
            moments: device.kernel(w, either("moments", "moments_wide"))?,
            moment_tangents: device.kernel(w, either("moment_tangents", "moment_tangents_wide"))?,
            moment_adjoints: device.kernel(w, "moment_adjoints")?,
            pair_gradients: device.kernel(w, either("pair_gradients", "pair_gradients_wide"))?,
            energies: device.kernel(w, "fit_energies")?,
            top: device.kernel(w, "fit_top")?,
            forces: device.kernel(w, "collect_forces")?,
            losses: device.kernel(w, "frame_losses")?,
            displace: device.kernel(w, "displace")?,
            chunk_sums: device.kernel(w, either("chunk_sums", "chunk_sums_wide"))?,
            node_sums: device.kernel(w, "node_sums")?,
            column_sums: device.kernel(w, "column_sums")?,
        })
    }
}

/// Matrix products.
#[derive(Debug)]
struct Products {
    /// By [`Way`].
    layers: [Kernel<TaskArguments>; 4],
    weight_gradients: Kernel<TaskArguments>,
}

impl Products {
    fn new<T>(device: &Device, tensor_cores: bool) -> Result<Self> {
        let w = width::<T>();
        let tensor = tensor_cores && w == Width::Single;
        let kernel = |name: &'static str, on_tensor_cores: &'static str| {
            device.kernel(w, if tensor { on_tensor_cores } else { name })
        };
        Ok(Products {
            layers: [
                kernel("fit_forward", "fit_forward_tensor")?,
                kernel("fit_backward", "fit_backward_tensor")?,
                kernel("fit_tangents", "fit_tangents_tensor")?,
                kernel("fit_adjoints", "fit_adjoints_tensor")?,
            ],
            weight_gradients: kernel("weight_gradients", "weight_gradients_tensor")?,
        })
    }
}

/// Everything that evaluates batches.
#[derive(Debug)]
pub(super) struct Pass<T> {
    device: Device,
    kernels: Kernels,
    products: Products,
    pub layout: Layout,
    pub vectors: Vectors<T>,
    nets: Nets<T>,
    features: Features,
    pairs: Buffer<TrainingPair>,
    _entries: Buffer<u32>,
    rows: Rows<T>,
    pub lists: Lists<T>,
    batch: Option<Uploaded>,
}

impl<T: Real> Pass<T> {
    pub(super) fn new(
        device: &Device,
        model: &DeepPotential,
        places: &parameters::Places,
        geometry: &Geometry,
    ) -> Result<Self> {
        let (species, width) = (model.species.len(), model.descriptor.width());
        if species > PRODUCTS {
            return unsupported(format!("a model of {species} species (at most {PRODUCTS})"));
        }
        if width > WIDEST {
            return unsupported(format!("an embedding of {width} outputs (at most {WIDEST})"));
        }
        let layout = Layout::new(places);
        let shapes = |net: &Vec<super::layout::Layer>| -> Vec<(usize, usize)> {
            net.iter().map(|layer| (layer.inputs, layer.outputs)).collect()
        };
        if layout.fitting.iter().any(|net| shapes(net) != shapes(&layout.fitting[0])) {
            return unsupported("a model whose fitting nets differ in shape");
        }
        if layout.fitting.iter().any(|net| net[0].skip != 0) {
            return unsupported(
                "a fitting net whose first layer adds the descriptor to its output",
            );
        }
        let (stride, count) = (padded(width), places.entries.len());
        let shared = size_of::<T>() * (CENTRE_BLOCK as usize * 8 + 24 * stride + padded(count));
        if shared > SHARED {
            return unsupported(format!("a descriptor of {count} numbers"));
        }
        let entries: Vec<u32> = places.entries.iter().map(|(m, a)| m << 16 | a).collect();
        let entries = device.buffer(&entries)?;
        let features = Features {
            entries: entries.address(),
            width: width as i32,
            stride: stride as i32,
            axis: model.descriptor.axis as i32,
            numbers: count as i32,
            feature_stride: padded(count) as i32,
            reserved: 0,
        };
        let vectors = Vectors::new(device, &layout.spread(&places.read::<T>(model)))?;
        let nets = Nets::new(device, &layout, geometry, &vectors)?;
        let rows = Rows::new(device, &layout, &nets, &vectors, stride, padded(count), 1)?;
        Ok(Pass {
            device: device.clone(),
            kernels: Kernels::new::<T>(device, stride > 128)?,
            products: Products::new::<T>(device, false)?,
            pairs: device.buffer(&pairs(geometry))?,
            _entries: entries,
            lists: Lists::new(device)?,
            batch: None,
            layout,
            vectors,
            nets,
            features,
            rows,
        })
    }

    /// Products in single precision on tensor cores, or not.
    pub(super) fn set_tensor_cores(&mut self, tensor_cores: bool) -> Result<()> {
        self.products = Products::new::<T>(&self.device, tensor_cores)?;
        Ok(())
    }

    /// Makes frames that are in device memory the batch: who sits in which row, what neighbours are.
    pub(super) fn load(&mut self, frames: &Frames<'_>, numbers: &[usize]) -> Result<Uploaded> {
        let atoms: usize = numbers.iter().map(|f| frames.get(*f).record.atoms as usize).sum();
        let stride = self.features.stride as usize;
        if atoms > self.rows.capacity {
            let feature_stride = self.features.feature_stride as usize;
            // the old ones go first
            for capacity in [1, atoms + atoms / 4] {
                let Pass { device, layout, nets, vectors, .. } = &*self;
                self.rows =
                    Rows::new(device, layout, nets, vectors, stride, feature_stride, capacity)?;
            }
        }
        let batch = self.lists.upload(&self.device, frames, numbers, &self.rows, stride)?;
        let geometry = &frames.geometry;
        let per_atom = Shape::threads(batch.arguments.atoms as usize, BLOCK);
        self.kernels.arrange.launch(per_atom, &batch.arguments)?;
        self.kernels.environment.launch(
            Shape::threads(batch.arguments.entry_count as usize, BLOCK),
            &EnvironmentArguments {
                batch: batch.arguments,
                pairs: self.pairs.address(),
                cutoff: geometry.cutoff,
                smooth_cutoff: geometry.smooth_cutoff,
                protection: geometry.protection,
                per_slot: geometry.inverse_slots,
            },
        )?;
        self.batch = Some(batch);
        Ok(batch)
    }

    fn uploaded(&self) -> &Uploaded {
        self.batch.as_ref().expect("a batch was loaded")
    }

    /// A warp for every row.
    fn warps(&self) -> Shape {
        Shape::warps(self.uploaded().arguments.atoms as usize, BLOCK)
    }

    /// A block for every row, with so many numbers of shared memory.
    fn blocks(&self, shared: usize) -> Shape {
        let rows = self.uploaded().arguments.atoms as usize;
        Shape::blocks(rows, CENTRE_BLOCK).with_shared(size_of::<T>() * shared)
    }

    /// One hidden layer of all species.
    fn layer(&self, weights: Weights, way: Way, k: usize) -> Result<()> {
        let (shape, arguments) = self.rows.layer(weights, way, k, &self.layout, self.uploaded());
        self.products.layers[way as usize].launch(shape, &arguments)
    }

    fn top(&self, weights: Weights) -> TopArguments {
        let last = self.rows.hidden.len() - 1;
        let (memory, layer) = (&self.rows.hidden[last], &self.layout.fitting[0][last]);
        TopArguments {
            batch: self.uploaded().arguments,
            tops: self.nets.tops(weights),
            frame_slopes: self.lists.frame_slopes.address(),
            kept: memory.kept.address(),
            output: memory.output.address(),
            slope: memory.slope.address(),
            second: memory.second.address(),
            tangent: memory.tangent.address(),
            moving: memory.moving.address(),
            energies: self.rows.energies.address(),
            row_slopes: self.rows.row_slopes.address(),
            width: layer.outputs as i32,
            ld: layer.ld as i32,
            rows: self.uploaded().arguments.atoms,
            reserved: 0,
        }
    }

    /// Energies, forces, virials and losses of the batch.
    pub(super) fn forward(
        &self,
        geometry: &Geometry,
        weights: Weights,
        loss: &Loss,
        prefactors: &Prefactors,
        norms: &Norms,
    ) -> Result<()> {
        let Pass { kernels, rows, lists, nets, .. } = self;
        let batch = self.uploaded().arguments;
        let stride = self.features.stride as usize;
        let (shape, arguments) = nets.grid(weights, 2);
        kernels.grid_forward.launch(shape, &arguments)?;
        let moments = self.moments(Address::NULL, 0);
        kernels.moments.launch(self.blocks((1 + CENTRE_WARPS) * 4 * stride), &moments)?;
        for k in 0..rows.hidden.len() {
            self.layer(weights, Way::Forward, k)?;
        }
        let top = self.top(weights);
        kernels.energies.launch(self.warps(), &top)?;
        for k in (0..rows.hidden.len()).rev() {
            self.layer(weights, Way::Backward, k)?;
        }
        kernels.pair_gradients.launch(
            self.blocks(
                CENTRE_BLOCK as usize * 8 + 8 * stride + self.features.feature_stride as usize,
            ),
            &PairGradientArguments {
                batch,
                features: self.features,
                values: nets.values.address(),
                moments: rows.moments.address(),
                slopes: rows.features[2].address(),
                toward: rows.toward.address(),
                gradients: lists.gradients.address(),
                per_slot: geometry.inverse_slots,
                rows: batch.atoms,
                reserved: 0,
            },
        )?;
        let forces = ForcesArguments {
            batch,
            gradients: lists.gradients.address(),
            forces: rows.forces.address(),
            virials: rows.virials.address(),
        };
        kernels.forces.launch(self.warps(), &forces)?;
        let over = |prefactor: f64, norm: f64| if norm > 0.0 { prefactor / norm } else { 0.0 };
        let element = |species: usize| {
            if species < self.layout.fitting.len() { loss.element(species as u8) } else { 0.0 }
        };
        kernels.losses.launch(
            Shape::blocks(batch.count as usize, 256),
            &LossArguments {
                batch,
                energies: rows.energies.address(),
                forces: rows.forces.address(),
                virials: rows.virials.address(),
                found: lists.found.address(),
                force_slopes: rows.force_slopes.address(),
                frame_slopes: lists.frame_slopes.address(),
                energy_factor: over(prefactors.energy, norms.energy),
                force_factor: over(prefactors.force, norms.force),
                virial_factor: over(prefactors.virial, 9.0 * norms.virial),
                huber: loss.huber.unwrap_or(-1.0),
                element_weights: std::array::from_fn(element),
                intensive: u32::from(loss.intensive),
                reserved: 0,
            },
        )
    }

    /// Moments of all rows, or their tangents, with the descriptor's.
    fn moments(&self, tangents: Address, descriptors: usize) -> MomentsArguments {
        let batch = self.uploaded().arguments;
        MomentsArguments {
            batch,
            features: self.features,
            values: self.nets.values.address(),
            moments: self.rows.moments.address(),
            tangents,
            descriptors: self.rows.features[descriptors].address(),
            rows: batch.atoms,
            reserved: 0,
        }
    }

    /// The gradient of the loss of the batch, after [`Pass::forward`] with the present weights.
    pub(super) fn backward(&self, frames: &Frames<'_>) -> Result<()> {
        let Pass { kernels, rows, lists, nets, .. } = self;
        let uploaded = self.uploaded();
        let batch = uploaded.arguments;
        let (stride, last) = (self.features.stride as usize, rows.hidden.len() - 1);
        kernels.displace.launch(
            Shape::threads(batch.entry_count as usize, BLOCK),
            &DisplaceArguments {
                batch,
                force_slopes: rows.force_slopes.address(),
                frame_slopes: lists.frame_slopes.address(),
                per_slot: frames.geometry.inverse_slots,
            },
        )?;
        let tangents = self.moments(rows.tangents.address(), 1);
        kernels.moment_tangents.launch(self.blocks((2 + CENTRE_WARPS) * 4 * stride), &tangents)?;
        for k in 0..=last {
            self.layer(Weights::Present, Way::Tangents, k)?;
        }
        let memory = &rows.hidden[last];
        let top = TopArguments {
            slope: memory.adjoint.address(),
            second: memory.zeta.address(),
            ..self.top(Weights::Present)
        };
        kernels.top.launch(self.warps(), &top)?;
        for k in (0..=last).rev() {
            self.layer(Weights::Present, Way::Adjoints, k)?;
        }
        kernels.moment_adjoints.launch(
            self.blocks(12 * stride + self.features.feature_stride as usize),
            &MomentAdjointArguments {
                features: self.features,
                moments: rows.moments.address(),
                tangents: rows.tangents.address(),
                adjoints: rows.features[3].address(),
                slopes: rows.features[2].address(),
                out: rows.adjoints.address(),
                rows: batch.atoms,
                reserved: 0,
            },
        )?;
        let chunks = ChunkArguments {
            batch,
            toward: rows.toward.address(),
            adjoints: rows.adjoints.address(),
            partial: lists.partial.address(),
            stride: stride as i32,
            reserved: 0,
        };
        kernels.chunk_sums.launch(Shape::warps(batch.chunk_count as usize, BLOCK), &chunks)?;
        let nodes = NodeArguments {
            batch,
            partial: lists.partial.address(),
            adjoints: nets.node_adjoints.address(),
            nodes: frames.nodes as u32,
            stride: stride as i32,
        };
        kernels
            .node_sums
            .launch(Shape::threads(frames.nodes * 3 * stride / 4 * NODE_PARTS, BLOCK), &nodes)?;
        let (shape, arguments) = nets.grid(Weights::Present, 3);
        kernels.grid_backward.launch(shape, &arguments)?;
        let (shape, arguments) = rows.weights(uploaded);
        self.products.weight_gradients.launch(shape, &arguments)?;
        let (table, most) = rows.columns();
        let grid = [most.div_ceil(32) as u32, table.len() as u32, 1];
        let arguments = ColumnArguments { columns: table.address(), segments: uploaded.segments };
        kernels.column_sums.launch(Shape { grid, block: 256, shared: 0 }, &arguments)
    }
}

fn pairs(geometry: &Geometry) -> Vec<TrainingPair> {
    let species = geometry.sel.len();
    let of = |(k, pair): (usize, &vitrion_model::train::gradient::Pair)| {
        let interval = geometry.grids[pair.net].interval();
        TrainingPair {
            mean: pair.mean,
            per_radial: pair.per_radial,
            per_angular: pair.per_angular,
            lower: interval.lower,
            per_spacing: interval.per_spacing,
            spacing: interval.spacing,
            slots: geometry.sel[k % species] as f64,
            first: interval.first,
            reserved: 0,
        }
    };
    geometry.pairs.iter().enumerate().map(of).collect()
}
