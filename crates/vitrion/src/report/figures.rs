//! The charts of the report, built from analyses and thermo tables.

use super::chart::{Axis, Figure, Paper, RunTag, Runs, Series, Style, Tone, decimate, sparse};
use super::html::escape;
use super::literature;
use super::load::{Results, Run, Stage, System};
use super::number;
use std::fmt::Write as _;
use vitrion_core::observables::{Curve, Observables};
use vitrion_core::units;
use vitrion_core::{Estimate, Uncertainty};

/// Points kept per thermo curve.
const THERMO_POINTS: usize = 500;
/// Points kept per structure or transport curve.
const CURVE_POINTS: usize = 240;

/// Partial g(r) and running coordination, one facet per pair.
pub(super) fn structure(results: &Results) -> Vec<Figure> {
    let mut out = Vec::new();
    for (prefix, id, title) in [
        ("g_", "radial-distribution", "Partial radial distribution g(r)"),
        ("n_", "coordination", "Running coordination n(r)"),
    ] {
        let mut figure = Figure::new(id, title, "pair");
        (figure.runs, figure.paper) = (Some(runs_of(results)), Paper::Compared);
        figure.facets = pairs(results, prefix);
        each_curve(results, "radial_distribution", &mut |(style, tag), run, curve| {
            let Some(name) = curve.name.strip_prefix(prefix) else { return };
            set_axes(&mut figure, curve, false, false);
            let facet = facet_of(&mut figure, &name.replace('_', "–"));
            let keep = sparse(curve.x.len(), CURVE_POINTS, false);
            let series = picked(curve, &keep, label_of(run), (style, Some(tag)), Some(facet));
            let style = Style { band: false, ..series.style };
            figure.series.push(Series { style, low: Vec::new(), high: Vec::new(), ..series });
        });
        out.push(figure);
    }
    out.retain(|figure| !figure.is_empty());
    out
}

/// Mean squared displacements, one facet per element and axis.
pub(super) fn displacement(results: &Results) -> Option<Figure> {
    let mut figure = Figure::new("msd", "Mean squared displacement", "species");
    (figure.runs, figure.paper) = (Some(runs_of(results)), Paper::Compared);
    each_curve(results, "mean_squared_displacement", &mut |(style, tag), run, curve| {
        let Some(name) = curve.name.strip_prefix("msd_") else { return };
        set_axes(&mut figure, curve, true, true);
        let facet = facet_of(&mut figure, &name.replacen('_', ", along ", 1));
        let first = curve.x.iter().position(|x| *x > 0.0).unwrap_or(0);
        let keep: Vec<usize> =
            sparse(curve.x.len() - first, 140, true).iter().map(|index| index + first).collect();
        figure.series.push(picked(curve, &keep, label_of(run), (style, Some(tag)), Some(facet)));
    });
    for facet in 0..figure.facets.len() {
        let guide = slope_one(&figure.series, facet);
        figure.series.extend(guide);
    }
    (!figure.is_empty()).then_some(figure)
}

/// What was accumulated while stages ran: α₂, velocity and current correlations, displacements; one facet
/// per element.
pub(super) fn correlations(results: &Results) -> Vec<Figure> {
    let mut out = Vec::new();
    for (prefix, id, title, log_y) in [
        ("msd_", "running-msd", "Mean squared displacement, accumulated while running", true),
        ("alpha2_", "alpha2", "Non-Gaussian parameter", false),
        ("vacf_", "vacf", "Velocity autocorrelation", false),
        ("charge_", "charge-msd", "Mean squared displacement of charge", true),
        ("current_", "current-acf", "Current autocorrelation", false),
    ] {
        let mut figure = Figure::new(id, title, "element");
        (figure.runs, figure.paper) = (Some(runs_of(results)), Paper::Compared);
        each_curve(results, "time_correlation", &mut |(style, tag), run, curve| {
            let Some(name) = curve.name.strip_prefix(prefix) else { return };
            if prefix == "msd_" && name.contains('_') {
                return; // single axes are in the file
            }
            set_axes(&mut figure, curve, true, log_y);
            let facet = facet_of(&mut figure, &curve.label);
            // zero lag has no place on a logarithmic axis
            let keep: Vec<usize> = (0..curve.x.len()).filter(|k| curve.x[*k] > 0.0).collect();
            figure.series.push(picked(
                curve,
                &keep,
                label_of(run),
                (style, Some(tag)),
                Some(facet),
            ));
        });
        out.push(figure);
    }
    out.retain(|figure| !figure.is_empty());
    out
}

