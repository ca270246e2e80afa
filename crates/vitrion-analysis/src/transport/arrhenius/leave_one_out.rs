//! How much each temperature decides.

use super::fit::Fit;
use super::{ArrheniusPoint, Data};
use vitrion_core::observables::{Axis, Categories, Observables};

/// Activation energy and extrapolated conductivity without each temperature.
pub(super) fn report(data: &Data<'_>, fit: &Fit, result: &mut Observables) {
    let settings = data.settings;
    if data.points.len() < 4 {
        result.parameter("without each temperature", "not known: four temperatures are needed");
        return;
    }
    let t = settings.extrapolate;
    let (mut names, mut energies, mut conductivities) = (Vec::new(), Vec::new(), Vec::new());
    for left_out in 0..data.points.len() {
        let rest = data.points.iter().enumerate().filter(|(k, _)| *k != left_out);
        let rest: Vec<ArrheniusPoint> = rest.map(|(_, point)| *point).collect();
        let Some(other) = Fit::new(&rest, settings.level) else { continue };
        let temperature = data.points[left_out].temperature;
        names.push(format!("without {temperature} K"));
        energies.push(-other.line.slope);
        conductivities.push(1e3 * data.conductivity(other.at(t).exp(), t));
        let moved = (other.at(t) - fit.at(t)).abs();
        if moved > fit.half_width(t) {
            let factor = moved.exp();
            let message = format!(
                "without {temperature} K the conductivity at {t} K changes by a factor of {factor:.1}, more than its interval"
            );
            let advice = "look at this run: its MSD, its phase, its length";
            result.caution("one_point_decides", message, advice);
        }
    }
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    let mut push = |name: &str, label: String, axis: Axis, values: Vec<f64>| {
        let (name, names) = (name.into(), names.clone());
        result.categories.push(Categories { name, label, axis, names, values, errors: Vec::new() });
    };
    let label = "activation energy without one temperature".to_owned();
    push("left_out_activation_energy", label, axis("E_a", "eV"), energies);
    let label = format!("conductivity at {t} K without one temperature");
    push("left_out_conductivity", label, axis("σ", "mS/cm"), conductivities);
}
