//! How often intervals hold a known truth, over 500 trajectories of every kind of motion.

use crate::walkers::{INTERVAL, Walkers, gaussian, unit_vector};
use vitrion_analysis::{
    CollectiveSettings, DiffusionSettings, Motion, MotionSettings, MsdSettings, ScatteringSettings,
    SnapshotSettings, VanHoveSettings,
};
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Curve, Estimate, Uncertainty};
use vitrion_core::rng::{self, Stream};
use vitrion_core::stats::student_t_quantile;

const TRIALS: u64 = 500;
const WALKERS: Walkers = Walkers { ions: 64, frames: 150 };

/// Shares of 68.27 % and 95 % intervals that held the truth.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
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

    pub(crate) fn estimate(&mut self, estimate: &Estimate, truth: f64) {
        match estimate.uncertainty {
            Uncertainty::StandardError { value, n_eff } => {
                self.add(estimate.value, value, n_eff, truth);
            }
            _ => panic!("{estimate:?} has no error"),
        }
    }

    pub(crate) fn point(&mut self, curve: &Curve, at: usize, n_eff: f64, truth: f64) {
        self.add(curve.y[at], curve.y_error[at], n_eff, truth);
    }

    /// Refuses shares that are not those of the intervals, within three standard errors of the share and `bias`; and a mean off
    /// the truth by 2 %.
    pub(crate) fn check(&self, what: &str, truth: f64, bias: f64) {
        let trials = f64::from(self.trials);
        for (inside, level) in self.inside.iter().zip([0.682_689_5, 0.95]) {
            let share = f64::from(*inside) / trials;
            let chance = 3.0 * f64::sqrt(level * (1.0 - level) / trials);
            let off = (share - level).abs();
            assert!(off < chance + bias, "{what}: {share} of {level}");
        }
        // D comes from weights that follow the data, which makes it lower by less than one percent
        let mean = self.sum / trials;
        let close = (mean - truth).abs() < 0.02 * truth.abs().max(0.01);
        assert!(close, "{what}: mean {mean:e}, truth {truth:e}");
    }
}

const DIFFUSION: MotionSettings =
    MotionSettings::Diffusion(DiffusionSettings { charge: 1.0, window: None, axes: None });

fn coefficient(found: &[Motion]) -> &Estimate {
    found[0].observables.estimate("diffusion_cm2_per_s").expect("there")
}

/// [cm²/s] of a coefficient in Å²/frame.
fn cm2(per_frame: f64) -> f64 {
    0.1 * per_frame / INTERVAL
}

#[test]
fn free_diffusion() {
    let sigma = 0.5_f64;
    let d = sigma * sigma / 2.0;
    let settings = [
        DIFFUSION,
        MotionSettings::MeanSquaredDisplacement(MsdSettings::default()),
        MotionSettings::NonGaussian,
        MotionSettings::VanHove(VanHoveSettings {
            bin: 0.4,
            r_max: 4.0,
            times: vec![5.0 * INTERVAL],
            distinct: false,
        }),
        MotionSettings::SelfIntermediateScattering(ScatteringSettings { q: vec![0.8] }),
        MotionSettings::DisplacementSnapshots(SnapshotSettings {
            distance: 2.0,
            time: 10.0 * INTERVAL,
        }),
    ];
    // a probability of distances beyond r after a variance s² along each axis
    let beyond = |r: f64, s: f64| {
        let x = r / s;
        erfc(x / 2.0_f64.sqrt()) + (2.0 / std::f64::consts::PI).sqrt() * x * (-0.5 * x * x).exp()
    };
    let s5 = sigma * 5.0_f64.sqrt();
    let in_bin = (beyond(1.6, s5) - beyond(2.0, s5)) / 0.4;
    let far = beyond(2.0, sigma * 10.0_f64.sqrt());
    let scattering = (-0.8_f64 * 0.8 * d * 10.0).exp();
    let truths = [cm2(d), cm2(d), 60.0 * d, 0.0, in_bin, beyond(4.0, s5), scattering, far];
    let names = ["D", "D along b", "MSD", "alpha2", "G_s", "beyond", "F_s", "far"];
    let mut coverage: [Coverage; 8] = std::array::from_fn(|_| Coverage::default());
    for seed in 0..TRIALS {
        let found = WALKERS.watch(
            seed,
            &settings,
            |_, _| [0.0; 3],
            |random, r: &mut Vector3| {
                *r = math::add(*r, gaussian(random, sigma));
                *r
            },
        );
        let all: Vec<_> = found.iter().map(|motion| &motion.observables).collect();
        let estimate = |k: usize, name: &str| all[k].estimate(name).expect("there");
        let curve = |k: usize, name: &str| all[k].curve(name).expect("there");
        coverage[0].estimate(coefficient(&found), truths[0]);
        coverage[1].estimate(estimate(0, "diffusion_b_cm2_per_s"), truths[1]);
        coverage[2].point(curve(1, "msd_Li"), 9, 64.0, truths[2]);
        coverage[3].point(curve(2, "alpha2_Li"), 4, 32.0, truths[3]);
        coverage[4].point(curve(3, "self_Li_0.500ps"), 4, 32.0, truths[4]);
        coverage[5].estimate(estimate(3, "beyond_0.500ps"), truths[5]);
        coverage[6].point(curve(4, "fs_Li_0.8"), 9, 32.0, truths[6]);
        coverage[7].estimate(estimate(5, "share_far"), truths[7]);
    }
    for ((coverage, name), truth) in coverage.iter().zip(names).zip(truths) {
        coverage.check(name, truth, if name == "D" { 0.0 } else { 0.01 });
    }
}

