//! What the run says, in a few sentences computed from intervals alone.

use super::figures::room_conductivity;
use super::load::{Results, System};
use super::number::interval_95;
use vitrion_core::{Estimate, Uncertainty};

/// How two intervals lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All of the first lies above all of the second.
    Above,
    /// All of the first lies below all of the second.
    Below,
    /// They share values.
    Overlap,
}

/// Order of two intervals `(low, high)`.
pub(super) fn order(first: (f64, f64), second: (f64, f64)) -> Order {
    if first.0 > second.1 {
        Order::Above
    } else if first.1 < second.0 {
        Order::Below
    } else {
        Order::Overlap
    }
}

/// One sentence per quantity for each pair of systems; empty with fewer than two systems.
pub(super) fn comparisons(results: &Results) -> Vec<String> {
    let mut out = Vec::new();
    for (index, first) in results.systems.iter().enumerate() {
        for second in &results.systems[index + 1..] {
            let names = (first.entry.name.as_str(), second.entry.name.as_str());
            let room =
                |system: &System| interval_95(room_conductivity(system.analysis("arrhenius")?)?);
            out.push(sentence(
                names,
                "conductivity extrapolated to 300 K",
                room(first),
                room(second),
            ));
            out.extend(at_temperatures(names, first, second));
        }
    }
    out
}

/// The conductivity of a system at each of its temperatures [K]; `None` where not all runs there give it.
fn conductivities(system: &System) -> Vec<(f64, Option<&Estimate>)> {
    let diffusion = system.diffusion().into_iter();
    let with_temperature = diffusion.filter_map(|(observables, runs)| {
        Some((runs[0].temperature_k()?, observables.estimate("conductivity_ms_per_cm")))
    });
    with_temperature.collect()
}

/// True when any number of the run is an upper bound.
pub(super) fn has_bounds(results: &Results) -> bool {
    results
        .analyses()
        .flat_map(|(_, observables)| &observables.estimates)
        .any(|estimate| matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }))
}

fn sentence(
    (first, second): (&str, &str),
    quantity: &str,
    a: Option<(f64, f64)>,
    b: Option<(f64, f64)>,
) -> String {
    let (Some(a), Some(b)) = (a, b) else {
        return format!(
            "{first} and {second}, {quantity}: at least one of them has no interval, so this run \
             cannot tell which is higher."
        );
    };
    match order(a, b) {
        Order::Above => format!(
            "{first} and {second}, {quantity}: {first} is higher; the 95 % intervals do not overlap."
        ),
        Order::Below => format!(
            "{first} and {second}, {quantity}: {second} is higher; the 95 % intervals do not overlap."
        ),
        Order::Overlap => format!(
            "{first} and {second}, {quantity}: the 95 % intervals overlap, so this run cannot tell \
             which is higher."
        ),
    }
}

/// The temperatures at which each is higher, and those at which the run cannot tell.
fn at_temperatures(
    (first_name, second_name): (&str, &str),
    first: &System,
    second: &System,
) -> Option<String> {
    let (mut above, mut below, mut unclear) = (Vec::new(), Vec::new(), Vec::new());
    for (t, a) in conductivities(first) {
        for (_, b) in conductivities(second).iter().filter(|(other, _)| (other - t).abs() < 1e-6) {
            let place = format!("{t:.0} K");
            match (a.and_then(interval_95), b.and_then(interval_95)) {
                (Some(a), Some(b)) if order(a, b) == Order::Above => above.push(place),
                (Some(a), Some(b)) if order(a, b) == Order::Below => below.push(place),
                _ => unclear.push(place),
            }
        }
    }
    let mut parts = Vec::new();
    if !above.is_empty() {
        parts.push(format!("{first_name} is higher at {}", above.join(", ")));
    }
    if !below.is_empty() {
        parts.push(format!("{second_name} is higher at {}", below.join(", ")));
    }
    if !unclear.is_empty() {
        parts.push(format!("this run cannot tell at {}", unclear.join(", ")));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "{first_name} and {second_name}, conductivity at the simulated temperatures: {}.",
            parts.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disjoint_intervals_decide() {
        assert_eq!(order((2.0, 3.0), (0.5, 1.9)), Order::Above);
        assert_eq!(order((0.0, 0.1), (0.5, 1.9)), Order::Below);
        assert_eq!(order((0.0, 0.5), (0.5, 1.9)), Order::Overlap);
    }

    #[test]
    fn overlapping_intervals_are_said_to_leave_the_question_open() {
        let names = ("crystal", "glass");
        let open = sentence(names, "σ", Some((1.0, 3.0)), Some((2.0, 4.0)));
        assert!(open.contains("overlap, so this run cannot tell"), "{open}");
        let decided = sentence(names, "σ", Some((1.0, 1.5)), Some((2.0, 4.0)));
        assert!(decided.contains("glass is higher"), "{decided}");
        let unknown = sentence(names, "σ", None, Some((2.0, 4.0)));
        assert!(unknown.contains("no interval"), "{unknown}");
    }
}
