//! Where a scene is looked at from.

use super::scene::Scene;
use vitrion_core::{Matrix3, Vector3, math};

/// Part of the picture that the scene fills in the tighter direction, at zoom 1.
const FILLED: f64 = 0.95;

/// A direction to look from; the picture is as large as the scene needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Rows: what is right, what is up, and what points at the reader; orthonormal, right-handed.
    pub axes: Matrix3,
    /// Above 1 for larger atoms, whose outermost may be cut off.
    pub zoom: f64,
    /// Angle of view [degrees], up and down, of a camera near the scene; parallel rays otherwise.
    pub perspective: Option<f64>,
}

impl Default for View {
    /// Turned by −25° about y, then tilted by 15° about x; z points at the reader.
    fn default() -> Self {
        let start = View { axes: math::IDENTITY, zoom: 1.0, perspective: None };
        start.rotated([0.0, -25.0, 0.0]).rotated([15.0, 0.0, 0.0])
    }
}

impl View {
    /// From where `towards` points at the reader, with `up` upwards as far as possible. `None` if they
    /// are parallel or one has no length.
    pub fn from_direction(towards: Vector3, up: Vector3) -> Option<Self> {
        let z = unit(towards)?;
        let x = unit(math::cross(up, z))
            .filter(|_| math::norm(math::cross(up, z)) > 1e-6 * math::norm(up))?;
        Some(View { axes: [x, math::cross(z, x), z], zoom: 1.0, perspective: None })
    }

    /// The scene turned by these angles [degrees] about the axes of the picture: first about x (right),
    /// then y (up), then z (towards the reader).
    #[must_use]
    pub fn rotated(self, angles: Vector3) -> Self {
        let mut axes = self.axes;
        for (axis, angle) in angles.into_iter().enumerate() {
            let (sin, cos) = angle.to_radians().sin_cos();
            let (j, k) = ((axis + 1) % 3, (axis + 2) % 3);
            let (old_j, old_k) = (axes[j], axes[k]);
            axes[j] = math::sub(math::scale(old_j, cos), math::scale(old_k, sin));
            axes[k] = math::add(math::scale(old_j, sin), math::scale(old_k, cos));
        }
        View { axes, ..self }
    }

    /// A vector in the axes of the picture.
    pub(super) fn turn(&self, r: Vector3) -> Vector3 {
        self.axes.map(|axis| math::dot(axis, r))
    }
}

fn unit(v: Vector3) -> Option<Vector3> {
    let length = math::norm(v);
    (length > 0.0 && length.is_finite()).then(|| math::scale(v, 1.0 / length))
}

/// A view of one scene on one picture, in axes of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Camera {
    /// Middle of the scene.
    middle: Vector3,
    /// Nearest and farthest depth (z) of the scene.
    pub(super) near: f64,
    pub(super) far: f64,
    width: f64,
    height: f64,
    /// Size of a pixel [Å]; with perspective, at distance 1.
    pixel: f64,
    /// Distance of a camera from the middle [Å].
    distance: Option<f64>,
}

/// A ray; its direction has length 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ray {
    pub(super) origin: Vector3,
    pub(super) direction: Vector3,
}

