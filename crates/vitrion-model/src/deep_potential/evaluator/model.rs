//! A Deep Potential prepared for evaluation: tables, packed nets, normalisation.

use super::super::real::{Real, machine_lanes};
use super::super::table::{Bound, RowShape, Table};
use super::super::{DeepPotential, Descriptor};
use super::descriptor::Layout;
use super::fitting::FittingNet;
use pulp::Arch;
use rayon::prelude::*;

/// Nearest distance that tables cover [Å]; closer pairs are evaluated exactly.
const NEAREST: f64 = 0.6;

/// A model in precision `T`, constant during a run.
#[derive(Debug)]
pub(super) struct Model<T> {
    pub(super) species: usize,
    pub(super) layout: Layout,
    /// Width of a row of moments and of a power in a table: `layout.padded`.
    pub(super) padded: usize,
    pub(super) rows: RowShape,
    tables: Vec<Table<T>>,
    /// `[centre][neighbour]`: table of a pair, if it has a net and is not excluded.
    table_of: Vec<Option<usize>>,
    pub(super) mean: Vec<[f64; 4]>,
    pub(super) inverse_std: Vec<[f64; 4]>,
    /// `[centre][neighbour]`: moments of an empty slot, `[4][padded]`; empty where there are none.
    padding: Vec<Vec<f64>>,
    /// Slots of each neighbour species.
    sel: Vec<f64>,
    /// `1/N_m`
    pub(super) per_slot: T,
    pub(super) fitting: Vec<FittingNet<T>>,
    /// Constant energy of a species [eV].
    pub(super) bias: Vec<f64>,
    /// Whether the fitting net of a species is evaluated.
    pub(super) has_net: Vec<bool>,
}

/// What a precision asks of tables.
#[derive(Debug, Clone, Copy)]
pub struct TableRule {
    /// Of the polynomials.
    pub degree: usize,
    /// `None`: no tables, the nets themselves.
    pub wanted: Option<Bound>,
}

impl<T: Real> Model<T> {
    pub(super) fn new(arch: Arch, model: &DeepPotential, rule: TableRule) -> Self {
        let descriptor = &model.descriptor;
        let n = model.species.len();
        let width = descriptor.width();
        let lanes = machine_lanes::<T>(arch);
        let padded = width.next_multiple_of(lanes);
        let rows = RowShape { degree: rule.degree, lanes, registers: padded / lanes };
        let layout = Layout { width, axis: descriptor.axis, padded };
        let TablePlan { ranges, table_of } = table_plan(descriptor, NEAREST);
        let tables = ranges
            .into_par_iter()
            .map(|(pair, range)| {
                let net = descriptor.embedding[pair].clone().expect("pairs of a table have a net");
                Table::new(net, range, rows, rule.wanted)
            })
            .collect();
        let mut nets: Vec<FittingNet<T>> = Vec::with_capacity(n);
        nets.par_extend(model.fitting.par_iter().map(|net| FittingNet::new(arch, net, layout)));
        Model {
            species: n,
            layout,
            padded,
            rows,
            tables,
            table_of,
            mean: descriptor.mean.clone(),
            inverse_std: descriptor.std.iter().map(|std| std.map(|x| 1.0 / x)).collect(),
            padding: (0..n * n).map(|pair| padding(descriptor, pair, padded)).collect(),
            sel: descriptor.sel.iter().map(|sel| *sel as f64).collect(),
            per_slot: T::from_f64(1.0 / descriptor.slots() as f64),
            fitting: nets,
            bias: (0..n)
                .map(|t| match (model.atom_excluded[t], model.fitting_excluded[t]) {
                    (true, _) => 0.0,
                    (false, true) => model.out_bias[t],
                    (false, false) => model.out_bias[t] + model.energy_bias[t],
                })
                .collect(),
            has_net: (0..n)
                .map(|t| !model.fitting_excluded[t] && !model.atom_excluded[t])
                .collect(),
        }
    }

    /// The table of `[centre][neighbour]`, if neighbours of that kind are felt.
    #[inline(always)]
    pub(super) fn table(&self, pair: usize) -> Option<&Table<T>> {
        self.table_of[pair].map(|table| &self.tables[table])
    }

    /// Adds the moments of the empty slots of a centre that has `count(neighbour)` neighbours.
    #[inline(always)]
    pub(super) fn pad(&self, own: usize, count: impl Fn(usize) -> usize, moments: &mut [T]) {
        for neighbor in 0..self.species {
            let term = &self.padding[own * self.species + neighbor];
            if term.is_empty() {
                continue;
            }
            let empty = self.sel[neighbor] - count(neighbor) as f64;
            for (moment, term) in moments.iter_mut().zip(term) {
                *moment += T::from_f64(empty * term);
            }
        }
    }

