//! How often intervals hold a known truth, over 500 trajectories of every kind of motion.

use vitrion_analysis::{
    Diffusion, DiffusionSettings, MsdSettings, Recording, RecordingSettings, diffusion,
    mean_squared_displacement, non_gaussian_parameter,
};
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Curve, Estimate, Uncertainty};
use vitrion_core::rng::{self, Random, Stream};
use vitrion_core::stats::student_t_quantile;
use vitrion_core::{Cell, Frame, Structure};

/// Time between frames [fs].
const INTERVAL: f64 = 100.0;
const TRIALS: u64 = 500;
const IONS: usize = 64;
const FRAMES: usize = 150;

/// Frames of ions that `step` moves, beside sulphur at rest.
fn watched<S: Clone>(
    seed: u64,
    start: impl Fn(&mut Random, usize) -> S,
    step: impl Fn(&mut Random, &mut S) -> Vector3,
) -> Recording {
    let mut random = rng::at(seed, Stream::Testing, 70, 0);
    let cell = Cell::orthorhombic([4000.0; 3]).expect("a box");
    let symbols: Vec<&str> = (0..=IONS).map(|k| if k < IONS { "Li" } else { "S" }).collect();
    let mut data = Recording::new(RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: Some(900.0),
        unwrap: false,
    });
    let mut ions: Vec<S> = (0..IONS).map(|ion| start(&mut random, ion)).collect();
    let mut structure = Structure::new(cell, &symbols, vec![[0.0; 3]; IONS + 1]).expect("elements");
    for number in 0..FRAMES {
        for (ion, r) in ions.iter_mut().zip(&mut structure.positions) {
            *r = step(&mut random, ion);
        }
        let time = Some(number as f64 * INTERVAL);
        data.add(&Frame { time, ..structure.clone().into() }).expect("regular frames");
    }
    data
}

/// Shares of 68.27 % and 95 % intervals that held the truth.
#[derive(Debug, Default)]
struct Coverage {
    inside: [u32; 2],
    trials: u32,
    sum: f64,
}

impl Coverage {
    fn add(&mut self, value: f64, error: f64, n_eff: f64, truth: f64) {
        for (inside, level) in self.inside.iter_mut().zip([0.682_689_5, 0.95]) {
            let quantile = student_t_quantile(0.5 + 0.5 * level, n_eff - 1.0);
            *inside += u32::from((value - truth).abs() < quantile * error);
        }
        self.trials += 1;
        self.sum += value;
    }

    fn estimate(&mut self, estimate: &Estimate, truth: f64) {
        match estimate.uncertainty {
            Uncertainty::StandardError { value, n_eff } => {
                self.add(estimate.value, value, n_eff, truth);
            }
            _ => panic!("{estimate:?} has no error"),
        }
    }

    fn point(&mut self, curve: &Curve, at: usize, n_eff: f64, truth: f64) {
        self.add(curve.y[at], curve.y_error[at], n_eff, truth);
    }

    /// Refuses shares that are not those of the intervals, within three standard errors of the share and `bias`.
    fn check(&self, what: &str, truth: f64, bias: f64) {
        let trials = f64::from(self.trials);
        for (inside, level) in self.inside.iter().zip([0.682_689_5, 0.95]) {
            let share = f64::from(*inside) / trials;
            let chance = 3.0 * f64::sqrt(level * (1.0 - level) / trials);
            let off = (share - level).abs();
            println!("{what}: {share:.3} of {level:.3} ± {:.3}", chance / 3.0);
            assert!(off < chance + bias, "{what}: {share} of {level}");
        }
        let mean = self.sum / trials;
        println!("{what}: mean {mean:.5e}, truth {truth:.5e}");
    }
}

fn gaussian(random: &mut Random, sigma: f64) -> Vector3 {
    std::array::from_fn(|_| sigma * random.normal())
}

fn coefficient(data: &Recording) -> (vitrion_analysis::Observables, Diffusion) {
    let settings = DiffusionSettings { charge: 1.0, window: None, axes: None };
    diffusion(data, &settings).expect("enough frames")
}

/// [cm²/s] of a coefficient in Å²/frame.
fn cm2(per_frame: f64) -> f64 {
    0.1 * per_frame / INTERVAL
}

#[test]
fn free_diffusion() {
    let sigma = 0.5_f64;
    let d = sigma * sigma / 2.0;
    let [mut of_d, mut along, mut msd, mut alpha] = std::array::from_fn(|_| Coverage::default());
    for seed in 0..TRIALS {
        let data = watched(
            seed,
            |_, _| [0.0; 3],
            |random, r: &mut Vector3| {
                *r = math::add(*r, gaussian(random, sigma));
                *r
            },
        );
        let (found, _) = coefficient(&data);
        of_d.estimate(found.estimate("diffusion_cm2_per_s").expect("there"), cm2(d));
        along.estimate(found.estimate("diffusion_b_cm2_per_s").expect("there"), cm2(d));
        let curves = mean_squared_displacement(&data, &MsdSettings::default()).expect("frames");
        msd.point(curves.curve("msd_Li").expect("there"), 9, IONS as f64, 60.0 * d);
        let curves = non_gaussian_parameter(&data).expect("frames");
        alpha.point(curves.curve("alpha2_Li").expect("there"), 4, 32.0, 0.0);
    }
    of_d.check("D", cm2(d), 0.0);
    along.check("D along b", cm2(d), 0.0);
    msd.check("MSD at lag 10", 60.0 * d, 0.0);
    alpha.check("alpha2 at lag 5", 0.0, 0.01);
}

