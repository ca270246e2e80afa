//! From a scene to a picture.
//!
//! Every pixel has four samples in a rotated square. A sample follows one ray to the first opaque shape, through
//! translucent ones, and looks from there into a few directions for the sky and for the light; what it finds is
//! averaged over the samples around it that hit the same shape. Light adds up in linear space:
//!
//! `colour · (ambient · sky + diffuse · (n · l) · light) + gloss · (n · h)^m · light`
//!
//! The picture is made in square tiles that know nothing of each other, so that it does not depend on threads.

use super::Image;
use super::color::Color;
use super::grid::Grid;
use super::look::Background;
use super::rays::{self, Directions, SQUARE};
use super::scene::{Scene, Triangle};
use super::shapes::Shape;
use super::view::{Camera, Ray, View};
use rayon::prelude::*;
use vitrion_core::{Vector3, math};

/// Side of a tile [pixels].
const TILE: usize = 32;
/// Where the four samples of a pixel are, row by row.
const SAMPLES: [[f64; 2]; 4] = [[0.375, 0.125], [0.875, 0.375], [0.125, 0.625], [0.625, 0.875]];
/// Rays begin this far off the surface [Å].
const OFF: f64 = 1e-4;
/// Beyond this distance [Å] nothing keeps the sky away, and half of it far less.
const SKY_REACH: f64 = 9.0;
/// Beyond this distance [Å] nothing throws a shadow.
const SHADOW_REACH: f64 = 12.0;
const SHADOW: f64 = 0.6;
const AMBIENT: f64 = 0.55;
const DIFFUSE: f64 = 0.7;
const GLOSS: f64 = 0.16;
const GLOSS_EXPONENT: i32 = 48;
/// Where the light is: above, to the left, behind the reader.
const LIGHT: Vector3 = [-0.42, 0.60, 0.68];
/// Steps in depth [Å] at which an outline begins and is full.
const OUTLINE_STEP: [f64; 2] = [0.5, 1.4];
/// Light that an outline takes away.
const OUTLINE: f64 = 0.88;
/// Width of outlines as a part of the height of the picture.
const OUTLINE_WIDTH: f64 = 0.0011;
/// Translucent shapes in front of each other, at most.
const LAYERS: usize = 12;
/// No shape.
const NOTHING: u32 = u32::MAX;

/// What the tracer knows.
struct Tracer<'a> {
    scene: &'a Scene,
    camera: Camera,
    grid: Grid,
    /// The opaque triangles, then the translucent ones.
    triangles: Vec<Triangle>,
    /// Number of opaque shapes; they come first.
    opaque: u32,
    directions: Directions,
    light: Vector3,
    /// Reach of outlines [samples].
    outline: isize,
    /// Outlines where there is nothing behind.
    against_nothing: bool,
    /// What far things fade into, linear.
    fog: Vector3,
}

/// What a ray of a sample found.
#[derive(Clone, Copy)]
struct Sample {
    /// The first opaque shape.
    shape: u32,
    /// Height of the point along the view.
    depth: f64,
    normal: Vector3,
    /// How much of the sky and of the light is seen, 0 to 1.
    sky: f64,
    light: f64,
    /// Its own colour, linear.
    color: Vector3,
    /// Light of translucent shapes before it, and how much they let through.
    veil: Vector3,
    through: f64,
}

impl Scene {
    /// The picture of the scene. Tiles are spread over the threads of the pool this is called in; the
    /// picture does not depend on their number.
    pub fn trace(&self, view: &View, width: usize, height: usize) -> Image {
        let tracer = Tracer::new(self, view, width, height);
        let tiles: Vec<[usize; 2]> = (0..height.div_ceil(TILE))
            .flat_map(|row| (0..width.div_ceil(TILE)).map(move |column| [column, row]))
            .collect();
        let done: Vec<Vec<[u8; 4]>> = tiles.par_iter().map(|tile| tracer.tile(*tile)).collect();
        let mut rgba = vec![0; 4 * width * height];
        for ([column, row], pixels) in tiles.iter().zip(&done) {
            for (k, pixel) in pixels.iter().enumerate() {
                let (x, y) = (column * TILE + k % TILE, row * TILE + k / TILE);
                if x < width && y < height {
                    rgba[4 * (y * width + x)..][..4].copy_from_slice(pixel);
                }
            }
        }
        Image { width, height, rgba }
    }
}