/// Conductivity against inverse temperature with fit, 300 K values and literature.
pub(super) fn conductivity(results: &Results) -> Option<Figure> {
    let mut figure = Figure::new("arrhenius", "Ionic conductivity against temperature", "");
    "1000 / T [1/K]".clone_into(&mut figure.x.label);
    figure.y = Axis { label: "σ [S/cm]".to_owned(), log: true };
    figure.reciprocal = true;
    figure.runs = Some(runs_of(results));
    for (index, system) in results.systems.iter().enumerate() {
        let color = index;
        let marker = index % 2 + 1;
        let first = figure.series.len();
        fitted(system, color, &mut figure);
        measured(system, color, marker, &mut figure);
        extrapolated(system, color, &mut figure);
        for series in &mut figure.series[first..] {
            series.run = Some(RunTag { system: index, temperature: None });
        }
    }
    if figure.is_empty() {
        return None;
    }
    figure.marks.push((1000.0 / 300.0, "300 K".to_owned()));
    for (index, measurement) in literature::MEASUREMENTS.iter().enumerate() {
        let [low, high] = measurement.conductivity_s_per_cm;
        let spread = high > low;
        figure.series.push(Series {
            label: format!("{}, {}", measurement.material, literature::short_citation(measurement)),
            // every pair of colour and shape once
            style: Style {
                color: 6 - index / 2 % 5,
                marker: if index % 2 == 0 { 4 } else { 3 },
                ..Style::default()
            },
            x: vec![1000.0 / measurement.temperature_k],
            y: vec![literature::central(measurement)],
            low: if spread { vec![low] } else { Vec::new() },
            high: if spread { vec![high] } else { Vec::new() },
            note: measurement.citation.to_owned(),
            ..Series::default()
        });
    }
    Some(figure)
}

/// Conductivity at 300 K, extrapolated, and at every temperature against the crystal fraction of the systems (paper, Fig. S10);
/// none with fewer than two systems whose fraction is known.
pub(super) fn crystal_fraction(results: &Results) -> Option<Figure> {
    let mut figure = Figure::new("crystal-fraction", "Conductivity against crystal fraction", "");
    figure.x = Axis { label: "crystal fraction".to_owned(), log: false };
    figure.y = Axis { label: "σ [S/cm]".to_owned(), log: true };
    figure.runs = Some(runs_of(results));
    let temperatures = results.temperatures();
    let mut systems = 0;
    for (index, system) in results.systems.iter().enumerate() {
        let Some(part) = system.entry.crystal_fraction else { continue };
        let before = figure.series.len();
        let mut add = |label: String, estimate: &Estimate, tag: RunTag| {
            let (low, high) =
                number::interval_95(estimate).unwrap_or((estimate.value, estimate.value));
            let color = tag.temperature.map_or(6, |temperature| temperature);
            figure.series.push(Series {
                label,
                run: Some(tag),
                style: Style { color, marker: index % 4 + 1, ..Style::default() },
                x: vec![part],
                y: vec![estimate.value * 1e-3],
                low: vec![low * 1e-3],
                high: vec![high * 1e-3],
                bound: matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }),
                note: system.entry.name.clone(),
                ..Series::default()
            });
        };
        if let Some(room) = system.analysis("arrhenius").and_then(room_conductivity) {
            let label = format!("{}, 300 K, extrapolated", system.entry.name);
            add(label, room, RunTag { system: index, temperature: None });
        }
        for run in &system.runs {
            if let Some(estimate) = measured_conductivity(run) {
                add(label_of(run), estimate, tag_of(index, run, &temperatures));
            }
        }
        systems += usize::from(figure.series.len() > before);
    }
    "Bars: 95 % intervals. Arrows down: upper bounds. At 300 K nothing was simulated: those values are extrapolated. Fractions are \
     those of the atoms labelled crystal at the start, or as the run file says."
        .clone_into(&mut figure.caption);
    (systems > 1).then_some(figure)
}

