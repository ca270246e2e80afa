//! Pictures of atoms by a ray tracer of our own: the same bits on every machine and at any number of threads.
//!
//! [`Scene::of`] turns a structure into spheres, cylinders and triangles as a [`Look`] says; a [`View`]
//! says where from; [`Scene::trace`] makes an [`Image`].
//!
//! ```no_run
//! # fn picture(structure: &vitrion_core::Structure) -> Vec<u8> {
//! use vitrion::render::{Look, Scene, View};
//! let scene = Scene::of(structure, &Look::default());
//! scene.trace(&View::default(), 800, 600).png()
//! # }
//! ```

pub mod color;
pub mod elements;
mod grid;
pub mod legend;
mod lettering;
pub mod look;
pub mod placement;
mod polyhedra;
mod rays;
pub mod scene;
mod shapes;
mod trace;
pub mod view;

pub use color::Color;
pub use legend::Legend;
pub use look::{Background, ColorBy, Look, SizeBy, Slice};
pub use scene::Scene;
pub use view::View;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    /// Four bytes per pixel, row by row from the top left: sRGB and opacity, not multiplied.
    pub rgba: Vec<u8>,
}

impl Image {
    /// Colour and opacity of a pixel; the first is at the top left.
    ///
    /// # Panics
    /// Outside of the picture.
    pub fn pixel(&self, column: usize, row: usize) -> [u8; 4] {
        assert!(column < self.width && row < self.height, "inside the picture");
        let at = 4 * (row * self.width + column);
        [self.rgba[at], self.rgba[at + 1], self.rgba[at + 2], self.rgba[at + 3]]
    }

    /// As a PNG file, without opacity where all is opaque.
    pub fn png(&self) -> Vec<u8> {
        let opaque = self.rgba.chunks_exact(4).all(|pixel| pixel[3] == 255);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(if opaque { png::ColorType::Rgb } else { png::ColorType::Rgba });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        let mut writer = encoder.write_header().expect("memory takes a header");
        let written = if opaque {
            let rgb: Vec<u8> =
                self.rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
            writer.write_image_data(&rgb)
        } else {
            writer.write_image_data(&self.rgba)
        };
        written.expect("as many bytes as the header says");
        writer.finish().expect("memory takes an end");
        file
    }
}

#[cfg(test)]
mod tests;
