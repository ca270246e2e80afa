//! Bond-order vectors of the centres of a frame: weighted means over their neighbours, and means
//! of these over neighbours.

use super::harmonics::Layout;
use super::shells::Shells;
use crate::error::AnalysisError;
use pulp::{Arch, Simd, WithSimd};
use vitrion_core::math::Vector3;

/// Shells that are filled before their harmonics are summed: few enough to stay in a fast cache.
const BATCH: usize = 32;
/// Place of atoms that are no centres.
const NOWHERE: u32 = u32::MAX;

/// Which atoms are centres.
#[derive(Debug)]
pub(super) struct Centers {
    atoms: Vec<u32>,
    /// Of every atom, among the centres.
    place: Vec<u32>,
}

impl Centers {
    /// The atoms for which `chosen` is true.
    pub(super) fn new(count: usize, chosen: impl Fn(usize) -> bool) -> Self {
        let mut centers = Centers { atoms: Vec::with_capacity(count), place: vec![NOWHERE; count] };
        for atom in (0..count).filter(|atom| chosen(*atom)) {
            centers.place[atom] = centers.atoms.len() as u32;
            centers.atoms.push(atom as u32);
        }
        centers
    }

    /// Number of centres.
    pub(super) fn len(&self) -> usize {
        self.atoms.len()
    }

    /// Number of a centre.
    pub(super) fn atom(&self, center: usize) -> usize {
        self.atoms[center] as usize
    }

    /// Numbers of all centres.
    pub(super) fn atoms(&self) -> impl Iterator<Item = usize> + '_ {
        self.atoms.iter().map(|atom| *atom as usize)
    }
}

/// Takes the neighbours of one centre.
pub(super) struct Shell<'a> {
    shells: &'a mut Shells,
    place: &'a [u32],
    around: &'a mut Vec<u32>,
}

impl Shell<'_> {
    /// A neighbour, the vector to it [Å], and its weight.
    #[inline]
    pub(super) fn push(&mut self, neighbor: usize, vector: Vector3, weight: f64) {
        self.shells.push(vector, weight);
        self.visit(neighbor);
    }

    /// Neighbours of weight 1.
    #[inline]
    pub(super) fn extend(&mut self, neighbors: &[u32], vectors: [&[f64]; 3]) {
        self.shells.extend(vectors);
        for neighbor in neighbors {
            self.visit(*neighbor as usize);
        }
    }

    #[inline]
    fn visit(&mut self, neighbor: usize) {
        let place = self.place[neighbor];
        if place != NOWHERE {
            self.around.push(place);
        }
    }
}

/// Bond-order vectors of centres.
#[derive(Debug)]
pub(super) struct BondOrder<'a> {
    layout: &'a Layout,
    /// Rows of components, by centre; zeros without neighbours.
    vectors: Vec<f64>,
    /// Neighbours of every centre.
    counts: Vec<u32>,
    /// Neighbours that are centres themselves: places, and where those of a centre begin.
    around: Vec<u32>,
    offsets: Vec<usize>,
}

impl<'a> BondOrder<'a> {
    /// Of the centres whose neighbours `fill` gives, one centre after the other.
    ///
    /// # Errors
    /// Those of `fill`; a neighbour at the very place of the centre, which has no direction.
    pub(super) fn new(
        layout: &'a Layout,
        frame: usize,
        centers: &Centers,
        mut fill: impl FnMut(usize, &mut Shell<'_>) -> Result<(), AnalysisError>,
    ) -> Result<Self, AnalysisError> {
        let stride = layout.stride();
        let mut vectors = vec![0.0; centers.len() * stride];
        let mut counts = Vec::with_capacity(centers.len());
        let mut offsets = Vec::with_capacity(centers.len() + 1);
        offsets.push(0);
        let mut around = Vec::new();
        let mut shells = Shells::default();
        for (atoms, rows) in centers.atoms.chunks(BATCH).zip(vectors.chunks_mut(BATCH * stride)) {
            shells.clear();
            for atom in atoms {
                let place = &centers.place;
                let mut shell = Shell { shells: &mut shells, place, around: &mut around };
                fill(*atom as usize, &mut shell)?;
                counts.push(shells.close() as u32);
                offsets.push(around.len());
            }
            if !layout.means(&mut shells, rows) {
                let broken = rows.chunks_exact(stride).position(|row| row[0].is_nan());
                let atom = atoms[broken.expect("its mean is not a number")] as usize;
                return Err(AnalysisError::NoDirection { frame, atom });
            }
        }
        Ok(BondOrder { layout, vectors, counts, around, offsets })
    }

    /// Number of neighbours of every centre.
    pub(super) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Rows of components, by centre.
    pub(super) fn vectors(&self) -> &[f64] {
        &self.vectors
    }

    /// Means of the vectors of each centre and of those of its neighbours that are centres with
    /// neighbours, and over how many of these; zeros for centres without neighbours.
    pub(super) fn averaged(&self) -> (Vec<f64>, Vec<u32>) {
        let mut vectors = vec![0.0; self.vectors.len()];
        let mut over = vec![0; self.counts.len()];
        Arch::new().dispatch(Average { order: self, vectors: &mut vectors, over: &mut over });
        (vectors, over)
    }
}

struct Average<'a> {
    order: &'a BondOrder<'a>,
    vectors: &'a mut [f64],
    over: &'a mut [u32],
}

impl WithSimd for Average<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let BondOrder { layout, vectors, counts, around, offsets } = self.order;
        let (vectors, _) = S::as_simd_f64s(vectors);
        let (out, _) = S::as_mut_simd_f64s(self.vectors);
        let stride = layout.stride() / S::F64_LANES;
        let rows = out.chunks_exact_mut(stride).zip(self.over).enumerate();
        for (center, (row, over)) in rows.filter(|(center, _)| counts[*center] > 0) {
            let around = &around[offsets[center]..offsets[center + 1]];
            row.copy_from_slice(&vectors[center * stride..][..stride]);
            for place in around {
                let place = *place as usize;
                *over += u32::from(counts[place] > 0);
                // centres without neighbours are rows of zeros
                for (sum, x) in row.iter_mut().zip(&vectors[place * stride..][..stride]) {
                    *sum = simd.add_f64s(*sum, *x);
                }
            }
            let inverse = simd.splat_f64s(1.0 / f64::from(*over + 1));
            for sum in row {
                *sum = simd.mul_f64s(*sum, inverse);
            }
        }
    }
}