/// Temperature, pressure, energy, conserved quantity (and density where it may change).
pub(super) fn thermo(results: &Results) -> Vec<Figure> {
    let mut out = Vec::new();
    let free = results
        .systems
        .iter()
        .flat_map(|system| &system.runs)
        .flat_map(|run| &run.stages)
        .any(|stage| stage.entry.kind.contains("npt"));
    for (id, column, title, label) in [
        ("temperature", "temperature_k", "Temperature", "T [K]"),
        ("pressure", "pressure_gpa", "Pressure", "P [GPa]"),
        ("energy", "potential_energy_ev", "Potential energy", "E − E(first) [meV/atom]"),
        ("conserved", "conserved_ev", "Conserved quantity", "drift [meV/atom]"),
        ("density", "density_g_per_cm3", "Density", "ρ [g/cm³]"),
    ] {
        if id == "density" && !free {
            continue;
        }
        let mut figure = Figure::new(&format!("thermo-{id}"), title, "stage");
        "time [ps]".clone_into(&mut figure.x.label);
        label.clone_into(&mut figure.y.label);
        figure.paper = Paper::First;
        for system in &results.systems {
            for run in &system.runs {
                for stage in &run.stages {
                    let relative = column.ends_with("_ev").then_some(system.entry.atoms);
                    let facet = format!("{} · {}", run.entry.id, stage.entry.name);
                    let facet = facet_of(&mut figure, &facet);
                    figure.series.extend(thermo_curve(stage, column, relative, facet, title));
                }
            }
        }
        if !figure.is_empty() {
            out.push(figure);
        }
    }
    out
}

/// The text under the Arrhenius figure, as HTML.
pub(super) fn literature_caption() -> String {
    let mut out = format!(
        "Bars: 95 % intervals. Filled band: 95 % interval of the fit. Arrows down: upper bounds. Diamonds at 300 K: \
         extrapolated values with their interval; nothing was simulated there. {}<ul>",
        escape(literature::CAVEAT)
    );
    for m in &literature::MEASUREMENTS {
        let [low, high] = m.conductivity_s_per_cm;
        let value = if high > low {
            format!("{} to {}", round_number(low), round_number(high))
        } else {
            round_number(low)
        };
        let energy = m.activation_energy_ev.map_or_else(String::new, |[low, high]| {
            if high > low { format!(", Ea {low} to {high} eV") } else { format!(", Ea {low} eV") }
        });
        let _ = write!(
            out,
            "<li>{}: {value} S/cm at {:.0} K{energy}. {}, doi:{}</li>",
            escape(m.material),
            m.temperature_k,
            escape(m.citation),
            escape(m.doi)
        );
    }
    out.push_str("</ul>");
    out
}

/// A remembered value with no more digits than it has.
fn round_number(value: f64) -> String {
    let mantissa = value / 10f64.powf(value.log10().floor());
    number::plain_or_power(value, if (mantissa - mantissa.round()).abs() < 1e-9 { 1 } else { 2 })
}

