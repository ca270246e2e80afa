//! A convex polyhedron around the origin, cut by one half-space after the other.
//!
//! Every corner belongs to exactly three planes and has an edge to three other corners; where more
//! planes meet in one point, several corners lie there. Seen from outside, the planes of a corner
//! are in counter-clockwise order, and edge `k` runs between planes `k` and `k + 1`. A cut removes
//! the corners beyond the new plane and puts new ones on the edges that cross it, joined to a ring.
//!
//! Corners nearer to the plane than a tolerance count as inside, so that a plane that only touches
//! the polyhedron leaves it alone. If rounding makes the ring inconsistent (corners of one place on
//! different sides), the cut is tried again with a larger tolerance.

use vitrion_core::math::{self, Vector3};

/// Corners that are looked at together; arrays are padded with NaN so that they may.
const LANES: usize = 8;
/// No corner starts at this plane yet.
const NONE: u32 = u32::MAX;
/// How much more tolerant a cut becomes when its ring is inconsistent.
const MORE_TOLERANT: f64 = 8.0;
/// Planes of the box that everything begins with.
pub(super) const BOX: usize = 6;

/// The half-space `normal · x ≤ offset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub(super) normal: Vector3,
    pub(super) offset: f64,
    /// Length of the normal.
    pub(super) length: f64,
    pub(super) neighbor: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Corner {
    planes: [u32; 3],
    /// The corners at the other ends of the edges.
    ends: [u32; 3],
}

/// An edge that crosses the new plane.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    /// The corner that stays, and which of its edges this is.
    kept: u32,
    edge: u8,
    /// Planes right and left of the edge, seen from outside and towards the corner that stays.
    right: u32,
    left: u32,
    position: Vector3,
}

/// A polyhedron and the memory for its cuts.
#[derive(Debug, Clone, Default)]
pub(super) struct Polyhedron {
    count: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    corners: Vec<Corner>,
    planes: Vec<Plane>,
    /// How far corners are beyond the plane of a cut, in lengths of its normal.
    excess: Vec<f64>,
    removed: Vec<u32>,
    crossings: Vec<Crossing>,
    /// The new corner with this plane on its right.
    start: Vec<u32>,
    /// Twice the area of every face as a vector.
    areas: Vec<Vector3>,
}

impl Polyhedron {
    /// A cube with this half edge.
    #[inline(always)]
    pub(super) fn cube(&mut self, half: f64) {
        self.count = 0;
        for list in [&mut self.x, &mut self.y, &mut self.z] {
            list.fill(f64::NAN);
        }
        self.planes.clear();
        self.start.clear();
        self.start.resize(BOX, NONE);
        for side in 0..BOX {
            let mut normal = [0.0; 3];
            normal[side / 2] = if side % 2 == 0 { 1.0 } else { -1.0 };
            self.planes.push(Plane { normal, offset: half, length: 1.0, neighbor: NONE });
        }
        for at in 0..8_u32 {
            // bit k of the number is set where coordinate k is negative
            let negative = [at & 1, at >> 1 & 1, at >> 2 & 1];
            let mirrored = negative.iter().sum::<u32>() % 2 == 1;
            let axes = if mirrored { [0, 2, 1] } else { [0, 1, 2] };
            let position = negative.map(|n| if n == 1 { -half } else { half });
            let corner = Corner {
                planes: axes.map(|axis: usize| 2 * axis as u32 + negative[axis]),
                ends: [0, 1, 2].map(|k| at ^ (1 << axes[(k + 2) % 3])),
            };
            let slot = self.push(position);
            self.corners[slot] = corner;
        }
    }

    /// A place for one more corner.
    #[inline(always)]
    fn push(&mut self, position: Vector3) -> usize {
        let slot = self.count;
        self.count += 1;
        if self.count > self.x.len() {
            let length = self.count.next_multiple_of(LANES);
            for list in [&mut self.x, &mut self.y, &mut self.z, &mut self.excess] {
                list.resize(length, f64::NAN);
            }
            self.corners.resize(length, Corner::default());
        }
        self.place(slot, position);
        slot
    }

