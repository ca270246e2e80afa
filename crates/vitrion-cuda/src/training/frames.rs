//! Frames in device memory: packed by the host when they are first seen, kept as long as there is
//! room.
//!
//! Every entry of a neighbour list comes with its interval of the embedding grid, and entries are
//! also listed by interval in chunks, so that adjoints of node values are sums in a fixed order.

use super::arguments::{
    CHUNK, EMPTY, EMPTY_COUNT, FrameRecord, HAS_ENERGY, HAS_FORCES, HAS_VIRIAL,
};
use crate::device::{Address, Buffer, Device};
use crate::error::{CudaError, Result};
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use vitrion_core::{Labels, SpeciesTable, math};
use vitrion_model::classical::Zbl;
use vitrion_model::deep_potential::switching;
use vitrion_model::train::gradient::OUTSIDE;
use vitrion_model::train::neighborhoods::Neighborhoods;
use vitrion_model::train::{Dataset, Example, Geometry, GradientError};

/// Bytes of device memory that are taken at once.
const SLAB: usize = 64 << 20;
/// Frames start at multiples of this many bytes.
const ALIGNMENT: usize = 256;
/// Frames whose neighbours are found at once.
const FOUND: usize = 16;

/// What went wrong with a frame.
#[derive(Debug)]
pub(super) enum Refused {
    Device(CudaError),
    Frame(GradientError),
}

impl From<CudaError> for Refused {
    fn from(error: CudaError) -> Self {
        Refused::Device(error)
    }
}

/// A frame that is in device memory.
#[derive(Debug)]
pub(super) struct Resident {
    pub record: FrameRecord,
    pub chunks: usize,
    /// Atoms of each species.
    pub counts: Vec<u32>,
    /// Which labels there are; their numbers are in the record.
    pub labels: Labels,
}