    /// One line about the tables: nets, rows, measured error, memory.
    pub(super) fn describe(&self) -> String {
        let tabulated: Vec<&Table<T>> = self.tables.iter().filter(|t| t.rows() > 0).collect();
        if tabulated.is_empty() {
            return "embedding nets evaluated exactly".into();
        }
        let bytes: usize = tabulated.iter().map(|t| t.bytes()).sum();
        let rows: usize = tabulated.iter().map(|t| t.rows()).sum();
        let value = tabulated.iter().map(|t| t.bound().value).fold(0.0, f64::max);
        let slope = tabulated.iter().map(|t| t.bound().slope).fold(0.0, f64::max);
        format!(
            "{} of {} embedding nets tabulated (degree {}, {rows} intervals, {:.1} MB), measured \
             error {value:.1e} in values and {slope:.1e} in slopes",
            tabulated.len(),
            self.tables.len(),
            self.rows.degree,
            bytes as f64 / 1e6
        )
    }

    /// Floating-point operations for an average centre, see `Evaluator::flops_per_atom`.
    ///
    /// Per neighbour and output: a polynomial of degree p takes 2p for its value and 4p − 2 for
    /// value and slope; the outer product 8; the way back 18. Descriptor: 8 per entry forward, 16
    /// backward. Fitting net: 4 per weight.
    pub(super) fn flops_per_atom(&self, counts: &[usize], neighbors: f64) -> f64 {
        let (m, p) = (self.layout.width as f64, self.rows.degree as f64);
        let tables = neighbors * m * (2.0 * p + 8.0 + (4.0 * p - 2.0) + 18.0);
        let descriptor = 24.0 * self.layout.len() as f64;
        tables + descriptor + self.fitting_flops_per_atom(counts)
    }

    pub(super) fn fitting_flops_per_atom(&self, counts: &[usize]) -> f64 {
        let total: usize = counts.iter().sum();
        let nets: f64 = counts.iter().zip(&self.fitting).map(|(c, n)| *c as f64 * n.flops()).sum();
        nets / total.max(1) as f64
    }
}

/// Which tables a descriptor needs.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// A pair `[centre][neighbour]` whose net the table follows, and the range of inputs it covers.
    pub ranges: Vec<(usize, (f64, f64))>,
    /// `[centre][neighbour]`: number of the table, if the pair has a net and is not excluded.
    pub table_of: Vec<Option<usize>>,
}

/// Inputs run from −mean/std at the cut-off to (1/r − mean)/std at the distance `nearest` [Å]; a net
/// that several pairs share gets one table over all their ranges.
pub fn table_plan(descriptor: &Descriptor, nearest: f64) -> TablePlan {
    let n = descriptor.sel.len();
    let mut ranges = Vec::new();
    let mut table_of = vec![None; n * n];
    let groups = if descriptor.one_side { n } else { n * n };
    for group in 0..groups {
        let pairs: Vec<usize> = (0..n * n)
            .filter(|pair| if descriptor.one_side { pair % n == group } else { *pair == group })
            .filter(|pair| !descriptor.excluded[*pair] && !descriptor.pair_excluded[*pair])
            .filter(|pair| descriptor.embedding[*pair].is_some())
            .collect();
        let Some(first) = pairs.first() else { continue };
        let end =
            |row: f64, pair: usize| (row - descriptor.mean[pair][0]) / descriptor.std[pair][0];
        let near = 1.0 / (nearest + descriptor.protection);
        let lower = pairs.iter().map(|p| end(0.0, *p)).fold(f64::INFINITY, f64::min);
        let upper = pairs.iter().map(|p| end(near, *p)).fold(f64::NEG_INFINITY, f64::max);
        for pair in &pairs {
            table_of[*pair] = Some(ranges.len());
        }
        // a hair wider: the weight at the cut-off may round below zero
        ranges.push((*first, (lower - 1e-9, upper)));
    }
    TablePlan { ranges, table_of }
}

/// Moments of one empty slot, `[4][padded]`; empty if they are zero.
fn padding(descriptor: &Descriptor, pair: usize, padded: usize) -> Vec<f64> {
    if descriptor.excluded[pair] && !descriptor.excluded_keep_padding {
        return Vec::new();
    }
    let Some(term) = descriptor.padding(pair) else { return Vec::new() };
    if term.iter().all(|x| x.abs() < f64::MIN_POSITIVE) {
        return Vec::new();
    }
    let mut rows = vec![0.0; 4 * padded];
    for (at, x) in term.iter().enumerate() {
        rows[at % 4 * padded + at / 4] = *x;
    }
    rows
}