/// 1 − erf(x), to 1e-7 (Abramowitz and Stegun 7.1.26).
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let factors = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let series = factors.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    series * (-x * x).exp()
}

#[test]
fn velocities_that_are_forgotten() {
    // Ornstein–Uhlenbeck velocities: v' = c v + noise; D = ⟨v²⟩ (1 + c)/(1 − c)/2 per frame for the summed positions
    let (c, thermal) = (0.6_f64, 0.2_f64);
    let d = 0.5 * thermal * thermal * (1.0 + c) / (1.0 - c);
    let mut of_d = Coverage::default();
    for seed in 0..TRIALS {
        let found = WALKERS.watch(
            seed,
            &[DIFFUSION],
            |random, _| ([0.0; 3], gaussian(random, thermal)),
            |random, (r, v): &mut (Vector3, Vector3)| {
                let noise = gaussian(random, thermal * (1.0 - c * c).sqrt());
                *v = math::add(math::scale(*v, c), noise);
                *r = math::add(*r, *v);
                *r
            },
        );
        of_d.estimate(coefficient(&found), cm2(d));
    }
    of_d.check("D after free flight", cm2(d), 0.01);
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
        let settings = [DIFFUSION, MotionSettings::NonGaussian];
        let found = WALKERS.watch(
            seed,
            &settings,
            |_, _| [0.0; 3],
            |random, site: &mut Vector3| {
                if random.uniform() < probability {
                    *site = math::add(*site, math::scale(unit_vector(random), length));
                }
                math::add(*site, gaussian(random, rattle))
            },
        );
        of_d.estimate(coefficient(&found), cm2(d));
        let curve = found[1].observables.curve("alpha2_Li").expect("there");
        alpha.point(curve, 2, 32.0, exact(3.0));
    }
    of_d.check("D of jumps", cm2(d), 0.01);
    alpha.check("alpha2 of jumps", exact(3.0), 0.01);
}

#[test]
fn two_kinds_of_ions() {
    // an ion is fast or slow with the probability 1/2: D is the mean over both
    let (slow, fast) = (0.2_f64, 0.6_f64);
    let d = 0.25 * (slow * slow + fast * fast);
    let mut of_d = Coverage::default();
    for seed in 0..TRIALS {
        let found = WALKERS.watch(
            seed,
            &[DIFFUSION],
            |random, _| ([0.0; 3], if random.uniform() < 0.5 { slow } else { fast }),
            |random, (r, sigma): &mut (Vector3, f64)| {
                *r = math::add(*r, gaussian(random, *sigma));
                *r
            },
        );
        of_d.estimate(coefficient(&found), cm2(d));
    }
    of_d.check("D of two kinds", cm2(d), 0.0);
}