    #[inline(always)]
    fn place(&mut self, slot: usize, [x, y, z]: Vector3) {
        (self.x[slot], self.y[slot], self.z[slot]) = (x, y, z);
    }

    #[inline(always)]
    fn position(&self, corner: u32) -> Vector3 {
        let at = corner as usize;
        [self.x[at], self.y[at], self.z[at]]
    }

    /// True when nothing is left.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Squared distance of the farthest corner from the origin.
    #[inline(always)]
    pub(super) fn radius2(&self) -> f64 {
        let mut most = [0.0; LANES];
        let padded = self.count.next_multiple_of(LANES);
        let lists = (self.x[..padded].chunks_exact(LANES))
            .zip(self.y[..padded].chunks_exact(LANES))
            .zip(self.z[..padded].chunks_exact(LANES));
        for ((x, y), z) in lists {
            for lane in 0..LANES {
                let r2 = x[lane] * x[lane] + y[lane] * y[lane] + z[lane] * z[lane];
                // false for NaN
                most[lane] = if r2 > most[lane] { r2 } else { most[lane] };
            }
        }
        most.into_iter().fold(0.0, f64::max)
    }

    /// Cuts off what is beyond a plane by more than the tolerance; true if there was anything.
    #[inline(always)]
    pub(super) fn cut(&mut self, plane: Plane, tolerance: f64) -> bool {
        let mut tolerance = tolerance * plane.length;
        if self.farthest_beyond(&plane) <= tolerance {
            return false;
        }
        loop {
            self.collect_removed(tolerance);
            if self.removed.is_empty() {
                return false;
            }
            if self.removed.len() == self.count {
                self.count = 0;
                return true;
            }
            if self.collect_crossings(tolerance) {
                break;
            }
            tolerance *= MORE_TOLERANT;
        }
        self.planes.push(plane);
        self.start.push(NONE);
        self.replace();
        true
    }

