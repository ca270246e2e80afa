//! Pictures whose pixels are known.

use super::scene::{Cylinder, Scene, Sphere};
use super::view::Camera;
use super::*;
use vitrion_core::{Cell, Structure, Vector3, math};

const RED: Color = Color([200, 30, 30]);

/// Without edges, outlines and fog.
fn scene(spheres: &[(Vector3, f64)], cylinders: &[Cylinder]) -> Scene {
    Scene {
        spheres: spheres
            .iter()
            .map(|(centre, radius)| Sphere { centre: *centre, radius: *radius, color: RED })
            .collect(),
        cylinders: cylinders.to_vec(),
        triangles: Vec::new(),
        corners: Vec::new(),
        background: Background::Transparent,
        depth_cue: 0.0,
        outlines: false,
    }
}

fn front() -> View {
    View { axes: math::IDENTITY, ..View::default() }
}

fn brightness(pixel: [u8; 4]) -> u32 {
    pixel[..3].iter().map(|part| u32::from(*part)).sum()
}

#[test]
fn a_sphere_is_a_disc_of_its_radius_that_is_brighter_in_the_middle() {
    let image = scene(&[([3.0, -2.0, 7.0], 2.0)], &[]).trace(&front(), 200, 160);
    // 95 % of the height are 4 Å
    let radius = 0.95 * 160.0 / 2.0;
    let covered: f64 = image.rgba.chunks(4).map(|pixel| f64::from(pixel[3]) / 255.0).sum();
    let measured = (covered / std::f64::consts::PI).sqrt();
    assert!((measured - radius).abs() < 0.05, "{measured} instead of {radius} pixels");
    for (column, row, inside) in [
        (100, 80, true),
        (100 - 75, 80, true),
        (100 + 74, 80, true),
        (100 - 78, 80, false),
        (100 + 77, 80, false),
        (100, 80 - 77, false),
        (30, 30, false),
    ] {
        assert_eq!(image.pixel(column, row)[3] == 255, inside, "{column}, {row}");
    }
    let (middle, rim) = (image.pixel(100, 80), image.pixel(100 + 70, 80 + 20));
    assert!(brightness(middle) > brightness(rim) + 60, "{middle:?} and {rim:?}");
}

#[test]
fn a_cylinder_is_a_rectangle_with_a_colour_for_each_half() {
    let blue = Color([20, 20, 220]);
    let stick =
        Cylinder { from: [-4.0, 1.0, 0.0], to: [4.0, 1.0, 0.0], radius: 1.0, colors: [RED, blue] };
    // the points that the camera must see are corners of a square of 10 Å around it
    let mut scene = scene(&[], &[stick]);
    scene.corners = vec![[-5.0, -4.0, 0.0], [5.0, 6.0, 0.0]];
    let image = scene.trace(&front(), 100, 100);
    let per_angstrom = 9.5;
    let covered: f64 = image.rgba.chunks(4).map(|pixel| f64::from(pixel[3]) / 255.0).sum();
    let area = 8.0 * 2.0 * per_angstrom * per_angstrom;
    assert!((covered / area - 1.0).abs() < 0.01, "{covered} instead of {area} pixels");
    let (left, right) = (image.pixel(30, 50), image.pixel(70, 50));
    assert!(left[0] > left[2] && right[2] > right[0], "{left:?}, {right:?}");
    assert_eq!(image.pixel(8, 50)[3], 0);
    assert_eq!(image.pixel(50, 62)[3], 0);
}

#[test]
fn edges_of_a_triclinic_cell_are_where_its_corners_are() {
    let cell = Cell::from_lengths_angles([9.0, 11.0, 14.0], [75.0, 95.0, 110.0]).expect("closes");
    let structure = Structure::new(cell, &["Li"], vec![[0.0; 3]]).expect("an element");
    let look = Look { background: Background::Transparent, ..Look::default() };
    let scene = Scene::of(&structure, &look);
    for view in [View::default(), View { perspective: Some(30.0), ..View::default() }] {
        let (width, height) = (320, 240);
        let image = scene.trace(&view, width, height);
        let camera = Camera::new(&scene, &view, width, height);
        let mut on = 0;
        for bits in 0..8_usize {
            for axis in [1, 2, 4].into_iter().filter(|axis| bits & axis == 0) {
                for part in [0.1, 0.35, 0.5, 0.8] {
                    let (a, b) = (scene.corners[bits], scene.corners[bits | axis]);
                    let point = math::add(math::scale(a, 1.0 - part), math::scale(b, part));
                    let [x, y] = camera.project(camera.place(view.turn(point)));
                    on += usize::from(image.pixel(x as usize, y as usize)[3] > 60);
                }
            }
        }
        assert_eq!(on, 48, "{view:?}");
        // a cell is not a block
        let covered = image.rgba.chunks(4).filter(|pixel| pixel[3] > 0).count();
        assert!(covered < width * height / 12, "{covered}");
    }
}

#[test]
fn pictures_do_not_depend_on_threads() {
    let cell = Cell::orthorhombic([9.0; 3]).expect("a cube");
    let positions =
        (0..40).map(|k| [1.7, 2.9, 4.3].map(|step: f64| (f64::from(k) * step) % 9.0)).collect();
    let symbols: Vec<&str> = (0..40).map(|k| ["Li", "P", "S", "S"][k % 4]).collect();
    let structure = Structure::new(cell, &symbols, positions).expect("elements");
    let look = Look { polyhedra: vec!["P".into()], ..Look::default() };
    let trace = |threads| {
        crate::threads::on(threads, || {
            Scene::of(&structure, &look).trace(&View::default(), 120, 90)
        })
    };
    assert_eq!(trace(1), trace(3));
}

#[test]
fn a_crevice_is_darker_than_an_open_surface() {
    // a ball on a table of balls far larger than it
    let open = scene(&[([0.0, 0.0, -50.0], 50.0)], &[]);
    let mut crevice = open.clone();
    crevice.spheres.push(Sphere { centre: [0.0, 0.0, 1.0], radius: 1.0, color: RED });
    let zoomed = View { zoom: 15.0, ..front() };
    // below to the right, away from the light, beside the ball
    let pixel = |scene: &Scene| scene.trace(&zoomed, 200, 200).pixel(100 + 17, 100 + 17);
    let (bright, dark) = (pixel(&open), pixel(&crevice));
    assert!(brightness(dark) + 40 < brightness(bright), "{dark:?} and {bright:?}");
}

#[test]
fn a_png_file_holds_the_picture() {
    let image = scene(&[([0.0; 3], 1.0)], &[]).trace(&front(), 31, 17);
    let file = image.png();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a header");
    let mut bytes = vec![0; reader.output_buffer_size()];
    reader.next_frame(&mut bytes).expect("a picture");
    assert_eq!((reader.info().width, reader.info().height), (31, 17));
    assert_eq!(bytes, image.rgba);
}