#[test]
fn velocities_that_are_forgotten() {
    // Ornstein–Uhlenbeck velocities: v' = c v + noise; D = ⟨v²⟩ (1 + c)/(1 − c)/2 per frame for the summed positions
    let (c, thermal) = (0.6_f64, 0.2_f64);
    let d = 0.5 * thermal * thermal * (1.0 + c) / (1.0 - c);
    let mut of_d = Coverage::default();
    for seed in 0..TRIALS {
        let data = watched(
            seed,
            |random, _| ([0.0; 3], gaussian(random, thermal)),
            |random, (r, v): &mut (Vector3, Vector3)| {
                let noise = gaussian(random, thermal * (1.0 - c * c).sqrt());
                *v = math::add(math::scale(*v, c), noise);
                *r = math::add(*r, *v);
                *r
            },
        );
        let (found, _) = coefficient(&data);
        of_d.estimate(found.estimate("diffusion_cm2_per_s").expect("there"), cm2(d));
    }
    of_d.check("D after free flight", cm2(d), 0.02);
}

#[test]
fn jumps_at_random_times_and_rattling() {
    // one jump of length 3 Å with probability 0.1 per frame, rattling by 0.3 Å
    let (probability, length, rattle) = (0.1, 3.0_f64, 0.3_f64);
    let d = probability * length * length / 6.0;
    let [mut of_d, mut alpha] = std::array::from_fn(|_| Coverage::default());
    // moments of n jumps at one lag: ⟨r²⟩ = ν l² + 6 u², ⟨r⁴⟩ by the sum of independent isotropic parts
    let exact = |lag: f64| {
        // number of jumps n is binomial; for isotropic jumps ⟨R⁴⟩ = n l⁴ + (5/3) n (n − 1) l⁴
        let (p, l2) = (probability, length * length);
        let (n1, n2) = (lag * p, lag * (lag - 1.0) * p * p);
        let (j2, j4) = (n1 * l2, l2 * l2 * (n1 + 5.0 / 3.0 * n2));
        let (g2, g4) = (6.0 * rattle.powi(2), 60.0 * rattle.powi(4));
        let (r2, r4) = (j2 + g2, j4 + g4 + 10.0 / 3.0 * j2 * g2);
        3.0 * r4 / (5.0 * r2 * r2) - 1.0
    };
    for seed in 0..TRIALS {
        let data = watched(
            seed,
            |_, _| [0.0; 3],
            |random, site: &mut Vector3| {
                if random.uniform() < probability {
                    let g = gaussian(random, 1.0);
                    *site = math::add(*site, math::scale(g, length / math::norm(g)));
                }
                math::add(*site, gaussian(random, rattle))
            },
        );
        let (found, _) = coefficient(&data);
        of_d.estimate(found.estimate("diffusion_cm2_per_s").expect("there"), cm2(d));
        let curves = non_gaussian_parameter(&data).expect("frames");
        alpha.point(curves.curve("alpha2_Li").expect("there"), 2, 32.0, exact(3.0));
    }
    of_d.check("D of jumps", cm2(d), 0.0);
    alpha.check("alpha2 of jumps", exact(3.0), 0.02);
}

#[test]
fn two_kinds_of_ions() {
    // an ion is fast or slow with the probability 1/2: D is the mean over both
    let (slow, fast) = (0.2_f64, 0.6_f64);
    let d = 0.25 * (slow * slow + fast * fast);
    let mut of_d = Coverage::default();
    for seed in 0..TRIALS {
        let data = watched(
            seed,
            |random, _| ([0.0; 3], if random.uniform() < 0.5 { slow } else { fast }),
            |random, (r, sigma): &mut (Vector3, f64)| {
                *r = math::add(*r, gaussian(random, *sigma));
                *r
            },
        );
        let (found, _) = coefficient(&data);
        of_d.estimate(found.estimate("diffusion_cm2_per_s").expect("there"), cm2(d));
    }
    of_d.check("D of two kinds", cm2(d), 0.0);
}

#[test]
fn directions_that_differ() {
    let sigmas = [0.1, 0.3, 0.6];
    let mut coverage: [Coverage; 3] = std::array::from_fn(|_| Coverage::default());
    let d = sigmas.map(|sigma: f64| sigma * sigma / 2.0);
    for seed in 0..TRIALS {
        let data = watched(
            seed,
            |_, _| [0.0; 3],
            |random, r: &mut Vector3| {
                *r = std::array::from_fn(|k| r[k] + sigmas[k] * random.normal());
                *r
            },
        );
        let (found, _) = coefficient(&data);
        for ((axis, coverage), d) in ["a", "b", "c"].iter().zip(&mut coverage).zip(d) {
            let name = format!("diffusion_{axis}_cm2_per_s");
            coverage.estimate(found.estimate(&name).expect("there"), cm2(d));
        }
    }
    for (coverage, d) in coverage.iter().zip(d) {
        coverage.check("D along an axis", cm2(d), 0.0);
    }
}

#[test]
fn trapped_ions_have_only_an_upper_bound() {
    // Ornstein–Uhlenbeck positions: no diffusion at all, and every bound holds
    let (c, width) = (0.8_f64, 0.4_f64);
    for seed in 0..100 {
        let data = watched(
            seed,
            |random, _| gaussian(random, width),
            |random, r: &mut Vector3| {
                let noise = gaussian(random, width * (1.0 - c * c).sqrt());
                *r = math::add(math::scale(*r, c), noise);
                *r
            },
        );
        let (found, d) = coefficient(&data);
        assert!(!d.diffusive && d.value >= 0.0, "{d:?}");
        let estimate = found.estimate("diffusion_cm2_per_s").expect("there");
        assert!(matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }));
        // one jump of a lattice in the whole time is far above it
        assert!(estimate.value < cm2(9.0 / 6.0 / FRAMES as f64), "{}", estimate.value);
    }
}
