//! The site that is nearest to a place.

use crate::error::AnalysisError;
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Sites nearer to each other than this are one by mistake [Å].
const APART: f64 = 0.5;
/// Edge of the boxes that sites are sorted into [Å], about.
const BOX: f64 = 4.0;

/// Sites in boxes of fractional coordinates.
pub(super) struct Assignment {
    sites: Vec<Vector3>,
    grid: [usize; 3],
    boxes: Vec<Vec<u32>>,
    /// Half of the distance from each site to the next in the first cell [Å]: what is nearer than nearly that needs no search.
    half: Vec<f64>,
}

impl Assignment {
    pub(super) fn new(sites: &[Vector3], cell: &Cell) -> Result<Self, AnalysisError> {
        let sites: Vec<Vector3> = sites.iter().map(|s| s.map(|s| s - s.floor())).collect();
        let widths = cell.perpendicular_widths();
        let grid = widths.map(|width| ((width / BOX) as usize).max(1));
        let mut found = Assignment {
            boxes: vec![Vec::new(); grid.iter().product()],
            half: vec![f64::INFINITY; sites.len()],
            grid,
            sites,
        };
        for site in 0..found.sites.len() {
            let place = found.box_of(found.sites[site]);
            found.boxes[place].push(site as u32);
        }
        for site in 0..found.sites.len() {
            for other in 0..site {
                let distance = math::norm(found.way(cell, site as u32, other as u32));
                if distance < APART {
                    return Err(AnalysisError::Parameter {
                        name: "sites",
                        found: format!("sites {other} and {site} {distance:.3} Å apart"),
                        expected: format!("sites at least {APART} Å apart"),
                    });
                }
                for one in [site, other] {
                    found.half[one] = found.half[one].min(0.5 * distance);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn len(&self) -> usize {
        self.sites.len()
    }

    fn place(&self, s: Vector3) -> [usize; 3] {
        std::array::from_fn(|k| {
            let n = self.grid[k];
            (((s[k] - s[k].floor()) * n as f64) as usize).min(n - 1)
        })
    }

    fn box_of(&self, s: Vector3) -> usize {
        let [a, b, c] = self.place(s);
        (a * self.grid[1] + b) * self.grid[2] + c
    }

    /// The way from one site to the nearest image of another [Å].
    pub(super) fn way(&self, cell: &Cell, from: u32, to: u32) -> Vector3 {
        let step = math::sub(self.sites[to as usize], self.sites[from as usize]);
        cell.minimum_image(cell.to_cartesian(step))
    }

    fn distance(&self, cell: &Cell, s: Vector3, site: u32) -> f64 {
        let step = math::sub(s, self.sites[site as usize]);
        math::norm(cell.minimum_image(cell.to_cartesian(step)))
    }

    /// The site nearest to a place [Å]; `last` is where the ion was, and probably is.
    pub(super) fn nearest(&self, cell: &Cell, r: Vector3, last: u32) -> u32 {
        let s = cell.to_fractional(r);
        let before = self.distance(cell, s, last);
        // cells may change a little: some room is left
        if before < 0.9 * self.half[last as usize] {
            return last;
        }
        let widths = cell.perpendicular_widths();
        let [a, b, c] = self.place(s);
        let (mut best, mut least) = (last, before);
        // shells of boxes, until what is farther out cannot be nearer
        for shell in 0_isize.. {
            let reach = (0..3)
                .map(|k| (shell - 1).max(0) as f64 * widths[k] / self.grid[k] as f64)
                .fold(f64::INFINITY, f64::min);
            let all = self.grid.iter().all(|n| 2 * shell as usize > *n);
            if (shell > 0 && least <= reach) || all {
                return best;
            }
            let range = |k: usize| {
                // in a narrow grid every box comes up once
                let n = self.grid[k] as isize;
                if 2 * shell + 1 >= n { (0, n - 1) } else { (-shell, shell) }
            };
            let [(a0, a1), (b0, b1), (c0, c1)] = [range(0), range(1), range(2)];
            for i in a0..=a1 {
                for j in b0..=b1 {
                    for k in c0..=c1 {
                        let at = |place: usize, step: isize, n: usize| {
                            (place as isize + step).rem_euclid(n as isize) as usize
                        };
                        let (x, y, z) = (
                            at(a, i, self.grid[0]),
                            at(b, j, self.grid[1]),
                            at(c, k, self.grid[2]),
                        );
                        for site in &self.boxes[(x * self.grid[1] + y) * self.grid[2] + z] {
                            let distance = self.distance(cell, s, *site);
                            if distance < least {
                                (best, least) = (*site, distance);
                            }
                        }
                    }
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};
    use vitrion_core::testing::systems;

    #[test]
    fn the_nearest_site_is_that_of_a_full_search_in_any_cell() {
        for seed in 0..30 {
            let cell = systems::random_cell(seed, 9.0, 25.0);
            let mut random = rng::at(seed, Stream::Testing, 95, 0);
            let mut place = || -> Vector3 { std::array::from_fn(|_| random.uniform()) };
            let sites: Vec<Vector3> = (0..20).map(|_| place()).collect();
            let Ok(found) = Assignment::new(&sites, &cell) else { continue };
            for _ in 0..100 {
                let s = place();
                let last = (20.0 * s[0]) as u32;
                let nearest = found.nearest(&cell, cell.to_cartesian(s), last);
                let least = (0..20)
                    .map(|site| found.distance(&cell, s, site))
                    .fold(f64::INFINITY, f64::min);
                assert!((found.distance(&cell, s, nearest) - least).abs() < 1e-12, "seed {seed}");
            }
        }
    }

    #[test]
    fn sites_in_one_place_are_refused() {
        let cell = Cell::orthorhombic([10.0; 3]).expect("a box");
        let error = Assignment::new(&[[0.01, 0.5, 0.5], [0.99, 0.5, 0.5]], &cell)
            .err()
            .expect("0.2 Å apart through the border");
        assert!(error.to_string().contains("sites 0 and 1 0.200 Å apart"), "{error}");
    }
}
