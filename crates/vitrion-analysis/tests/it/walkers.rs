//! Ions that move as a test says, beside sulphur at rest.

use std::sync::Arc;
use vitrion_analysis::{Motion, MotionPass, MotionSettings, RecordingSettings};
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Random, Stream};
use vitrion_core::{Cell, Frame, Phases, Structure};

/// Time between frames [fs].
pub(crate) const INTERVAL: f64 = 100.0;

/// How many ions are watched for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walkers {
    pub(crate) ions: usize,
    pub(crate) frames: usize,
}

impl Walkers {
    /// What analyses find in a trajectory of ions with states that `start` makes and `step` changes and shows.
    pub(crate) fn watch<S>(
        self,
        seed: u64,
        settings: &[MotionSettings],
        start: impl Fn(&mut Random, usize) -> S,
        step: impl Fn(&mut Random, &mut S) -> Vector3,
    ) -> Vec<Motion> {
        self.watch_labelled(seed, settings, start, step, |_| None)
    }

    /// The same with the phase of every ion.
    pub(crate) fn watch_labelled<S>(
        self,
        seed: u64,
        settings: &[MotionSettings],
        start: impl Fn(&mut Random, usize) -> S,
        step: impl Fn(&mut Random, &mut S) -> Vector3,
        phase: impl Fn(&S) -> Option<&'static str>,
    ) -> Vec<Motion> {
        let mut random = rng::at(seed, Stream::Testing, 70, 0);
        let cell = Cell::orthorhombic([4000.0; 3]).expect("a box");
        let symbols: Vec<&str> =
            (0..=self.ions).map(|k| if k < self.ions { "Li" } else { "S" }).collect();
        let recording = RecordingSettings {
            species: "Li".into(),
            framework: Vec::new(),
            skip: 0.0,
            interval: None,
            temperature: Some(900.0),
            unwrap: false,
        };
        let mut pass = MotionPass::new(recording, settings.to_vec());
        let mut ions: Vec<S> = (0..self.ions).map(|ion| start(&mut random, ion)).collect();
        let mut structure =
            Structure::new(cell, &symbols, vec![[0.0; 3]; self.ions + 1]).expect("elements");
        for number in 0..self.frames {
            for (ion, r) in ions.iter_mut().zip(&mut structure.positions) {
                *r = step(&mut random, ion);
            }
            let phases: Option<Vec<&str>> = ions.iter().map(&phase).collect();
            structure.phases = phases.map(|mut phases| {
                phases.push("rest");
                Arc::new(Phases::new(&phases).expect("plain names"))
            });
            let time = Some(number as f64 * INTERVAL);
            pass.add(&Frame { time, ..structure.clone().into() }).expect("regular frames");
        }
        pass.finish().expect("enough frames")
    }
}

/// Three independent normal numbers.
pub(crate) fn gaussian(random: &mut Random, sigma: f64) -> Vector3 {
    std::array::from_fn(|_| sigma * random.normal())
}

/// A direction, all of them equally likely.
pub(crate) fn unit_vector(random: &mut Random) -> Vector3 {
    let g = gaussian(random, 1.0);
    math::scale(g, 1.0 / math::norm(g))
}
