//! The frames of one step in device memory, and the memory of a step, which grows as batches ask.

use super::arguments::{
    BatchArguments, Columns, ENTRY, FrameRecord, FrameResult, Segment, Task, TaskArguments,
};
use super::frames::Frames;
use super::layout::Layout;
use super::nets::{Nets, Vectors, Weights};
use super::tables::Places;
use crate::arguments::PRODUCTS;
use crate::device::{Address, Buffer, Device, Shape};
use crate::error::{CudaError, Result};
use crate::training::arguments::SIDE;
use bytemuck::Zeroable;
use vitrion_model::deep_potential::real::Real;

/// Numbers of a hidden layer, `[row][ld]`.
#[derive(Debug)]
pub(super) struct Hidden<T> {
    pub kept: Buffer<T>,
    pub output: Buffer<T>,
    /// `ẏ`; of the last layer later what the gradient of the output layer sums.
    pub tangent: Buffer<T>,
    /// `g`, `q`
    pub slope: Buffer<T>,
    pub second: Buffer<T>,
    /// `ż`, later the terms of the timestep's gradient.
    pub moving: Buffer<T>,
    /// `p`, `ζ`
    pub adjoint: Buffer<T>,
    pub zeta: Buffer<T>,
}

/// Numbers of all rows of a batch and the tables of products over them.
#[derive(Debug)]
pub(super) struct Rows<T> {
    /// Rows there is room for.
    pub capacity: usize,
    /// `T`, `Ṫ`, `∂E/∂T`, `T̄′`, `[row][4][stride]`.
    pub moments: Buffer<T>,
    pub tangents: Buffer<T>,
    pub toward: Buffer<T>,
    pub adjoints: Buffer<T>,
    /// `D`, `Ḋ`, `∂E/∂D`, `D̄`, `[row][feature_stride]`.
    pub features: [Buffer<T>; 4],
    pub hidden: Vec<Hidden<T>>,
    pub row_slopes: Buffer<T>,
    pub force_slopes: Buffer<T>,
    pub energies: Buffer<f64>,
    pub forces: Buffer<[f64; 3]>,
    pub virials: Buffer<f64>,
    pub centres: Buffer<[u32; 2]>,
    pub numbers: Buffer<u32>,
    tables: [Buffer<Task>; 2],
    weights: (Buffer<Task>, usize, usize),
    columns: (Buffer<Columns>, usize),
}

/// Which products of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Forward,
    Backward,
    Tangents,
    Adjoints,
}