impl<'a> Tracer<'a> {
    fn new(scene: &'a Scene, view: &View, width: usize, height: usize) -> Self {
        let camera = Camera::new(scene, view, width, height);
        let place = |r: Vector3| camera.place(view.turn(r));
        let mut triangles = scene.triangles.clone();
        triangles.sort_by_key(|triangle| triangle.opacity < 1.0);
        let opaque = scene.spheres.len()
            + scene.cylinders.len()
            + triangles.partition_point(|triangle| triangle.opacity >= 1.0);
        // in this order: spheres, cylinders, triangles
        let spheres = scene
            .spheres
            .iter()
            .map(|sphere| Shape::Sphere { centre: place(sphere.centre), radius: sphere.radius });
        let cylinders =
            scene.cylinders.iter().map(|c| Shape::cylinder(place(c.from), place(c.to), c.radius));
        let flat = triangles.iter().map(|triangle| Shape::triangle(triangle.corners.map(place)));
        let grid = Grid::new(spheres.chain(cylinders).chain(flat).collect());
        let light = math::scale(LIGHT, 1.0 / math::norm(LIGHT));
        Tracer {
            scene,
            camera,
            grid,
            triangles,
            opaque: opaque as u32,
            directions: Directions::new(light),
            light,
            outline: (2.0 * OUTLINE_WIDTH * height as f64).round().clamp(1.0, 12.0) as isize,
            against_nothing: !scene.background.is_dark(),
            fog: scene.background.color().linear(),
        }
    }

    /// The pixels of a tile, row by row, those beyond the picture too.
    fn tile(&self, [column, row]: [usize; 2]) -> Vec<[u8; 4]> {
        // samples around the tile are needed for means and outlines
        let apron = self.outline.max(SQUARE as isize / 2);
        let side = 2 * TILE as isize + 2 * apron;
        let first = [column, row].map(|k| (2 * k * TILE) as isize - apron);
        let samples: Vec<Sample> = (0..side * side)
            .map(|k| self.sample(first[0] + k % side, first[1] + k / side))
            .collect();
        let at = |x: isize, y: isize| (y * side + x) as usize;
        let mut pixels = Vec::with_capacity(TILE * TILE);
        for y in 0..TILE as isize {
            for x in 0..TILE as isize {
                let mut sum = [0.0; 4];
                for k in 0..4 {
                    let (sx, sy) = (apron + 2 * x + k % 2, apron + 2 * y + k / 2);
                    let here = samples[at(sx, sy)];
                    let light = if here.shape == NOTHING {
                        self.beyond(&here)
                    } else {
                        let around = |dx: isize, dy: isize| &samples[at(sx + dx, sy + dy)];
                        let (sky, light) = averaged(&here, around);
                        let outline = if self.scene.outlines {
                            outlined(&here, self.outline, self.against_nothing, around)
                        } else {
                            0.0
                        };
                        self.shaded(&here, sky, light, outline)
                    };
                    for (total, part) in sum.iter_mut().zip(light) {
                        *total += 0.25 * part;
                    }
                }
                pixels.push(encoded(sum));
            }
        }
        pixels
    }

    /// What the ray of a sample finds; samples are numbered over the whole picture, two by two to a pixel.
    fn sample(&self, x: isize, y: isize) -> Sample {
        let [dx, dy] = SAMPLES[((x & 1) + 2 * (y & 1)) as usize];
        let ray = self.camera.ray((x >> 1) as f64 + dx, (y >> 1) as f64 + dy);
        let mut sample = Sample {
            shape: NOTHING,
            depth: f64::NEG_INFINITY,
            normal: [0.0, 0.0, 1.0],
            sky: 1.0,
            light: 1.0,
            color: [0.0; 3],
            veil: [0.0; 3],
            through: 1.0,
        };
        let mut from = 0.0;
        for _ in 0..LAYERS {
            let Some(hit) = self.grid.nearest(&ray, from, f64::INFINITY, u32::MAX) else { break };
            let point = math::add(ray.origin, math::scale(ray.direction, hit.distance));
            let normal = self.grid.shapes[hit.shape as usize].normal(point, ray.direction);
            let (color, opacity) = self.material(hit.shape, point);
            if opacity < 1.0 {
                let lit = self.lit(color, normal, point[2], [1.0; 2]);
                sample.veil = math::add(sample.veil, math::scale(lit, opacity * sample.through));
                sample.through *= 1.0 - opacity;
                from = hit.distance;
                continue;
            }
            let class = (x & 3) as usize + SQUARE * (y & 3) as usize;
            (sample.shape, sample.depth, sample.normal) = (hit.shape, point[2], normal);
            sample.color = color;
            (sample.sky, sample.light) = self.surroundings(point, normal, class);
            break;
        }
        sample
    }

    /// Colour, linear, and opacity of a shape at a point.
    fn material(&self, shape: u32, point: Vector3) -> (Vector3, f64) {
        let scene = self.scene;
        let mut number = shape as usize;
        if number < scene.spheres.len() {
            return (scene.spheres[number].color.linear(), 1.0);
        }
        number -= scene.spheres.len();
        if number < scene.cylinders.len() {
            let Shape::Cylinder { from, axis, length, .. } = self.grid.shapes[shape as usize]
            else {
                unreachable!("cylinders follow spheres")
            };
            let height = math::dot(math::sub(point, from), axis);
            let half = usize::from(height > 0.5 * length);
            return (scene.cylinders[number].colors[half].linear(), 1.0);
        }
        let triangle = &self.triangles[number - scene.cylinders.len()];
        (triangle.color.linear(), triangle.opacity)
    }