#[test]
fn directions_that_differ() {
    let sigmas = [0.1, 0.3, 0.6];
    let mut coverage: [Coverage; 3] = std::array::from_fn(|_| Coverage::default());
    let d = sigmas.map(|sigma: f64| sigma * sigma / 2.0);
    for seed in 0..TRIALS {
        let found = WALKERS.watch(
            seed,
            &[DIFFUSION],
            |_, _| [0.0; 3],
            |random, r: &mut Vector3| {
                *r = std::array::from_fn(|k| r[k] + sigmas[k] * random.normal());
                *r
            },
        );
        for ((axis, coverage), d) in ["a", "b", "c"].iter().zip(&mut coverage).zip(d) {
            let name = format!("diffusion_{axis}_cm2_per_s");
            coverage.estimate(found[0].observables.estimate(&name).expect("there"), cm2(d));
        }
    }
    for (coverage, d) in coverage.iter().zip(d) {
        coverage.check("D along an axis", cm2(d), 0.01);
    }
}

#[test]
fn trapped_ions_have_only_an_upper_bound() {
    // Ornstein–Uhlenbeck positions: no diffusion at all, and every bound holds
    let (c, width) = (0.8_f64, 0.4_f64);
    for seed in 0..100 {
        let found = WALKERS.watch(
            seed,
            &[DIFFUSION],
            |random, _| gaussian(random, width),
            |random, r: &mut Vector3| {
                let noise = gaussian(random, width * (1.0 - c * c).sqrt());
                *r = math::add(math::scale(*r, c), noise);
                *r
            },
        );
        let d = found[0].diffusion.expect("a coefficient");
        assert!(!d.diffusive && d.value >= 0.0, "{d:?}");
        let estimate = coefficient(&found);
        assert!(matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }));
        // one jump of a lattice in the whole time is far above it
        assert!(estimate.value < cm2(9.0 / 6.0 / 150.0), "{}", estimate.value);
    }
}

#[test]
fn ions_that_move_together() {
    // a part of the variance of every step is common to all ions: H_R = 1/(1 + (N − 1) part)
    let (sigma, part) = (0.5_f64, 0.02_f64);
    let (own, common) = (sigma * (1.0 - part).sqrt(), sigma * part.sqrt());
    let d = cm2(sigma * sigma / 2.0);
    let haven = 1.0 / (1.0 + 63.0 * part);
    let collective = MotionSettings::Collective(CollectiveSettings {
        charges: vec![("Li".into(), 1.0)],
        window: None,
    });
    let settings = [DIFFUSION, collective];
    let (mut of_d, mut of_haven, mut of_sigma) = (Coverage::default(), 0, 0);
    for seed in 0..TRIALS {
        let shared =
            |frame: u64| gaussian(&mut rng::at(seed, Stream::Testing, 71 + frame, 1), common);
        let found = WALKERS.watch(
            seed,
            &settings,
            |_, _| ([0.0; 3], 0),
            |random, (r, frame): &mut (Vector3, u64)| {
                *r = math::add(math::add(*r, gaussian(random, own)), shared(*frame));
                *frame += 1;
                *r
            },
        );
        of_d.estimate(coefficient(&found), d);
        let inside = |name: &str, truth: f64| {
            let estimate = found[1].observables.estimate(name).expect("there");
            let Uncertainty::Interval { low, high, .. } = estimate.uncertainty else {
                panic!("{estimate:?} has no interval")
            };
            u32::from(low < truth && truth < high)
        };
        of_haven += inside("haven_ratio", haven);
        of_sigma += inside("charge_diffusion_cm2_per_s", d / haven);
    }
    // the variance of the mean MSD is twice that of independent ions: the error must see it, roughly
    of_d.check("D of ions that move together", d, 0.05);
    for (what, count) in [("Haven ratio", of_haven), ("charge diffusion", of_sigma)] {
        let share = f64::from(count) / TRIALS as f64;
        assert!((share - 0.95).abs() < 0.04, "{what}: {share}");
    }
}