impl Camera {
    /// Sees all of the scene at zoom 1.
    pub(super) fn new(scene: &Scene, view: &View, width: usize, height: usize) -> Self {
        let spheres = scene.spheres.iter().map(|sphere| (view.turn(sphere.centre), sphere.radius));
        let corners = scene.corners.iter().map(|corner| (view.turn(*corner), 0.0));
        let points: Vec<(Vector3, f64)> = spheres.chain(corners).collect();
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for (point, radius) in &points {
            for k in 0..3 {
                low[k] = low[k].min(point[k] - radius);
                high[k] = high[k].max(point[k] + radius);
            }
        }
        if points.is_empty() {
            (low, high) = ([-1.0; 3], [1.0; 3]);
        }
        let middle: Vector3 = std::array::from_fn(|k| f64::midpoint(low[k], high[k]));
        let (w, h) = (width as f64, height as f64);
        let near = high[2] - middle[2];
        let mut camera = Camera {
            middle,
            near,
            far: low[2] - middle[2],
            width: w,
            height: h,
            pixel: 1.0,
            distance: None,
        };
        if let Some(angle) = view.perspective {
            // the picture at distance 1 is 2 tan(angle / 2) high
            let half = [w / h, 1.0].map(|side| side * (0.5 * angle.to_radians()).tan());
            let mut distance = near + 1.0;
            for k in 0..2 {
                // a point p is in the picture if |p − middle| + reach ≤ half · (distance − depth): moving
                // the middle balances both sides
                let (mut above, mut below) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
                for (point, radius) in &points {
                    let reach = radius * (1.0 + half[k] * half[k]).sqrt();
                    let depth = half[k] * FILLED * (point[2] - camera.middle[2]);
                    above = above.max(point[k] + reach + depth);
                    below = below.max(-point[k] + reach + depth);
                }
                if !points.is_empty() {
                    camera.middle[k] = 0.5 * (above - below);
                    distance = distance.max(f64::midpoint(above, below) / (half[k] * FILLED));
                }
            }
            camera.distance = Some(distance);
            camera.pixel = 2.0 * half[1] / (h * view.zoom);
        } else {
            let needed = ((high[0] - low[0]) / w).max((high[1] - low[1]) / h).max(1e-6);
            camera.pixel = needed / (FILLED * view.zoom);
        }
        camera
    }

    /// A point of the scene, already turned, in the coordinates of rays: the middle is the origin.
    pub(super) fn place(&self, turned: Vector3) -> Vector3 {
        math::sub(turned, self.middle)
    }

    /// The ray through a point of the picture [pixels from the top left].
    pub(super) fn ray(&self, column: f64, row: f64) -> Ray {
        let x = (column - 0.5 * self.width) * self.pixel;
        let y = (0.5 * self.height - row) * self.pixel;
        match self.distance {
            None => Ray { origin: [x, y, self.near + 1.0], direction: [0.0, 0.0, -1.0] },
            Some(distance) => {
                let length = (x * x + y * y + 1.0).sqrt();
                Ray {
                    origin: [0.0, 0.0, distance],
                    direction: [x / length, y / length, -1.0 / length],
                }
            }
        }
    }

    /// Where a point (turned and placed) is in the picture [pixels from the top left].
    #[cfg(test)]
    pub(super) fn project(&self, r: Vector3) -> [f64; 2] {
        let depth = self.distance.map_or(1.0, |distance| distance - r[2]);
        let scale = 1.0 / (self.pixel * depth);
        [0.5 * self.width + r[0] * scale, 0.5 * self.height - r[1] * scale]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The starting view of the report.
    fn start(r: Vector3) -> Vector3 {
        let (turn, tilt) = ((-25f64).to_radians(), 15f64.to_radians());
        let (x, z) = (r[0] * turn.cos() + r[2] * turn.sin(), r[2] * turn.cos() - r[0] * turn.sin());
        [x, r[1] * tilt.cos() - z * tilt.sin(), r[1] * tilt.sin() + z * tilt.cos()]
    }

    #[test]
    fn the_default_is_the_view_that_reports_start_from() {
        for r in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, -2.0, 0.7]] {
            let difference = math::sub(View::default().turn(r), start(r));
            assert!(math::norm(difference) < 1e-12, "{r:?}: {difference:?}");
        }
    }

    #[test]
    fn a_direction_points_at_the_reader_and_up_is_up() {
        let view = View::from_direction([2.0, 0.0, 0.0], [0.3, 0.0, 1.0]).expect("not parallel");
        assert!(math::norm(math::sub(view.turn([1.0, 0.0, 0.0]), [0.0, 0.0, 1.0])) < 1e-12);
        assert!(math::norm(math::sub(view.turn([0.0, 0.0, 1.0]), [0.0, 1.0, 0.0])) < 1e-12);
        assert!(math::norm(math::sub(view.turn([0.0, 1.0, 0.0]), [1.0, 0.0, 0.0])) < 1e-12);
        assert_eq!(View::from_direction([0.0, 0.0, 2.0], [0.0, 0.0, -1.0]), None);
        assert_eq!(View::from_direction([0.0; 3], [0.0, 0.0, 1.0]), None);
    }
}