/// The pairs of all g(r) or n(r) curves, unlike elements first.
fn pairs(results: &Results, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    each_curve(results, "radial_distribution", &mut |_, _, curve| {
        if let Some(name) = curve.name.strip_prefix(prefix) {
            let pair = name.replace('_', "–");
            if !names.contains(&pair) {
                names.push(pair);
            }
        }
    });
    names.sort_by_key(|pair| pair.split_once('–').is_some_and(|(a, b)| a == b));
    names
}

/// How the series of a run look, and its tag.
type Looks = (Style, RunTag);

/// What the tags of runs count.
pub(super) fn runs_of(results: &Results) -> Runs {
    Runs {
        systems: results.systems.iter().map(|system| system.entry.name.clone()).collect(),
        temperatures: results.temperatures(),
    }
}

/// The tag of a run of a system.
fn tag_of(system: usize, run: &Run, temperatures: &[f64]) -> RunTag {
    let at = |kelvin: f64| temperatures.iter().position(|known| (known - kelvin).abs() < 1e-6);
    RunTag { system, temperature: run.entry.temperature_k.and_then(at) }
}

/// Calls `visit` for each analysis of each run with the style of the run, the colour its temperature, the dash its system, and
/// its tag.
pub(super) fn each_analysis(results: &Results, visit: &mut dyn FnMut(Looks, &Run, &Observables)) {
    let temperatures = results.temperatures();
    for (dash, system) in results.systems.iter().enumerate() {
        for (index, run) in system.runs.iter().enumerate() {
            let tag = tag_of(dash, run, &temperatures);
            let color = tag.temperature.unwrap_or(index);
            let style = Style { color, dash, line: true, ..Style::default() };
            for observables in &run.analyses {
                visit((style, tag), run, observables);
            }
        }
    }
}

/// Calls `visit` for each curve of the analyses of a kind.
fn each_curve(results: &Results, kind: &str, visit: &mut dyn FnMut(Looks, &Run, &Curve)) {
    each_analysis(results, &mut |looks, run, observables| {
        if observables.kind == kind {
            for curve in &observables.curves {
                visit(looks, run, curve);
            }
        }
    });
}

pub(super) fn label_of(run: &Run) -> String {
    run.entry.id.replace('-', " ")
}

pub(super) fn axis_text(axis: &vitrion_core::observables::Axis) -> String {
    if axis.unit.is_empty() {
        axis.label.clone()
    } else {
        format!("{} [{}]", axis.label, axis.unit)
    }
}

fn set_axes(figure: &mut Figure, curve: &Curve, log_x: bool, log_y: bool) {
    figure.x = Axis { label: axis_text(&curve.x_axis), log: log_x };
    figure.y = Axis { label: axis_text(&curve.y_axis), log: log_y };
}

pub(super) fn facet_of(figure: &mut Figure, name: &str) -> usize {
    figure.facets.iter().position(|known| known == name).unwrap_or_else(|| {
        figure.facets.push(name.to_owned());
        figure.facets.len() - 1
    })
}

pub(super) fn picked(
    curve: &Curve,
    keep: &[usize],
    label: String,
    (style, run): (Style, Option<RunTag>),
    facet: Option<usize>,
) -> Series {
    let count = curve.x.len().min(curve.y.len());
    let keep: Vec<usize> = keep.iter().copied().filter(|index| *index < count).collect();
    let take = |values: &[f64]| keep.iter().filter_map(|i| values.get(*i).copied()).collect();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    if curve.y_error.len() == curve.y.len() && !keep.is_empty() {
        low = keep.iter().map(|i| curve.y[*i] - curve.y_error[*i]).collect();
        high = keep.iter().map(|i| curve.y[*i] + curve.y_error[*i]).collect();
    }
    let band = !low.is_empty();
    Series {
        label,
        facet,
        run,
        style: Style { band, ..style },
        x: take(&curve.x),
        y: take(&curve.y),
        low,
        high,
        ..Series::default()
    }
}