    /// Fills `excess` and returns the largest.
    #[inline(always)]
    fn farthest_beyond(&mut self, plane: &Plane) -> f64 {
        let Plane { normal: [a, b, c], offset, .. } = *plane;
        let mut most = [f64::NEG_INFINITY; LANES];
        let padded = self.count.next_multiple_of(LANES);
        let lists = (self.x[..padded].chunks_exact(LANES))
            .zip(self.y[..padded].chunks_exact(LANES))
            .zip(self.z[..padded].chunks_exact(LANES))
            .zip(self.excess[..padded].chunks_exact_mut(LANES));
        for (((x, y), z), excess) in lists {
            for lane in 0..LANES {
                let beyond = a * x[lane] + b * y[lane] + c * z[lane] - offset;
                excess[lane] = beyond;
                // false for NaN
                most[lane] = if beyond > most[lane] { beyond } else { most[lane] };
            }
        }
        most.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    #[inline(always)]
    fn collect_removed(&mut self, tolerance: f64) {
        self.removed.resize(self.count.max(self.removed.len()), 0);
        let mut found = 0;
        for (corner, beyond) in self.excess[..self.count].iter().enumerate() {
            // written always, kept only if beyond
            self.removed[found] = corner as u32;
            found += usize::from(*beyond > tolerance);
        }
        self.removed.truncate(found);
    }

    /// Edges from removed corners to others; false if they do not form one ring.
    #[inline(always)]
    fn collect_crossings(&mut self, tolerance: f64) -> bool {
        self.crossings.clear();
        let mut consistent = true;
        for removed in &self.removed {
            let corner = self.corners[*removed as usize];
            for k in 0..3 {
                let kept = corner.ends[k];
                let inside = self.excess[kept as usize];
                if inside > tolerance {
                    continue;
                }
                let beyond = self.excess[*removed as usize];
                let from = self.position(kept);
                let step = math::sub(self.position(*removed), from);
                let fraction = (-inside / (beyond - inside)).max(0.0);
                let ends = self.corners[kept as usize].ends;
                let edge = if ends[0] == *removed {
                    0
                } else if ends[1] == *removed {
                    1
                } else {
                    2
                };
                let (right, left) = (corner.planes[k], corner.planes[(k + 1) % 3]);
                consistent &= self.start[right as usize] == NONE;
                self.start[right as usize] = self.crossings.len() as u32;
                self.crossings.push(Crossing {
                    kept,
                    edge,
                    right,
                    left,
                    position: math::add(from, math::scale(step, fraction)),
                });
            }
        }
        // once around
        let mut at = 0;
        let mut around = 0;
        while consistent {
            at = self.start[self.crossings[at as usize].left as usize];
            around += 1;
            consistent = at != NONE && around <= self.crossings.len();
            if at == 0 {
                break;
            }
        }
        consistent &= around == self.crossings.len() && around >= 3;
        if !consistent {
            for crossing in &self.crossings {
                self.start[crossing.right as usize] = NONE;
            }
        }
        consistent
    }

    /// Puts the ring of new corners in place of the removed ones.
    #[inline(always)]
    fn replace(&mut self) {
        let new_plane = (self.planes.len() - 1) as u32;
        let ring = self.crossings.len();
        let free = self.removed.len();
        // the ring takes the places of what is removed, then new ones
        for extra in free..ring {
            let slot = self.push(self.crossings[extra].position);
            self.removed.push(slot as u32);
        }
        for at in 0..ring {
            let Crossing { kept, edge, right, left, position } = self.crossings[at];
            let slot = self.removed[at];
            self.place(slot as usize, position);
            let next = self.removed[self.start[left as usize] as usize];
            let corner = &mut self.corners[slot as usize];
            corner.planes = [right, left, new_plane];
            corner.ends[0] = kept;
            corner.ends[1] = next;
            self.corners[next as usize].ends[2] = slot;
            self.corners[kept as usize].ends[usize::from(edge)] = slot;
        }
        for crossing in &self.crossings {
            self.start[crossing.right as usize] = NONE;
        }
        // places that are left are filled from the end; `removed` ascends
        for at in (ring..free).rev() {
            let slot = self.removed[at];
            let last = (self.count - 1) as u32;
            if slot != last {
                self.place(slot as usize, self.position(last));
                let corner = self.corners[last as usize];
                self.corners[slot as usize] = corner;
                for end in corner.ends {
                    for back in &mut self.corners[end as usize].ends {
                        if *back == last {
                            *back = slot;
                        }
                    }
                }
            }
            self.place(last as usize, [f64::NAN; 3]);
            self.count -= 1;
        }
    }

    /// True if a plane of the box is still there.
    #[inline(always)]
    pub(super) fn touches_box(&self) -> bool {
        let corners = &self.corners[..self.count];
        corners.iter().any(|corner| corner.planes.iter().any(|plane| (*plane as usize) < BOX))
    }

    /// Calls `face(plane, area)` for every plane that cut, and returns the volume.
    ///
    /// `2 A = Σ u × v` over the edges of a face, `3 V = Σ h A` over the faces at height `h`.
    #[inline(always)]
    pub(super) fn faces(&mut self, mut face: impl FnMut(&Plane, f64)) -> f64 {
        self.areas.clear();
        self.areas.resize(self.planes.len(), [0.0; 3]);
        for at in 0..self.count as u32 {
            let corner = self.corners[at as usize];
            let from = self.position(at);
            for k in 0..3 {
                let end = corner.ends[k];
                if end < at {
                    continue;
                }
                let cross = math::cross(from, self.position(end));
                let (right, left) =
                    (corner.planes[k] as usize, corner.planes[(k + 1) % 3] as usize);
                self.areas[left] = math::add(self.areas[left], cross);
                self.areas[right] = math::sub(self.areas[right], cross);
            }
        }
        let mut volume = 0.0;
        for (plane, twice) in self.planes.iter().zip(&self.areas) {
            let area = 0.5 * math::dot(*twice, plane.normal) / plane.length;
            volume += plane.offset / plane.length * area / 3.0;
            face(plane, area);
        }
        volume
    }
}