/// The frames of a data set, as far as they are in device memory.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    device: Device,
    data: &'a Dataset,
    species: SpeciesTable,
    pub geometry: Geometry,
    /// Nodes of all grids.
    pub nodes: usize,
    repulsion: Option<(f64, f64)>,
    neighborhoods: Neighborhoods,
    examples: Vec<Example>,
    slabs: Vec<Buffer<u8>>,
    /// Slab in use, and bytes used of it.
    place: (usize, usize),
    /// Bytes that all slabs may take.
    pub budget: usize,
    resident: Vec<Option<Box<Resident>>>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(
        device: &Device,
        data: &'a Dataset,
        species: &SpeciesTable,
        geometry: Geometry,
        cache_bytes: usize,
    ) -> Result<Self> {
        let (free, _) = device.memory()?;
        Ok(Frames {
            device: device.clone(),
            data,
            species: species.clone(),
            nodes: geometry.grids.iter().map(|grid| grid.nodes).sum(),
            geometry,
            repulsion: None,
            neighborhoods: Neighborhoods::new(data, cache_bytes),
            examples: Vec::new(),
            slabs: Vec::new(),
            place: (0, 0),
            // the rest is for parameters and batches
            budget: free / 4 * 3,
            resident: (0..data.len()).map(|_| None).collect(),
        })
    }

    /// Labels are taken without this repulsion from now on.
    pub(super) fn set_repulsion(&mut self, repulsion: Option<(f64, f64)>) {
        if self.repulsion != repulsion {
            self.repulsion = repulsion;
            self.evict();
        }
    }

    /// A frame that [`Frames::require`] brought here.
    pub(super) fn get(&self, frame: usize) -> &Resident {
        self.resident[frame].as_ref().expect("it was required")
    }

    /// Species of the atoms of a frame.
    pub(super) fn species_of(&self, frame: usize) -> &[u8] {
        self.data.frame(frame).species
    }

    fn evict(&mut self) {
        self.resident.iter_mut().for_each(|frame| *frame = None);
        self.place = (0, 0);
    }

    /// Forgets all frames and gives their memory back.
    pub(super) fn release(&mut self) {
        self.evict();
        self.slabs.clear();
    }

    /// Brings frames into device memory, if need be in place of all others.
    pub(super) fn require(&mut self, frames: &[usize]) -> std::result::Result<(), Refused> {
        if self.bring(frames)? == 0 {
            return Ok(());
        }
        self.evict();
        if self.bring(frames)? == 0 {
            return Ok(());
        }
        // slabs may be too small for the frames one by one
        self.release();
        let wanted = self.bring(frames)?;
        if wanted == 0 {
            return Ok(());
        }
        let (free, _) = self.device.memory()?;
        let (wanted_mib, free_mib) = (wanted.div_ceil(1 << 20), free.min(self.budget) >> 20);
        Err(CudaError::OutOfMemory { wanted_mib, free_mib }.into())
    }

    /// Bytes of a frame that there is no room for, or 0.
    fn bring(&mut self, frames: &[usize]) -> std::result::Result<usize, Refused> {
        let mut missing: Vec<usize> =
            frames.iter().copied().filter(|frame| self.resident[*frame].is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        for frames in missing.chunks(FOUND) {
            let zbl = self.repulsion.map(|(inner, outer)| {
                Zbl::new(self.species.clone(), inner, outer).expect("radii were checked")
            });
            let cutoff = self.geometry.cutoff;
            let mut examples = std::mem::take(&mut self.examples);
            self.neighborhoods.fill(self.data, frames, cutoff, &mut examples, |example| {
                if let Some(zbl) = &zbl {
                    example.subtract(&mut zbl.clone());
                }
            });
            let (geometry, nodes) = (&self.geometry, self.nodes);
            let pack = |example| Packed::new(example, geometry, nodes);
            let packed: Vec<_> = examples.par_iter().map(pack).collect();
            self.examples = examples;
            for (frame, packed) in frames.iter().zip(packed) {
                let (bytes, mut resident) = packed.map_err(Refused::Frame)?;
                let Some(base) = self.upload(&bytes)? else { return Ok(bytes.len()) };
                let record = &mut resident.record;
                for at in addresses(record) {
                    at.0 += base.0;
                }
                self.resident[*frame] = Some(Box::new(resident));
            }
        }
        Ok(0)
    }

    /// Copies a frame to the device; `None` where there is no room.
    fn upload(&mut self, bytes: &[u8]) -> Result<Option<Address>> {
        loop {
            let (slab, used) = self.place;
            if let Some(memory) = self.slabs.get(slab) {
                if used + bytes.len() <= memory.len() {
                    memory.upload_at(used, bytes)?;
                    self.place.1 = (used + bytes.len()).next_multiple_of(ALIGNMENT);
                    return Ok(Some(memory.at(used)));
                }
                self.place = (slab + 1, 0);
                continue;
            }
            let taken: usize = self.slabs.iter().map(Buffer::len).sum();
            let left = self.budget.saturating_sub(taken);
            if left < bytes.len() {
                return Ok(None);
            }
            match self.device.room(SLAB.min(left).max(bytes.len())) {
                Ok(slab) => self.slabs.push(slab),
                Err(CudaError::OutOfMemory { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The addresses of a record.
fn addresses(record: &mut FrameRecord) -> [&mut Address; 15] {
    [
        &mut record.positions,
        &mut record.species,
        &mut record.ranks,
        &mut record.offsets,
        &mut record.centres,
        &mut record.index,
        &mut record.image,
        &mut record.nodes,
        &mut record.translations,
        &mut record.incoming_offsets,
        &mut record.incoming,
        &mut record.order,
        &mut record.chunks,
        &mut record.intervals,
        &mut record.forces,
    ]
}

/// A frame being packed.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
    centres: Vec<u32>,
    index: Vec<u32>,
    image: Vec<u32>,
    nodes: Vec<u32>,
}

impl Packed {
    /// Arrays of a frame one after the other, and a record with their places instead of addresses.
    #[allow(clippy::new_ret_no_self)] // what is packed is used up
    fn new(
        example: &Example,
        geometry: &Geometry,
        nodes: usize,
    ) -> std::result::Result<(Vec<u8>, Resident), GradientError> {
        let mut packed = Packed::default();
        packed.entries(example, geometry)?;
        let atoms = example.atoms();
        let (incoming_offsets, incoming) = {
            let heard = (0..packed.index.len()).filter(|p| packed.image[*p] & EMPTY == 0);
            listed(atoms, heard.map(|p| (packed.index[p], p as u32)))
        };
        let entries = 0..packed.nodes.len();
        let (bounds, order) = listed(nodes, entries.map(|p| (packed.nodes[p], p as u32)));
        let mut chunks = Vec::new();
        let mut intervals = Vec::with_capacity(nodes + 1);
        for interval in bounds.windows(2) {
            intervals.push(chunks.len() as u32);
            chunks.extend((interval[0]..interval[1]).step_by(CHUNK));
        }
        intervals.push(chunks.len() as u32);
        let count = chunks.len();
        chunks.push(order.len() as u32);
        let mut counts = vec![0; geometry.sel.len()];
        let ranks: Vec<u32> = example
            .species()
            .iter()
            .map(|species| {
                let count = &mut counts[usize::from(*species)];
                *count += 1;
                *count - 1
            })
            .collect();
        let labels = example.labels();
        let flag = |there: bool, flag: u32| if there { flag } else { 0 };
        let virial = labels.virial.unwrap_or_default();
        let record = FrameRecord {
            positions: packed.put(example.positions()),
            translations: packed.put(&example.list().translations),
            forces: packed.put(labels.forces.as_deref().unwrap_or_default()),
            ranks: packed.put(&ranks),
            offsets: packed.put_own(|p| &p.offsets),
            centres: packed.put_own(|p| &p.centres),
            index: packed.put_own(|p| &p.index),
            image: packed.put_own(|p| &p.image),
            nodes: packed.put_own(|p| &p.nodes),
            incoming_offsets: packed.put(&incoming_offsets),
            incoming: packed.put(&incoming),
            order: packed.put(&order),
            chunks: packed.put(&chunks),
            intervals: packed.put(&intervals),
            species: packed.put(example.species()),
            energy: labels.energy.unwrap_or(0.0),
            virial: std::array::from_fn(|k| virial[k / 3][k % 3]),
            flags: flag(labels.energy.is_some(), HAS_ENERGY)
                | flag(labels.forces.is_some(), HAS_FORCES)
                | flag(labels.virial.is_some(), HAS_VIRIAL),
            number: example.number() as u32,
            atoms: atoms as u32,
            entries: packed.index.len() as u32,
            ..FrameRecord::zeroed()
        };
        let labels = Labels {
            energy: labels.energy,
            forces: labels.forces.as_ref().map(|_| Vec::new()),
            virial: labels.virial,
            atom_energies: None,
        };
        Ok((packed.bytes, Resident { record, chunks: count, counts, labels }))
    }

    /// The place of an array.
    fn put<T: Pod>(&mut self, array: &[T]) -> Address {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytemuck::cast_slice(array));
        Address(at as u64)
    }

    fn put_own(&mut self, array: impl Fn(&Packed) -> &Vec<u32>) -> Address {
        let array = array(self).clone();
        self.put(&array)
    }

    /// Entries of all atoms species by species, those of empty slots after each species.
    fn entries(
        &mut self,
        example: &Example,
        geometry: &Geometry,
    ) -> std::result::Result<(), GradientError> {
        let (list, positions) = (example.list(), example.positions());
        self.offsets.push(0);
        for i in 0..example.atoms() {
            let own = usize::from(example.species()[i]) * geometry.sel.len();
            let row = list.row(i);
            let mut at = row.start;
            for species in 0..geometry.sel.len() {
                let pair = &geometry.pairs[own + species];
                let interval = geometry.grids[pair.net].interval();
                let first = at;
                while at < row.end
                    && usize::from(example.species()[list.index[at] as usize]) == species
                {
                    let distance = math::norm(list.vector(positions, i, at));
                    let (smooth, cutoff) = (geometry.smooth_cutoff, geometry.cutoff);
                    let weight = switching::weight(distance, smooth, cutoff).0;
                    let s = weight / (distance + geometry.protection);
                    let (node, _) = interval.locate(pair.input(s));
                    if node == OUTSIDE {
                        let order = example.order();
                        return Err(GradientError::TooClose {
                            frame: example.number(),
                            first: order[i] as usize,
                            second: order[list.index[at] as usize] as usize,
                            distance,
                            nearest: geometry.nearest,
                        });
                    }
                    self.push(i, list.index[at], list.image[at], node);
                    at += 1;
                }
                if let Some(x) = pair.empty() {
                    let image = EMPTY | (species as u32) << EMPTY_COUNT | (at - first) as u32;
                    self.push(i, i as u32, image, interval.locate(x).0);
                }
            }
            self.offsets.push(self.index.len() as u32);
        }
        Ok(())
    }

    fn push(&mut self, centre: usize, neighbor: u32, image: u32, node: u32) {
        self.centres.push(centre as u32);
        self.index.push(neighbor);
        self.image.push(image);
        self.nodes.push(node);
    }
}

/// Items by key: where those of each of `keys` keys start, and the items, in their order.
fn listed(keys: usize, items: impl Iterator<Item = (u32, u32)> + Clone) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0; keys + 1];
    for (key, _) in items.clone() {
        offsets[key as usize + 1] += 1;
    }
    for key in 0..keys {
        offsets[key + 1] += offsets[key];
    }
    let mut next = offsets.clone();
    let mut sorted = vec![0; offsets[keys] as usize];
    for (key, item) in items {
        let at = &mut next[key as usize];
        sorted[*at as usize] = item;
        *at += 1;
    }
    (offsets, sorted)
}