impl<T: Real> Rows<T> {
    pub(super) fn new(
        device: &Device,
        layout: &Layout,
        nets: &Nets<T>,
        vectors: &Vectors<T>,
        stride: usize,
        feature_stride: usize,
        capacity: usize,
    ) -> Result<Self> {
        let room = |width: usize| device.room::<T>(capacity * width);
        let net = &layout.fitting[0];
        let hidden = net[..net.len() - 1]
            .iter()
            .map(|layer| {
                let room = || room(layer.ld);
                Ok(Hidden {
                    kept: room()?,
                    output: room()?,
                    tangent: room()?,
                    slope: room()?,
                    second: room()?,
                    moving: room()?,
                    adjoint: room()?,
                    zeta: room()?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let features = [
            room(feature_stride)?,
            room(feature_stride)?,
            room(feature_stride)?,
            room(feature_stride)?,
        ];
        let row_slopes = room(4)?;
        let places =
            Places { layout, vectors, hidden: &hidden, features: &features, feature_stride };
        let tables = [
            device.buffer(&places.tasks(Weights::Present))?,
            device.buffer(&places.tasks(Weights::Averaged))?,
        ];
        let tasks = places.weights(nets);
        let most = |of: fn(&Task) -> i32| tasks.iter().map(of).max().unwrap_or(0) as usize;
        let weights = (device.buffer(&tasks)?, most(|t| t.rows), most(|t| t.ldc));
        let sums = places.columns(nets, &row_slopes);
        let most = sums.iter().map(|c| c.count).max().unwrap_or(0) as usize;
        Ok(Rows {
            moments: room(4 * stride)?,
            tangents: room(4 * stride)?,
            toward: room(4 * stride)?,
            adjoints: room(4 * stride)?,
            force_slopes: room(4)?,
            energies: device.room(capacity)?,
            forces: device.room(capacity)?,
            virials: device.room(9 * capacity)?,
            centres: device.room(capacity)?,
            numbers: device.room(capacity)?,
            columns: (device.buffer(&sums)?, most),
            capacity,
            features,
            hidden,
            row_slopes,
            tables,
            weights,
        })
    }

    /// Products of hidden layer `k` for all species of a batch.
    pub(super) fn layer(
        &self,
        weights: Weights,
        way: Way,
        k: usize,
        layout: &Layout,
        batch: &Uploaded,
    ) -> (Shape, TaskArguments) {
        let species = layout.fitting.len();
        let table = &self.tables[usize::from(weights == Weights::Averaged)];
        let first = (way as usize * self.hidden.len() + k) * species;
        let layer = &layout.fitting[0][k];
        let columns = match way {
            Way::Forward | Way::Tangents => layer.outputs,
            Way::Backward | Way::Adjoints => layer.inputs,
        };
        let arguments = TaskArguments { tasks: table.at(first), segments: batch.segments };
        (tiles(columns, batch.most_rows, species), arguments)
    }

    /// Gradients of all weights.
    pub(super) fn weights(&self, batch: &Uploaded) -> (Shape, TaskArguments) {
        let (table, rows, columns) = &self.weights;
        let arguments = TaskArguments { tasks: table.address(), segments: batch.segments };
        (tiles(*columns, *rows, table.len()), arguments)
    }

    /// Gradients of all biases and timesteps, and of the last layers: table, columns at most.
    pub(super) fn columns(&self) -> (&Buffer<Columns>, usize) {
        (&self.columns.0, self.columns.1)
    }
}

/// A grid of products.
fn tiles(columns: usize, rows: usize, products: usize) -> Shape {
    let grid = [columns.div_ceil(SIDE) as u32, rows.div_ceil(SIDE) as u32, products as u32];
    Shape { grid, block: 256, shared: 0 }
}

/// Memory for entries, chunks and frames of a batch.
#[derive(Debug)]
pub(super) struct Lists<T> {
    table: Buffer<u8>,
    pub entries: Buffer<T>,
    pub moving: Buffer<T>,
    /// `∂E/∂r` of every entry.
    pub gradients: Buffer<T>,
    /// `[chunk][6][stride]`
    pub partial: Buffer<T>,
    pub found: Buffer<FrameResult>,
    /// `μ` and `Λ` of every frame.
    pub frame_slopes: Buffer<T>,
    host: Vec<u8>,
}

/// A batch in device memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uploaded {
    pub arguments: BatchArguments,
    pub segments: Address,
    /// Rows of the most frequent species.
    pub most_rows: usize,
}

impl<T: Real> Lists<T> {
    pub(super) fn new(device: &Device) -> Result<Self> {
        Ok(Lists {
            table: device.room(0)?,
            entries: device.room(0)?,
            moving: device.room(0)?,
            gradients: device.room(0)?,
            partial: device.room(0)?,
            found: device.room(0)?,
            frame_slopes: device.room(0)?,
            host: Vec::new(),
        })
    }

    /// Puts the table of a batch on the device; `rows` has room for its atoms.
    pub(super) fn upload(
        &mut self,
        device: &Device,
        frames: &Frames<'_>,
        numbers: &[usize],
        rows: &Rows<T>,
        stride: usize,
    ) -> Result<Uploaded> {
        let species = frames.geometry.sel.len();
        assert!(species <= PRODUCTS, "checked for every model");
        let mut segments = vec![Segment::zeroed(); species];
        for frame in numbers {
            let counts = &frames.get(*frame).counts;
            segments.iter_mut().zip(counts).for_each(|(s, count)| s.count += count);
        }
        let mut first = 0;
        for segment in &mut segments {
            segment.first = first;
            first += segment.count;
        }
        let mut next: Vec<u32> = segments.iter().map(|s| s.first).collect();
        let (mut records, mut row_starts) = (Vec::new(), Vec::new());
        let (mut atoms, mut entries, mut chunks) = (0, 0, 0);
        for frame in numbers {
            let resident = frames.get(*frame);
            records.push(FrameRecord {
                first_atom: atoms,
                first_entry: entries,
                first_chunk: chunks,
                ..resident.record
            });
            row_starts.extend_from_slice(&next);
            next.iter_mut().zip(&resident.counts).for_each(|(row, count)| *row += count);
            atoms += resident.record.atoms;
            entries += resident.record.entries;
            chunks += resident.chunks as u32;
        }
        self.host.clear();
        self.host.extend_from_slice(bytemuck::cast_slice(&segments));
        let at_frames = self.host.len();
        self.host.extend_from_slice(bytemuck::cast_slice(&records));
        let at_rows = self.host.len();
        self.host.extend_from_slice(bytemuck::cast_slice(&row_starts));
        let (count, e) = (numbers.len(), entries as usize);
        grow(device, &mut self.table, self.host.len())?;
        grow(device, &mut self.entries, e * ENTRY)?;
        grow(device, &mut self.moving, e * 4)?;
        grow(device, &mut self.gradients, e * 3)?;
        grow(device, &mut self.partial, chunks as usize * 6 * stride)?;
        grow(device, &mut self.found, count)?;
        grow(device, &mut self.frame_slopes, count * 12)?;
        self.table.upload_at(0, &self.host)?;
        Ok(Uploaded {
            arguments: BatchArguments {
                frames: self.table.at(at_frames),
                row_starts: self.table.at(at_rows),
                centres: rows.centres.address(),
                rows: rows.numbers.address(),
                entries: self.entries.address(),
                moving: self.moving.address(),
                count: count as u32,
                atoms,
                entry_count: entries,
                chunk_count: chunks,
                species: species as u32,
                reserved: 0,
            },
            segments: self.table.address(),
            most_rows: segments.iter().map(|s| s.count).max().unwrap_or(0) as usize,
        })
    }
}

/// Room for so many numbers, and some more where there was too little.
fn grow<T: bytemuck::Pod>(device: &Device, buffer: &mut Buffer<T>, len: usize) -> Result<()> {
    if buffer.len() < len {
        // the old one goes first
        *buffer = device.room(0)?;
        *buffer = match device.room(len + len / 4) {
            Err(CudaError::OutOfMemory { .. }) => device.room(len)?,
            other => other?,
        };
    }
    Ok(())
}
