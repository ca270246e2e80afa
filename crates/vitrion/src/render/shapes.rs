//! What a ray hits: shapes in the axes of the picture, and where rays meet them.

use super::view::Ray;
use vitrion_core::{Vector3, math};

/// A shape of a scene.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Sphere {
        centre: Vector3,
        radius: f64,
    },
    /// Open at both ends.
    Cylinder {
        from: Vector3,
        axis: Vector3,
        length: f64,
        radius: f64,
    },
    Triangle {
        corner: Vector3,
        sides: [Vector3; 2],
        normal: Vector3,
    },
}

impl Shape {
    pub(super) fn cylinder(from: Vector3, to: Vector3, radius: f64) -> Self {
        let along = math::sub(to, from);
        let length = math::norm(along).max(f64::MIN_POSITIVE);
        Shape::Cylinder { from, axis: math::scale(along, 1.0 / length), length, radius }
    }

    pub(super) fn triangle([a, b, c]: [Vector3; 3]) -> Self {
        let sides = [math::sub(b, a), math::sub(c, a)];
        let normal = math::cross(sides[0], sides[1]);
        let length = math::norm(normal).max(f64::MIN_POSITIVE);
        Shape::Triangle { corner: a, sides, normal: math::scale(normal, 1.0 / length) }
    }

    /// Distance along the ray at which it enters the shape, if that is between `from` and `to`.
    ///
    /// Where the ray passes the middle is found first, so that far origins cost no digits. Triangles have
    /// no inside: they are met from either side.
    #[inline(always)]
    pub(super) fn hit(&self, ray: &Ray, from: f64, to: f64) -> Option<f64> {
        let distance = match *self {
            Shape::Sphere { centre, radius } => {
                let offset = math::sub(centre, ray.origin);
                let closest = math::dot(offset, ray.direction);
                let aside = math::sub(offset, math::scale(ray.direction, closest));
                let inside = radius * radius - math::norm2(aside);
                if inside < 0.0 {
                    return None;
                }
                closest - inside.sqrt()
            }
            Shape::Cylinder { from: start, axis, length, radius } => {
                let offset = math::sub(start, ray.origin);
                // the lines of the ray and of the axis pass each other at |offset · normal| / |normal|
                let normal = math::cross(ray.direction, axis);
                let (normal2, apart) = (math::norm2(normal), math::dot(offset, normal));
                let inside = radius * radius * normal2 - apart * apart;
                if inside < 0.0 || normal2 < 1e-12 {
                    return None;
                }
                let closest = math::dot(math::cross(offset, axis), normal) / normal2;
                let distance = closest - inside.sqrt() / normal2;
                let height = distance * math::dot(ray.direction, axis) - math::dot(offset, axis);
                if !(0.0..=length).contains(&height) {
                    return None;
                }
                distance
            }
            Shape::Triangle { corner, sides: [u, v], .. } => {
                // Möller and Trumbore (1997)
                let p = math::cross(ray.direction, v);
                let determinant = math::dot(u, p);
                if determinant.abs() < 1e-12 {
                    return None;
                }
                let offset = math::sub(ray.origin, corner);
                let a = math::dot(offset, p) / determinant;
                let q = math::cross(offset, u);
                let b = math::dot(ray.direction, q) / determinant;
                if a < 0.0 || b < 0.0 || a + b > 1.0 {
                    return None;
                }
                math::dot(v, q) / determinant
            }
        };
        (from < distance && distance < to).then_some(distance)
    }

    /// Normal at a point of the surface; triangles turn theirs against the direction of the ray.
    pub(super) fn normal(&self, point: Vector3, direction: Vector3) -> Vector3 {
        match *self {
            Shape::Sphere { centre, radius } => math::scale(math::sub(point, centre), 1.0 / radius),
            Shape::Cylinder { from, axis, radius, .. } => {
                let offset = math::sub(point, from);
                let lateral = math::sub(offset, math::scale(axis, math::dot(offset, axis)));
                math::scale(lateral, 1.0 / radius)
            }
            Shape::Triangle { normal, .. } => {
                if math::dot(normal, direction) > 0.0 {
                    math::scale(normal, -1.0)
                } else {
                    normal
                }
            }
        }
    }

    /// Lowest and highest corner of a box around it.
    pub(super) fn bounds(&self) -> (Vector3, Vector3) {
        let around = |points: &[Vector3], radius: f64| {
            let low = |k: usize| points.iter().map(|p| p[k]).fold(f64::INFINITY, f64::min) - radius;
            let high =
                |k: usize| points.iter().map(|p| p[k]).fold(f64::NEG_INFINITY, f64::max) + radius;
            (std::array::from_fn(low), std::array::from_fn(high))
        };
        match *self {
            Shape::Sphere { centre, radius } => around(&[centre], radius),
            Shape::Cylinder { from, axis, length, radius } => {
                around(&[from, math::add(from, math::scale(axis, length))], radius)
            }
            Shape::Triangle { corner, sides: [u, v], .. } => {
                around(&[corner, math::add(corner, u), math::add(corner, v)], 0.0)
            }
        }
    }

    /// False only if the shape has no point in the cube around `middle` with half side `half`.
    pub(super) fn may_touch(&self, middle: Vector3, half: f64) -> bool {
        // the sphere around the cube
        let reach = half * 3f64.sqrt();
        match *self {
            Shape::Sphere { centre, radius } => {
                let beyond = math::sub(centre, middle).map(|x| (x.abs() - half).max(0.0));
                math::norm2(beyond) <= radius * radius
            }
            Shape::Cylinder { from, axis, length, radius } => {
                let offset = math::sub(middle, from);
                let height = math::dot(offset, axis).clamp(0.0, length);
                math::norm(math::sub(offset, math::scale(axis, height))) <= radius + reach
            }
            Shape::Triangle { corner, normal, .. } => {
                math::dot(math::sub(middle, corner), normal).abs() <= reach
            }
        }
    }
}