/// A guide of slope one through the last point of the middle curve of a facet.
fn slope_one(series: &[Series], facet: usize) -> Option<Series> {
    let mut ends: Vec<(f64, f64)> = series
        .iter()
        .filter(|s| s.facet == Some(facet))
        .filter_map(|s| Some((*s.x.last()?, *s.y.last()?)))
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (x, y) = *ends.get(ends.len() / 2)?;
    Some(Series {
        label: "slope 1".to_owned(),
        facet: Some(facet),
        style: Style { line: true, dash: 2, tone: Tone::Guide, ..Style::default() },
        x: vec![x / 30.0, x],
        y: vec![y / 30.0, y],
        ..Series::default()
    })
}

/// Conductivities [S/cm] of the runs of one system, from their diffusion analyses.
fn measured(system: &System, color: usize, marker: usize, figure: &mut Figure) {
    let name = &system.entry.name;
    let style = Style { color, marker, ..Style::default() };
    let mut points = Series { label: name.clone(), style, ..Series::default() };
    let mut bounds = Series { label: name.clone(), style, bound: true, ..Series::default() };
    for run in &system.runs {
        let (Some(estimate), Some(t)) = (measured_conductivity(run), run.temperature_k()) else {
            continue;
        };
        let value = estimate.value * 1e-3; // mS to S
        if matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }) {
            bounds.x.push(1000.0 / t);
            bounds.y.push(value);
        } else {
            let (low, high) = number::interval_95(estimate)
                .map_or((value, value), |(low, high)| (low * 1e-3, high * 1e-3));
            points.x.push(1000.0 / t);
            points.y.push(value);
            points.low.push(low);
            points.high.push(high);
        }
    }
    figure.series.extend([points, bounds].into_iter().filter(|series| !series.x.is_empty()));
}

/// Conductivity [mS/cm] of a run.
fn measured_conductivity(run: &Run) -> Option<&Estimate> {
    let mut of = run.analyses.iter().filter(|observables| observables.kind == "diffusion");
    of.find_map(|observables| observables.estimate("conductivity_ms_per_cm"))
}

/// Fit and band of one system, from its Arrhenius analysis.
fn fitted(system: &System, color: usize, figure: &mut Figure) {
    let name = &system.entry.name;
    let Some(arrhenius) = system.analyses.iter().find(|o| {
        o.kind == "arrhenius" && o.curves.iter().any(|curve| conductivity_scale(curve).is_some())
    }) else {
        return;
    };
    let find = |words: &[&str]| {
        arrhenius
            .curves
            .iter()
            .find(|c| conductivity_scale(c).is_some() && words.iter().any(|w| c.name.contains(w)))
    };
    let converted = |curve: &Curve| -> (Vec<f64>, Vec<f64>) {
        let scale = conductivity_scale(curve).unwrap_or(1.0);
        let points = curve.x.iter().zip(&curve.y);
        points.map(|(x, y)| (inverse_temperature(curve, *x), y * scale)).unzip()
    };
    if let (Some(low), Some(high)) = (find(&["low"]), find(&["high"])) {
        let ((mut x, mut low), (_, mut high)) = (converted(low), converted(high));
        let count = low.len().min(high.len());
        for values in [&mut x, &mut low, &mut high] {
            values.truncate(count);
        }
        figure.series.push(Series {
            label: name.clone(),
            note: "fit, 95 % band".to_owned(),
            style: Style { color, band: true, ..Style::default() },
            y: low.iter().zip(&high).map(|(a, b)| (a * b).sqrt()).collect(),
            x,
            low,
            high,
            ..Series::default()
        });
    }
    if let Some(fit) = find(&["fit"]) {
        let (x, y) = converted(fit);
        figure.series.push(Series {
            label: name.clone(),
            note: "fit".to_owned(),
            style: Style { color, dash: 1, line: true, ..Style::default() },
            x,
            y,
            ..Series::default()
        });
    }
}

