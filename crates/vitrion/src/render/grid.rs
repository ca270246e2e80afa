//! The shapes of a scene in the cubes of a uniform grid, and rays that walk through them.

use super::shapes::Shape;
use super::view::Ray;
use vitrion_core::{Vector3, math};

/// Cubes per shape, about.
const CUBES_PER_SHAPE: f64 = 3.0;
/// Cubes in all, at most.
const MOST_CUBES: f64 = 3e7;

/// Where a ray meets a shape first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// Number of the shape.
    pub(super) shape: u32,
    /// Distance along the ray.
    pub(super) distance: f64,
}

/// Shapes and where they are.
pub(super) struct Grid {
    pub(super) shapes: Vec<Shape>,
    low: Vector3,
    /// Side of a cube.
    side: f64,
    /// Cubes along x, y, z.
    counts: [usize; 3],
    /// Shapes of cube `c` are `items[offsets[c]..offsets[c + 1]]`.
    offsets: Vec<u32>,
    items: Vec<u32>,
}

impl Grid {
    pub(super) fn new(shapes: Vec<Shape>) -> Self {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for shape in &shapes {
            let (a, b) = shape.bounds();
            for k in 0..3 {
                low[k] = low[k].min(a[k]);
                high[k] = high[k].max(b[k]);
            }
        }
        if shapes.is_empty() {
            (low, high) = ([0.0; 3], [1.0; 3]);
        }
        // a little room, so that nothing lies on the hull
        let size: Vector3 = std::array::from_fn(|k| high[k] - low[k] + 2e-6);
        low = low.map(|x| x - 1e-6);
        let wanted = (CUBES_PER_SHAPE * shapes.len() as f64).clamp(1.0, MOST_CUBES);
        let longest = size.iter().copied().fold(0.0, f64::max);
        // thin scenes have thin grids
        let thick = size.map(|x| x.max(1e-2 * longest));
        let side = (thick.iter().product::<f64>() / wanted).cbrt();
        let counts = size.map(|x| ((x / side).ceil() as usize).max(1));
        let mut grid = Grid { shapes, low, side, counts, offsets: Vec::new(), items: Vec::new() };
        grid.fill();
        grid
    }

    fn fill(&mut self) {
        let mut places: Vec<(u32, u32)> = Vec::new();
        // a little larger, for rounding
        let half = 0.5 * self.side * (1.0 + 1e-9);
        for (number, shape) in self.shapes.iter().enumerate() {
            let (low, high) = shape.bounds();
            let [from, to] = [low, high].map(|corner| self.cube(corner));
            for x in from[0]..=to[0] {
                for y in from[1]..=to[1] {
                    for z in from[2]..=to[2] {
                        let middle: Vector3 = std::array::from_fn(|k| {
                            self.low[k] + ([x, y, z][k] as f64 + 0.5) * self.side
                        });
                        if shape.may_touch(middle, half) {
                            places.push((self.index([x, y, z]) as u32, number as u32));
                        }
                    }
                }
            }
        }
        places.sort_unstable();
        let cubes = self.counts.iter().product::<usize>();
        self.offsets = vec![0; cubes + 1];
        for (cube, _) in &places {
            self.offsets[*cube as usize + 1] += 1;
        }
        for cube in 0..cubes {
            self.offsets[cube + 1] += self.offsets[cube];
        }
        self.items = places.into_iter().map(|(_, number)| number).collect();
    }

    fn cube(&self, point: Vector3) -> [usize; 3] {
        std::array::from_fn(|k| {
            (((point[k] - self.low[k]) / self.side) as usize).min(self.counts[k] - 1)
        })
    }

    fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        (x * self.counts[1] + y) * self.counts[2] + z
    }

    /// The first of the first `shapes` shapes that the ray meets beyond `from` and before `to`; of equally
    /// near ones the first in the scene. Walks from cube to cube (Amanatides and Woo, 1987).
    pub(super) fn nearest(&self, ray: &Ray, from: f64, to: f64, shapes: u32) -> Option<Hit> {
        let (origin, direction) = (ray.origin, ray.direction);
        let inverse = direction.map(|x| 1.0 / x);
        let (mut enter, mut leave) = (from, to);
        for k in 0..3 {
            let size = self.counts[k] as f64 * self.side;
            let (low, high) = (self.low[k], self.low[k] + size);
            if direction[k] == 0.0 {
                if origin[k] < low || origin[k] > high {
                    return None;
                }
                continue;
            }
            let (a, b) = ((low - origin[k]) * inverse[k], (high - origin[k]) * inverse[k]);
            enter = enter.max(a.min(b));
            leave = leave.min(a.max(b));
        }
        if enter > leave {
            return None;
        }
        let start = math::add(origin, math::scale(direction, enter));
        let mut cube = self.cube(start);
        // distance at which the next cube along an axis begins, and from one to the next
        let mut next = [f64::INFINITY; 3];
        let mut step = [f64::INFINITY; 3];
        for k in 0..3 {
            if direction[k] != 0.0 {
                let border = cube[k] + usize::from(direction[k] > 0.0);
                next[k] = (self.low[k] + border as f64 * self.side - origin[k]) * inverse[k];
                step[k] = self.side * inverse[k].abs();
            }
        }
        let mut best: Option<Hit> = None;
        let mut before = to;
        loop {
            let index = self.index(cube);
            let range = self.offsets[index] as usize..self.offsets[index + 1] as usize;
            for number in &self.items[range] {
                // they are in order
                if *number >= shapes {
                    break;
                }
                if let Some(distance) = self.shapes[*number as usize].hit(ray, from, before) {
                    best = Some(Hit { shape: *number, distance });
                    before = distance;
                }
            }
            let axis = if next[0] < next[1] {
                if next[0] < next[2] { 0 } else { 2 }
            } else if next[1] < next[2] {
                1
            } else {
                2
            };
            if before <= next[axis] || next[axis] >= leave {
                return best;
            }
            next[axis] += step[axis];
            if direction[axis] > 0.0 {
                cube[axis] += 1;
                if cube[axis] == self.counts[axis] {
                    return best;
                }
            } else if cube[axis] == 0 {
                return best;
            } else {
                cube[axis] -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Random, Stream};

    /// The definition: the first of all shapes.
    fn slow(shapes: &[Shape], ray: &Ray, from: f64, to: f64) -> Option<Hit> {
        let mut best: Option<Hit> = None;
        for (number, shape) in shapes.iter().enumerate() {
            let before = best.map_or(to, |hit| hit.distance);
            if let Some(distance) = shape.hit(ray, from, before) {
                best = Some(Hit { shape: number as u32, distance });
            }
        }
        best
    }

    fn point(random: &mut Random, size: f64) -> Vector3 {
        std::array::from_fn(|_| size * (random.uniform() - 0.5))
    }

    fn shapes(random: &mut Random, count: usize) -> Vec<Shape> {
        (0..count)
            .map(|k| match k % 3 {
                0 => Shape::Sphere { centre: point(random, 20.0), radius: 1.5 * random.uniform() },
                1 => {
                    let from = point(random, 20.0);
                    let to = math::add(from, point(random, if k % 4 == 0 { 40.0 } else { 4.0 }));
                    Shape::cylinder(from, to, 0.5 * random.uniform())
                }
                _ => {
                    let a = point(random, 20.0);
                    Shape::triangle([
                        a,
                        math::add(a, point(random, 6.0)),
                        math::add(a, point(random, 6.0)),
                    ])
                }
            })
            .collect()
    }

    #[test]
    fn the_grid_finds_what_a_loop_over_all_shapes_finds() {
        for seed in 0..12 {
            let mut random = rng::at(seed, Stream::Testing, 0, 0);
            let grid = Grid::new(shapes(&mut random, [1, 3, 40, 400][seed as usize % 4]));
            let mut hits = 0;
            for ray in 0..600 {
                let origin = point(&mut random, if ray % 2 == 0 { 60.0 } else { 15.0 });
                let mut direction = math::sub(point(&mut random, 20.0), origin);
                if ray % 5 == 0 {
                    direction[ray % 3] = 0.0;
                }
                if ray % 11 == 0 {
                    direction = [0.0, 0.0, -1.0];
                }
                let direction = math::scale(direction, 1.0 / math::norm(direction));
                let ray = Ray { origin, direction };
                let (from, to) = (1e-4, if hits % 3 == 0 { 8.0 } else { f64::INFINITY });
                let fast = grid.nearest(&ray, from, to, u32::MAX);
                assert_eq!(fast, slow(&grid.shapes, &ray, from, to), "seed {seed}, {ray:?}");
                hits += usize::from(fast.is_some());
            }
            assert!(seed % 4 < 2 || hits > 30, "seed {seed}: {hits} hits");
        }
    }

    #[test]
    fn an_empty_scene_is_never_hit() {
        let ray = Ray { origin: [0.0, 0.0, 9.0], direction: [0.0, 0.0, -1.0] };
        assert_eq!(Grid::new(Vec::new()).nearest(&ray, 0.0, f64::INFINITY, u32::MAX), None);
    }
}
