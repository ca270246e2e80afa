//! Fits of synthetic data with a known activation energy.

use vitrion_analysis::{ArrheniusPoint, ArrheniusSettings, Diffusion, arrhenius};
use vitrion_core::observables::Uncertainty;
use vitrion_core::rng::{self, Stream};
use vitrion_core::units;

const ENERGY: f64 = 0.31;

fn settings() -> ArrheniusSettings {
    ArrheniusSettings { species: "Li".into(), charge: 1.0, extrapolate: 300.0, level: 0.95 }
}

fn point(temperature: f64, noise: f64, error: f64) -> ArrheniusPoint {
    let exact = 0.012 * (-ENERGY / (units::BOLTZMANN * temperature)).exp();
    let value = exact * (error * noise).exp();
    ArrheniusPoint {
        temperature,
        diffusion: Diffusion {
            value,
            error: error * value,
            diffusive: true,
            number_density: 0.018,
        },
    }
}

#[test]
fn exact_data_give_the_exact_energy_and_conductivity() {
    let points: Vec<_> = [700.0, 800.0, 900.0].map(|t| point(t, 0.0, 0.1)).to_vec();
    let result = arrhenius(&points, &settings()).expect("three points");
    let energy = result.estimate("activation_energy_ev").expect("fitted");
    assert!((energy.value - ENERGY).abs() < 1e-10);
    // σ = n e² D / (k_B T) by hand: 0.018e24 cm⁻³ · (1.602e-19 C)² · D / (1.380649e-23 · 300 J)
    let d = 0.012 * (-ENERGY / (units::BOLTZMANN * 300.0)).exp() * units::A2_PER_FS_IN_CM2_PER_S;
    let charge = units::E_IN_COULOMB;
    let by_hand = 0.018e24 * charge * charge * d / (units::BOLTZMANN_J * 300.0) * 1e3;
    let sigma = result.estimate("conductivity_300k_ms_per_cm").expect("fitted");
    assert!((sigma.value / by_hand - 1.0).abs() < 1e-9, "{} vs {by_hand}", sigma.value);
    assert!(result.cautions.iter().any(|c| c.code == "far_extrapolation"));
}

/// 700/800/900/1000 K extrapolated to 300 K: sd(ln D_300) = 6.69 sd(ln D) for equal errors.
#[test]
fn the_interval_grows_by_the_known_leverage() {
    let points: Vec<_> = [700.0, 800.0, 900.0, 1000.0].map(|t| point(t, 0.0, 0.1)).to_vec();
    let result = arrhenius(&points, &settings()).expect("four points");
    let sigma = result.estimate("conductivity_300k_ms_per_cm").expect("fitted");
    let Uncertainty::Interval { low, high, .. } = sigma.uncertainty else { panic!("an interval") };
    let leverage = (high / low).ln() / (2.0 * 1.959_964 * 0.1);
    assert!((leverage - 6.69).abs() < 0.01, "{leverage}");
}

/// Shares of 500 sets of points whose interval at 300 K holds the truth.
fn coverage(temperatures: &[f64], level: f64, scatter: f64, error: f64) -> f64 {
    let truth = 0.012 * (-ENERGY / (units::BOLTZMANN * 300.0)).exp() * 0.1;
    let inside = (0..500)
        .filter(|seed| {
            let mut random = rng::at(*seed, Stream::Testing, 60, 0);
            let noisy = |t: &f64| {
                let noise = (scatter * random.normal()).exp();
                let mut point = point(*t, random.normal(), error);
                point.diffusion.value *= noise;
                point.diffusion.error *= noise;
                point
            };
            let points: Vec<_> = temperatures.iter().map(noisy).collect();
            let settings = ArrheniusSettings { level, ..settings() };
            let result = arrhenius(&points, &settings).expect("points");
            let d = result.estimate("diffusion_300k_cm2_per_s").expect("fitted");
            let Uncertainty::Interval { low, high, .. } = d.uncertainty else {
                panic!("an interval")
            };
            low < truth && truth < high
        })
        .count();
    inside as f64 / 500.0
}

#[test]
fn intervals_cover_the_truth() {
    let four = [700.0, 800.0, 900.0, 1000.0];
    let six = [500.0, 600.0, 700.0, 800.0, 900.0, 1000.0];
    for temperatures in [&four[..], &six] {
        for level in [0.682_7, 0.95] {
            let chance = 3.0 * (level * (1.0 - level) / 500.0_f64).sqrt();
            // points that scatter by far more than their errors: Student's t holds
            let scattered = coverage(temperatures, level, 0.2, 0.01);
            assert!((scattered - level).abs() < chance, "{level}: {scattered}");
            // points with known errors: as often or more, since chance makes some sets scatter more
            let known = coverage(temperatures, level, 0.0, 0.15);
            assert!(known > level - chance && known < level + 0.11, "{level}: {known}");
        }
    }
}