/// The 300 K value of one system, from its Arrhenius analysis.
fn extrapolated(system: &System, color: usize, figure: &mut Figure) {
    let Some(room) = system.analysis("arrhenius").and_then(room_conductivity) else { return };
    let (low, high) = number::interval_95(room).unwrap_or((room.value, room.value));
    figure.series.push(Series {
        label: system.entry.name.clone(),
        note: "extrapolated to 300 K; nothing was simulated there".to_owned(),
        style: Style { color, marker: 3, ..Style::default() },
        x: vec![1000.0 / 300.0],
        y: vec![room.value * 1e-3],
        low: vec![low * 1e-3],
        high: vec![high * 1e-3],
        bound: matches!(room.uncertainty, Uncertainty::UpperBound { .. }),
        ..Series::default()
    });
}

/// The 300 K conductivity [mS/cm] of an Arrhenius analysis.
pub(super) fn room_conductivity(arrhenius: &Observables) -> Option<&vitrion_core::Estimate> {
    arrhenius.estimates.iter().find(|estimate| {
        estimate.name.starts_with("conductivity")
            && estimate.name.contains("300")
            && estimate.unit == "mS/cm"
    })
}

/// Factor from the unit of a conductivity curve to S/cm.
fn conductivity_scale(curve: &Curve) -> Option<f64> {
    match curve.y_axis.unit.as_str() {
        "S/cm" => Some(1.0),
        "mS/cm" => Some(1e-3),
        _ => None,
    }
}

/// 1000/T [1/K] of an abscissa given as T [K], 1/T or 1000/T.
fn inverse_temperature(curve: &Curve, x: f64) -> f64 {
    if curve.x_axis.unit == "K" {
        1000.0 / x
    } else if x < 0.05 {
        1000.0 * x
    } else {
        x
    }
}

fn thermo_curve(
    stage: &Stage,
    column: &str,
    relative: Option<usize>,
    facet: usize,
    title: &str,
) -> Option<Series> {
    let thermo = stage.thermo.as_ref()?;
    let (time, values) = (thermo.column("time_ps")?, thermo.column(column)?);
    let (x, mut y) = decimate(time, values, THERMO_POINTS);
    if let (Some(atoms), Some(first)) = (relative, values.first().copied()) {
        let per_atom = units::express(1.0, units::Kind::Energy, "meV") / atoms.max(1) as f64;
        for value in &mut y {
            *value = (*value - first) * per_atom;
        }
    }
    Some(Series {
        label: title.to_owned(),
        facet: Some(facet),
        style: Style { line: true, ..Style::default() },
        x,
        y,
        ..Series::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::observables;

    fn curve(x: Vec<f64>, y: Vec<f64>, unit: &str) -> Curve {
        let axis = |unit: &str| observables::Axis { label: "q".into(), unit: unit.into() };
        Curve {
            name: "fit".into(),
            label: "fit".into(),
            x_axis: axis(unit),
            y_axis: axis("mS/cm"),
            x,
            y_error: vec![0.1; y.len()],
            y,
        }
    }

    #[test]
    fn a_curve_with_fewer_ordinates_than_abscissae_is_drawn_as_far_as_it_goes() {
        let short = curve(vec![1.0, 2.0, 3.0], vec![4.0, 5.0], "ps");
        let series = picked(&short, &[0, 1, 2], "s".into(), (Style::default(), None), None);
        assert_eq!((series.x.len(), series.y.len(), series.low.len()), (2, 2, 2));
    }

    #[test]
    fn temperatures_and_their_inverses_land_on_the_same_axis() {
        for (x, unit) in [(500.0, "K"), (2.0, "1/K"), (0.002, "1/K")] {
            let place = inverse_temperature(&curve(vec![x], vec![1.0], unit), x);
            assert!((place - 2.0).abs() < 1e-12, "{x} {unit} became {place}");
        }
    }
}
