//! From a gradient to new parameters.

use super::arguments::{
    AdamArguments, AverageArguments, Control, EndArguments, MUON_PARTS, Matrix, MuonArguments,
    NORM_PARTS, NormArguments, SIDE,
};
use super::batch::Uploaded;
use super::layout::{Hidden, Layout};
use super::nets::Vectors;
use crate::device::{Address, Buffer, Device, Kernel, Shape, Width};
use crate::error::Result;
use crate::potential::model::padded;
use crate::potential::width;
use bytemuck::Zeroable;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::optimizer::muon::{COEFFICIENTS, ITERATIONS};
use vitrion_model::train::optimizer::{Constants, Method};

#[derive(Debug)]
struct Kernels {
    norm: Kernel<NormArguments>,
    end: Kernel<EndArguments>,
    adam: Kernel<AdamArguments>,
    average: Kernel<AverageArguments>,
    momentum: Kernel<MuonArguments>,
    normalize: Kernel<MuonArguments>,
}

/// Products of Muon.
#[derive(Debug)]
struct Products {
    gram: Kernel<MuonArguments>,
    polynomial: Kernel<MuonArguments>,
    advance: Kernel<MuonArguments>,
    square: Kernel<MuonArguments>,
    step: Kernel<MuonArguments>,
}

impl Products {
    fn new<T>(device: &Device, tensor_cores: bool) -> Result<Self> {
        let w = width::<T>();
        let tensor = tensor_cores && w == Width::Single;
        let kernel = |name: &'static str, on_tensor_cores: &'static str| {
            device.kernel(w, if tensor { on_tensor_cores } else { name })
        };
        Ok(Products {
            gram: kernel("muon_gram", "muon_gram_tensor")?,
            polynomial: kernel("muon_polynomial", "muon_polynomial_tensor")?,
            advance: kernel("muon_advance", "muon_advance_tensor")?,
            square: kernel("muon_square_gram", "muon_square_gram_tensor")?,
            step: kernel("muon_step", "muon_step_tensor")?,
        })
    }
}

/// Matrices that Muon treats, and the memory for it.
#[derive(Debug)]
struct Muon<T> {
    table: Buffer<Matrix>,
    /// 1 where a parameter is in one of them.
    others: Buffer<u8>,
    longest: usize,
    shortest: usize,
    _numbers: Buffer<T>,
    _squares: Buffer<f64>,
}

impl<T: Real> Muon<T> {
    fn new(device: &Device, layout: &Layout) -> Result<Self> {
        let sides = |m: &Hidden| (m.rows.max(m.columns), m.rows.min(m.columns));
        let numbers = layout.hidden.iter().map(|matrix| {
            let (longer, shorter) = sides(matrix);
            (longer + 5 * shorter) * padded(shorter)
        });
        let memory: Buffer<T> = device.zeros(numbers.sum())?;
        let squares: Buffer<f64> = device.zeros(layout.hidden.len() * MUON_PARTS)?;
        let mut used = 0;
        let mut others = vec![0; layout.len];
        let mut table = Vec::new();
        for (k, matrix) in layout.hidden.iter().enumerate() {
            let (longer, shorter) = sides(matrix);
            let mut take = |rows: usize| {
                used += rows * padded(shorter);
                memory.at(used - rows * padded(shorter))
            };
            table.push(Matrix {
                x: take(longer),
                gram: take(shorter),
                polynomial: take(shorter),
                spare: take(shorter),
                factors: [take(shorter), take(shorter)],
                squares: squares.at(k * MUON_PARTS),
                at: matrix.at as u64,
                rows: matrix.rows as i32,
                columns: matrix.columns as i32,
                ld: matrix.ld as i32,
                longer: longer as i32,
                shorter: shorter as i32,
                ld_short: padded(shorter) as i32,
            });
            others[matrix.at..matrix.at + matrix.rows * matrix.ld].fill(1);
        }
        Ok(Muon {
            table: device.buffer(&table)?,
            others: device.buffer(&others)?,
            longest: layout.hidden.iter().map(|m| sides(m).0).max().unwrap_or(0),
            shortest: layout.hidden.iter().map(|m| sides(m).1).max().unwrap_or(0),
            _numbers: memory,
            _squares: squares,
        })
    }

    /// A grid of products of so many rows.
    fn tiles(&self, rows: usize, products: usize) -> Shape {
        let [x, y] = [self.shortest, rows].map(|n| n.div_ceil(SIDE) as u32);
        Shape { grid: [x, y, (self.table.len() * products) as u32], block: 256, shared: 0 }
    }
}

/// Norms, optimisers and the average of parameters.
#[derive(Debug)]
pub(super) struct Update<T> {
    device: Device,
    kernels: Kernels,
    products: Products,
    parts: Buffer<f64>,
    pub method: Method,
    muon: Option<Muon<T>>,
}