    /// How much of the sky and of the light is seen from a point in the directions of one sample.
    fn surroundings(&self, point: Vector3, normal: Vector3, class: usize) -> (f64, f64) {
        let origin = math::add(point, math::scale(normal, OFF));
        let free = |direction: Vector3, reach: f64| {
            let ray = Ray { origin, direction };
            let hit = self.grid.nearest(&ray, 0.0, reach, self.opaque);
            hit.map_or(1.0, |hit| (hit.distance / reach).sqrt())
        };
        let sky = self.directions.sky[class].iter();
        let sky: f64 = sky.map(|d| free(rays::about(normal, *d), SKY_REACH)).sum();
        let above = |d: &&Vector3| math::dot(**d, normal) > 0.0;
        let light = self.directions.light[class].iter().filter(above);
        let light: f64 = light.map(|d| free(*d, SHADOW_REACH)).sum();
        (sky / rays::SKY as f64, light / rays::LIGHT as f64)
    }

    /// Light of a surface, with fog.
    ///
    /// * `seen`: how much of the sky and of the light it sees
    fn lit(&self, color: Vector3, normal: Vector3, depth: f64, [sky, light]: [f64; 2]) -> Vector3 {
        let towards = math::dot(normal, self.light).max(0.0);
        let half = math::add(self.light, [0.0, 0.0, 1.0]);
        let half = math::scale(half, 1.0 / math::norm(half));
        let gloss = GLOSS * math::dot(normal, half).max(0.0).powi(GLOSS_EXPONENT);
        let light = 1.0 - SHADOW * (1.0 - light);
        let strength = AMBIENT * sky + DIFFUSE * towards * light;
        let lit = color.map(|part| part * strength + gloss * light);
        let (near, far) = (self.camera.near, self.camera.far);
        let part = ((near - depth) / (near - far).max(1e-9)).clamp(0.0, 1.0);
        let fog = self.scene.depth_cue * part;
        std::array::from_fn(|k| lit[k] + fog * (self.fog[k] - lit[k]))
    }

    /// A sample that hits nothing opaque: light, multiplied by the opacity that follows it.
    fn beyond(&self, sample: &Sample) -> [f64; 4] {
        let [r, g, b] = match self.scene.background {
            Background::Transparent => sample.veil,
            Background::Color(color) => {
                math::add(sample.veil, math::scale(color.linear(), sample.through))
            }
        };
        let opaque = self.scene.background != Background::Transparent;
        [r, g, b, if opaque { 1.0 } else { 1.0 - sample.through }]
    }

    fn shaded(&self, sample: &Sample, sky: f64, light: f64, outline: f64) -> [f64; 4] {
        let lit = self.lit(sample.color, sample.normal, sample.depth, [sky, light]);
        let kept = 1.0 - OUTLINE * outline;
        let [r, g, b] = math::add(sample.veil, math::scale(lit, kept * sample.through));
        [r, g, b, 1.0]
    }
}

/// Sky and light of a sample, as means over the square around it as far as it shows the same shape.
fn averaged<'s>(here: &Sample, around: impl Fn(isize, isize) -> &'s Sample) -> (f64, f64) {
    let reach = SQUARE as isize / 2;
    let (mut sky, mut light, mut sum) = (0.0, 0.0, 0.0);
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let other = around(dx, dy);
            if other.shape != here.shape || math::dot(other.normal, here.normal) < 0.8 {
                continue;
            }
            // opposite rims of the window look in the same directions
            let weight = if dx.abs() == reach { 0.5 } else { 1.0 }
                * if dy.abs() == reach { 0.5 } else { 1.0 };
            sky += weight * other.sky;
            light += weight * other.light;
            sum += weight;
        }
    }
    (sky / sum, light / sum)
}

/// How much of an outline a sample is: it is nearer than something within reach.
fn outlined<'s>(
    here: &Sample,
    reach: isize,
    against_nothing: bool,
    around: impl Fn(isize, isize) -> &'s Sample,
) -> f64 {
    let mut outline: f64 = 0.0;
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let other = around(dx, dy);
            let drawn = other.shape != here.shape && (against_nothing || other.shape != NOTHING);
            if !drawn || dx * dx + dy * dy > reach * reach {
                continue;
            }
            let [least, full] = OUTLINE_STEP;
            let part = ((here.depth - other.depth - least) / (full - least)).clamp(0.0, 1.0);
            outline = outline.max(part);
        }
    }
    outline
}

/// Light multiplied by its opacity as sRGB and opacity.
fn encoded([r, g, b, opacity]: [f64; 4]) -> [u8; 4] {
    if opacity <= 0.0 {
        return [0; 4];
    }
    let Color([r, g, b]) = Color::of_linear([r, g, b].map(|light| light / opacity));
    [r, g, b, (255.0 * opacity).round() as u8]
}
