//! Convex hulls of the few atoms around a centre.

use vitrion_core::{Vector3, math};

/// Corners of a face may be this far off its plane [Å].
const FLAT: f64 = 0.05;

/// A convex hull, by indices of its points.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hull {
    /// Flat faces of more than three corners come in triangles.
    pub(super) faces: Vec<[usize; 3]>,
    /// Without those inside of a flat face.
    pub(super) edges: Vec<[usize; 2]>,
}

/// The hull of a few points; empty if they are fewer than four or all in one plane.
///
/// Every plane through three points with all others on one side is a face; O(n⁴), n is the coordination number.
pub(super) fn hull(points: &[Vector3]) -> Hull {
    let n = points.len();
    let mut hull = Hull::default();
    let mut faces: Vec<Vec<usize>> = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            for k in j + 1..n {
                let normal =
                    math::cross(math::sub(points[j], points[i]), math::sub(points[k], points[i]));
                let length = math::norm(normal);
                if length < FLAT * FLAT {
                    continue;
                }
                let normal = math::scale(normal, 1.0 / length);
                let height = |m: &usize| math::dot(math::sub(points[*m], points[i]), normal);
                let above = (0..n).filter(|m| height(m) > FLAT).count();
                let below = (0..n).filter(|m| height(m) < -FLAT).count();
                let flat: Vec<usize> = (0..n).filter(|m| height(m).abs() <= FLAT).collect();
                if (above > 0) != (below > 0) && !faces.contains(&flat) {
                    let outward = if above > 0 { math::scale(normal, -1.0) } else { normal };
                    let around = in_order(points, &flat, outward);
                    faces.push(flat);
                    hull.faces.extend(
                        (1..around.len() - 1).map(|m| [around[0], around[m], around[m + 1]]),
                    );
                    for (m, from) in around.iter().enumerate() {
                        let to = around[(m + 1) % around.len()];
                        let edge = [*from.min(&to), *from.max(&to)];
                        if !hull.edges.contains(&edge) {
                            hull.edges.push(edge);
                        }
                    }
                }
            }
        }
    }
    hull
}

/// The corners of a convex face in order around its middle.
fn in_order(points: &[Vector3], corners: &[usize], normal: Vector3) -> Vec<usize> {
    let sum = corners.iter().fold([0.0; 3], |sum, k| math::add(sum, points[*k]));
    let middle = math::scale(sum, 1.0 / corners.len() as f64);
    let first = math::sub(points[corners[0]], middle);
    let second = math::cross(normal, first);
    let angle = |k: usize| {
        let arm = math::sub(points[k], middle);
        math::dot(arm, second).atan2(math::dot(arm, first))
    };
    let mut around = corners.to_vec();
    around.sort_by(|a, b| angle(*a).total_cmp(&angle(*b)));
    around
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hulls_of_a_tetrahedron_an_octahedron_and_a_cube() {
        let tetrahedron =
            [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]];
        let octahedron: Vec<Vector3> = (0..6)
            .map(|k| {
                let mut corner = [0.0; 3];
                corner[k / 2] = if k % 2 == 0 { 1.5 } else { -1.5 };
                corner
            })
            .collect();
        let cube: Vec<Vector3> =
            (0..8).map(|bits| [bits & 1, bits >> 1 & 1, bits >> 2 & 1].map(f64::from)).collect();
        for (points, faces, edges) in
            [(&tetrahedron[..], 4, 6), (&octahedron, 8, 12), (&cube, 12, 12)]
        {
            let hull = hull(points);
            assert_eq!((hull.faces.len(), hull.edges.len()), (faces, edges));
        }
    }

    #[test]
    fn points_in_a_plane_have_no_hull() {
        let square = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]];
        assert_eq!(hull(&square), Hull::default());
        assert_eq!(hull(&square[..2]), Hull::default());
    }
}
