//! Velocities to start from.

use crate::error::MdError;
use crate::state::{degrees_of_freedom, remove_drift, temperature as temperature_of};
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Structure, units};

/// Velocities [Å/fs] from the Maxwell–Boltzmann distribution at `temperature` [K], the momentum
/// of the whole removed.
///
/// Each component is normal with variance `k_B T / m`. Subtracting the velocity of the centre of
/// mass leaves exactly the canonical distribution of the 3N − 3 remaining degrees of freedom, so
/// the instantaneous temperature fluctuates about `temperature` with the relative variance
/// `2/(3N − 3)`; use [`rescale`] where it should be exact. The velocity of an atom before the
/// subtraction depends on the seed and its index only.
///
/// # Errors
/// A temperature that is not positive, or fewer than two atoms.
pub fn maxwell_boltzmann(
    structure: &Structure,
    temperature: f64,
    seed: u64,
) -> Result<Vec<Vector3>, MdError> {
    check(structure, temperature)?;
    let mut velocities: Vec<Vector3> =
        (0..structure.len()).map(|atom| drawn(structure, temperature, seed, atom)).collect();
    remove_drift(structure, &mut velocities);
    Ok(velocities)
}

/// Draws new velocities for some atoms, those of the others are kept: for atoms that were frozen and
/// now may move. Their momentum is left in.
///
/// # Errors
/// A temperature that is not positive.
pub fn thermalize(
    structure: &Structure,
    velocities: &mut [Vector3],
    atoms: &[u32],
    temperature: f64,
    seed: u64,
) -> Result<(), MdError> {
    check(structure, temperature)?;
    for atom in atoms {
        let atom = *atom as usize;
        velocities[atom] = drawn(structure, temperature, seed, atom);
    }
    Ok(())
}

fn drawn(structure: &Structure, temperature: f64, seed: u64, atom: usize) -> Vector3 {
    let mut random = rng::at(seed, Stream::Velocities, 0, atom as u64);
    let width = (units::BOLTZMANN * temperature / structure.mass(atom)
        * units::ACCELERATION_PER_FORCE)
        .sqrt();
    std::array::from_fn(|_| width * random.normal())
}

/// Scales velocities so that their temperature, counted with 3N − 3 degrees of freedom, is exactly
/// `temperature` [K].
///
/// # Errors
/// A temperature that is not positive, fewer than two atoms, or atoms at rest.
pub fn rescale(
    structure: &Structure,
    velocities: &mut [Vector3],
    temperature: f64,
) -> Result<(), MdError> {
    check(structure, temperature)?;
    let present = temperature_of(structure, velocities).unwrap_or(0.0);
    if !(present > 0.0 && present.is_finite()) {
        return Err(MdError::BadState(format!(
            "velocities of temperature {present} K cannot be scaled to {temperature} K"
        )));
    }
    let factor = (temperature / present).sqrt();
    for v in velocities {
        *v = math::scale(*v, factor);
    }
    Ok(())
}

fn check(structure: &Structure, temperature: f64) -> Result<(), MdError> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(MdError::Setting {
            setting: "temperature",
            found: format!("{temperature} K"),
            expected: "velocities need a positive temperature".to_owned(),
        });
    }
    if degrees_of_freedom(structure.len(), true) == 0 {
        return Err(MdError::NoDegreesOfFreedom { atoms: structure.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::kinetic_energy;
    use vitrion_core::Cell;

    fn structure(atoms: usize) -> Structure {
        let symbols: Vec<&str> = (0..atoms).map(|i| ["Li", "P", "S"][i % 3]).collect();
        let cell = Cell::orthorhombic([30.0; 3]).expect("a cube");
        Structure::new(cell, &symbols, vec![[0.0; 3]; atoms]).expect("elements")
    }

    #[test]
    fn kinetic_energy_has_the_canonical_mean_and_variance() {
        let (atoms, draws, kt) = (8, 4000, units::BOLTZMANN * 600.0);
        let structure = structure(atoms);
        let samples: Vec<f64> = (0..draws)
            .map(|seed| {
                let v = maxwell_boltzmann(&structure, 600.0, seed).expect("600 K");
                kinetic_energy(&structure, &v) / kt
            })
            .collect();
        // K/kT follows a gamma distribution of shape f/2: mean f/2, variance f/2
        let shape = degrees_of_freedom(atoms, true) as f64 / 2.0;
        let n = draws as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let variance = samples.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((mean - shape).abs() < 5.0 * (shape / n).sqrt(), "mean {mean}, theory {shape}");
        // Var(s²) = (μ₄ − σ⁴)/n, μ₄ = 3a² + 6a for shape a
        let se = ((2.0 * shape * shape + 6.0 * shape) / n).sqrt();
        assert!((variance - shape).abs() < 5.0 * se, "variance {variance}, theory {shape}");
    }

    #[test]
    fn momentum_is_zero_and_rescaling_is_exact() {
        let structure = structure(10);
        let mut v = maxwell_boltzmann(&structure, 300.0, 7).expect("300 K");
        rescale(&structure, &mut v, 450.0).expect("moving atoms");
        let t = temperature_of(&structure, &v).expect("more than one atom");
        assert!((t - 450.0).abs() < 1e-10, "{t}");
        for k in 0..3 {
            let p: f64 = (0..10).map(|i| structure.mass(i) * v[i][k]).sum();
            assert!(p.abs() < 1e-15, "momentum {p}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_velocities_and_another_seed_others() {
        let structure = structure(5);
        let draw = |seed| maxwell_boltzmann(&structure, 300.0, seed).expect("300 K");
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn one_atom_and_zero_temperature_are_refused() {
        let error = maxwell_boltzmann(&structure(1), 300.0, 1).expect_err("one atom");
        assert!(error.to_string().contains("3N − 3 = 0"), "{error}");
        let error = maxwell_boltzmann(&structure(2), 0.0, 1).expect_err("0 K");
        assert!(error.to_string().contains("temperature is 0 K"), "{error}");
        let error = rescale(&structure(2), &mut [[0.0; 3]; 2], 300.0).expect_err("at rest");
        assert!(error.to_string().contains("temperature 0 K cannot be scaled"), "{error}");
    }
}