impl<T: Real> Update<T> {
    pub(super) fn new(device: &Device, method: Method, layout: &Layout) -> Result<Self> {
        let w = width::<T>();
        let mut update = Update {
            device: device.clone(),
            kernels: Kernels {
                norm: device.kernel(w, "norm_parts")?,
                end: device.kernel(w, "judge_step")?,
                adam: device.kernel(w, "adam")?,
                average: device.kernel(w, "average_parameters")?,
                momentum: device.kernel(w, "muon_momentum")?,
                normalize: device.kernel(w, "muon_normalize")?,
            },
            products: Products::new::<T>(device, false)?,
            parts: device.zeros(NORM_PARTS)?,
            method,
            muon: None,
        };
        update.set_method(method, layout)?;
        Ok(update)
    }

    /// Products in single precision on tensor cores, or not.
    pub(super) fn set_tensor_cores(&mut self, tensor_cores: bool) -> Result<()> {
        self.products = Products::new::<T>(&self.device, tensor_cores)?;
        Ok(())
    }

    pub(super) fn set_method(&mut self, method: Method, layout: &Layout) -> Result<()> {
        self.method = method;
        self.muon = match method {
            Method::Adam { .. } => None,
            Method::Muon { .. } => Some(Muon::new(&self.device, layout)?),
        };
        Ok(())
    }

    /// Sums of a step, and whether parameters may change; without a gradient its norm is zero.
    pub(super) fn end(
        &self,
        gradient: Option<&Buffer<T>>,
        batch: &Uploaded,
        found: Address,
        (control, result): (Address, Address),
        (step, clip): (u64, Option<f64>),
    ) -> Result<()> {
        if let Some(gradient) = gradient {
            self.kernels.norm.launch(
                Shape::blocks(NORM_PARTS, 256),
                &NormArguments {
                    gradient: gradient.address(),
                    parts: self.parts.address(),
                    length: gradient.len() as u64,
                },
            )?;
        }
        self.kernels.end.launch(
            Shape::blocks(1, 256),
            &EndArguments {
                batch: batch.arguments,
                found,
                parts: self.parts.address(),
                control,
                result,
                clip: clip.unwrap_or(f64::INFINITY),
                step,
                part_count: if gradient.is_some() { NORM_PARTS as u32 } else { 0 },
                reserved: 0,
            },
        )
    }

    /// Optimiser step number `steps`, from 1.
    pub(super) fn apply(
        &self,
        vectors: &Vectors<T>,
        control: &Buffer<Control>,
        steps: u64,
        rate: f64,
        decay: Option<f64>,
    ) -> Result<()> {
        let c = Constants::<T>::new(&self.method, steps, rate);
        let length = vectors.parameters.len();
        self.kernels.adam.launch(
            Shape::threads(length, 256),
            &AdamArguments {
                parameters: vectors.parameters.address(),
                gradient: vectors.gradient.address(),
                first: vectors.first.address(),
                second: vectors.second.address(),
                others: self.muon.as_ref().map_or(Address::NULL, |muon| muon.others.address()),
                control: control.address(),
                length: length as u64,
                beta1: c.beta1.to_f64(),
                one_minus1: c.one_minus1.to_f64(),
                beta2: c.beta2.to_f64(),
                one_minus2: c.one_minus2.to_f64(),
                step: c.step.to_f64(),
                scale: c.scale.to_f64(),
                epsilon: c.epsilon.to_f64(),
                keep: c.keep.to_f64(),
            },
        )?;
        if let (Some(muon), Method::Muon { momentum, weight_decay, .. }) = (&self.muon, self.method)
        {
            let arguments = MuonArguments {
                matrices: muon.table.address(),
                parameters: vectors.parameters.address(),
                gradient: vectors.gradient.address(),
                first: vectors.first.address(),
                control: control.address(),
                momentum,
                rate,
                keep: 1.0 - rate * weight_decay,
                coefficients: COEFFICIENTS,
                ..MuonArguments::zeroed()
            };
            self.orthogonalize(muon, arguments)?;
        }
        let Some(decay) = decay else { return Ok(()) };
        self.kernels.average.launch(
            Shape::threads(length, 256),
            &AverageArguments {
                average: vectors.average.address(),
                parameters: vectors.parameters.address(),
                control: control.address(),
                length: length as u64,
                keep: decay,
                take: 1.0 - decay,
            },
        )
    }

    /// All matrices at once, as `optimizer/muon.rs` does each.
    fn orthogonalize(&self, muon: &Muon<T>, mut arguments: MuonArguments) -> Result<()> {
        let products = &self.products;
        let grid = [MUON_PARTS as u32, muon.table.len() as u32, 1];
        let shape = Shape { grid, block: 256, shared: 0 };
        self.kernels.momentum.launch(shape, &arguments)?;
        self.kernels.normalize.launch(shape, &arguments)?;
        let square = muon.tiles(muon.shortest, 1);
        products.gram.launch(square, &arguments)?;
        for iteration in 0..ITERATIONS {
            arguments.iteration = iteration as i32;
            products.polynomial.launch(square, &arguments)?;
            products.advance.launch(muon.tiles(muon.shortest, 2), &arguments)?;
            if iteration + 1 < ITERATIONS {
                products.square.launch(square, &arguments)?;
            }
        }
        products.step.launch(muon.tiles(muon.longest, 1), &arguments)
    }
}