#[test]
fn a_straight_line_has_no_kink_and_a_broken_one_has() {
    let temperatures = [500.0, 550.0, 600.0, 700.0, 800.0, 900.0, 1000.0];
    let kinked = |result: &vitrion_analysis::Observables| {
        result.cautions.iter().any(|caution| caution.code == "arrhenius_kink")
    };
    let (mut wrong, mut scattered, mut found) = (0, 0, 0);
    let mut covered = [0; 2];
    for seed in 0..500 {
        let mut random = rng::at(seed, Stream::Testing, 61, 0);
        let points: Vec<_> = temperatures.map(|t| point(t, random.normal(), 0.1)).to_vec();
        wrong += u32::from(kinked(&arrhenius(&points, &settings()).expect("points")));
        // runs that scatter ten times more than their errors say
        let mut optimistic = points.clone();
        for point in &mut optimistic {
            point.diffusion.error *= 0.1;
        }
        scattered += u32::from(kinked(&arrhenius(&optimistic, &settings()).expect("points")));
        // 0.25 eV more below 700 K
        let extra = |t: f64| {
            let x = |t: f64| 1.0 / (units::BOLTZMANN * t);
            (-0.25 * (x(t) - x(700.0)).max(0.0)).exp()
        };
        let broken: Vec<_> = points
            .iter()
            .map(|point| {
                let mut point = *point;
                point.diffusion.value *= extra(point.temperature);
                point.diffusion.error *= extra(point.temperature);
                point
            })
            .collect();
        let result = arrhenius(&broken, &settings()).expect("points");
        if kinked(&result) {
            found += 1;
            for (k, (name, exact)) in
                [("hot", ENERGY), ("cold", ENERGY + 0.25)].into_iter().enumerate()
            {
                let energy = result.estimate(&format!("activation_energy_{name}_ev"));
                let Uncertainty::Interval { low, high, .. } = energy.expect("stated").uncertainty
                else {
                    panic!("an interval")
                };
                covered[k] += u32::from(low < exact && exact < high);
            }
        }
    }
    assert!(wrong < 25, "{wrong} of 500 straight lines");
    assert!(scattered < 40, "{scattered} of 500 straight lines with scatter");
    assert!(found > 400, "{found} of 500 broken lines");
    for covered in covered {
        let share = f64::from(covered) / f64::from(found);
        assert!(share > 0.92, "{covered} of {found} intervals hold the activation energy");
    }
}

#[test]
fn one_wrong_point_is_named() {
    let mut points: Vec<_> =
        [600.0, 700.0, 800.0, 900.0, 1000.0].map(|t| point(t, 0.0, 0.02)).to_vec();
    points[0].diffusion.value *= 1.5;
    let result = arrhenius(&points, &settings()).expect("points");
    let energies = &result.categories[0];
    assert_eq!(energies.names[0], "without 600 K");
    assert!((energies.values[0] - ENERGY).abs() < 1e-10, "{energies:?}");
    assert!((energies.values[3] - ENERGY).abs() > 0.01, "{energies:?}");
}

#[test]
fn conductivities_are_those_of_the_density_of_their_temperature() {
    // the material expands: n = 0.02 − 2e-6 T
    let points: Vec<_> = [600.0, 700.0, 800.0, 900.0]
        .map(|t| {
            let mut point = point(t, 0.0, 0.05);
            point.diffusion.number_density = 0.02 - 2e-6 * t;
            point
        })
        .to_vec();
    let result = arrhenius(&points, &settings()).expect("points");
    let ratio = result.estimate("conductivity_300k_ms_per_cm").expect("fitted").value
        / result.estimate("diffusion_300k_cm2_per_s").expect("fitted").value;
    // σ/D = n e²/(k_B T), in mS/cm over cm²/s
    let charge = units::E_IN_COULOMB;
    let exact = 1e3 * (0.02 - 6e-4) * 1e24 * charge * charge / (units::BOLTZMANN_J * 300.0);
    assert!((ratio / exact - 1.0).abs() < 1e-9, "{ratio} {exact}");
    // ln σ = ln σT − ln T, whose mean slope against 1/(k_B T) is about −k_B T
    let of_t = result.estimate("activation_energy_of_sigma_t_ev").expect("fitted").value;
    let of_sigma = result.estimate("activation_energy_of_sigma_ev").expect("fitted").value;
    assert!((of_t - of_sigma - units::BOLTZMANN * 735.0).abs() < 2e-3, "{of_t} {of_sigma}");
}

#[test]
fn bounds_are_left_out_and_two_points_are_no_fit() {
    let mut points: Vec<_> = [700.0, 800.0, 900.0].map(|t| point(t, 0.0, 0.1)).to_vec();
    points[0].diffusion.diffusive = false;
    let result = arrhenius(&points, &settings()).expect("points");
    assert!(result.estimate("activation_energy_ev").is_none());
    let codes: Vec<&str> = result.cautions.iter().map(|c| c.code.as_str()).collect();
    assert_eq!(codes, ["excluded_points", "no_fit"]);
    assert_eq!(result.curve("diffusion_bounds").expect("shown").x.len(), 1);
}
