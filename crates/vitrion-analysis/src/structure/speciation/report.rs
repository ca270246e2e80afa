//! From mean counts to fractions, charges and lifetimes.

use super::{SHIFTS, Speciation};
use crate::samples::Samples;
use crate::structure::bonds;
use vitrion_core::observables::Observables;

/// Units that make up less of the formers than this are left out of the sensitivity scan.
const RARE: f64 = 0.01;

/// A name and the place of its number in the means.
type Place = (String, usize);

/// Names that begin with a word and a colon, by what follows, the most frequent first.
fn places(samples: &Samples, prefix: &str) -> Vec<Place> {
    let mean = samples.mean();
    let mut found: Vec<Place> = samples
        .names()
        .filter_map(|(name, at)| Some((name.strip_prefix(prefix)?.to_owned(), at)))
        .collect();
    found.sort_by(|a, b| mean[b.1].total_cmp(&mean[a.1]).then_with(|| a.0.cmp(&b.0)));
    found
}

fn at(means: &[f64], place: usize) -> f64 {
    means.get(place).copied().unwrap_or(0.0)
}

fn sum(means: &[f64], places: &[Place]) -> f64 {
    places.iter().map(|(_, place)| at(means, *place)).sum()
}

/// Each number over the sum of all.
fn fractions(means: &[f64], places: &[Place]) -> Vec<f64> {
    let all = sum(means, places);
    places.iter().map(|(_, place)| at(means, *place) / all).collect()
}

/// A name as part of a machine name.
pub(in crate::structure) fn machine(name: &str) -> String {
    let plain = name.replace("P–P bond", "direct").replace('–', "_");
    let mut out: String =
        plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    while out.contains("__") {
        out = out.replace("__", "_");
    }
    out.trim_matches('_').to_owned()
}

pub(super) fn report(this: &Speciation, samples: &Samples) -> Observables {
    let settings = &this.settings;
    let mut result = Observables::new(
        "speciation",
        "Structural units",
        "units = connected components of the graph of bonds r_ij < r_cut(i, j) among formers and ligands; \
         fraction of units = N(unit)/N(all units with formers), fraction of formers = formers in units of that \
         kind/all formers; charge = sum of oxidation states - 2 per former-former bond + 2 per \
         ligand-ligand bond; residence time = dt N(unit)/N(left the unit until the next frame) \
         (paper, Fig. 1g)",
    );
    result.parameter("formers", settings.formers.join(", "));
    result.parameter("ligands", settings.ligands.join(", "));
    result.parameter("cutoffs", bonds::described(&settings.cutoffs));
    result.parameter("persistence", format!("{} frames", settings.persistence));
    let units = places(samples, "units:");
    let mean = samples.mean();
    let mut formers = places(samples, "formers:");
    formers.retain(|(_, place)| at(&mean, *place) > 0.0);
    let (with, without): (Vec<Place>, Vec<Place>) =
        units.into_iter().partition(|(name, _)| formers.iter().any(|(known, _)| known == name));
    let estimate = |name: &str, label: String, unit: &'static str| [(name.to_owned(), label, unit)];
    for (list, what, label, title) in [
        (&with, "unit_fraction", "of units that are", "Fraction of units"),
        (&formers, "former_fraction", "of formers in", "Fraction of formers"),
    ] {
        let names: Vec<String> = list.iter().map(|(name, _)| name.clone()).collect();
        let all = samples
            .categories((what, title), ("fraction", ""), names, |means| fractions(means, list));
        result.categories.push(all);
        let labels: Vec<(String, String, &str)> = list
            .iter()
            .map(|(name, _)| {
                (format!("{what}_{}", machine(name)), format!("fraction {label} {name}"), "")
            })
            .collect();
        result.estimates.extend(samples.estimates(&labels, |means| fractions(means, list)));
    }
    for (name, place) in &without {
        let label = format!("{name} units without formers, per frame");
        let one = estimate(&format!("units_{}", machine(name)), label, "");
        result.estimates.extend(samples.estimates(&one, |means| vec![at(means, *place)]));
    }
    coordination(samples, &mut result);
    charges(this, samples, &mut result);
    persistence(samples, &formers, &mut result);
    scan(samples, &formers, &mut result);
    result
}

/// Ligands of formers, bridges of formers (Qⁿ), bonds of ligands.
fn coordination(samples: &Samples, result: &mut Observables) {
    for (prefix, name, label, what) in [
        ("bonds:", "ligands_of_formers", "Ligands of formers", "ligands"),
        ("bridges:", "bridges_of_formers", "Bridging ligands of formers (Qⁿ)", "bridging ligands"),
        ("ligand:", "bonds_of_ligands", "Bonds of ligands", ""),
    ] {
        let mut list = places(samples, prefix);
        list.sort();
        let names = list.iter().map(|(n, _)| format!("{n} {what}").trim().to_owned()).collect();
        let all = samples
            .categories((name, label), ("fraction", ""), names, |means| fractions(means, &list));
        result.categories.push(all);
        if prefix == "bonds:" {
            let one = [("ligands_per_former".to_owned(), "ligands per former".to_owned(), "")];
            result.estimates.extend(samples.estimates(&one, |means| {
                let weighted =
                    |(n, place): &Place| n.parse::<f64>().unwrap_or(f64::NAN) * at(means, *place);
                vec![list.iter().map(weighted).sum::<f64>() / sum(means, &list)]
            }));
        }
    }
}

fn charges(this: &Speciation, samples: &Samples, result: &mut Observables) {
    for (symbol, charge) in this.table.symbols().iter().zip(&this.charges) {
        let text = charge.map_or("unknown, counted as 0".to_owned(), |q| format!("{q:+}"));
        result.parameter(&format!("oxidation state of {symbol}"), text);
    }
    let all = places(samples, "formers:");
    let one = [(
        "charge_per_former".to_owned(),
        "charge of the cell from oxidation states, per former".to_owned(),
        "e",
    )];
    let found = samples.estimates(&one, |means| vec![means[0] / sum(means, &all)]);
    let off = found.first().is_some_and(|estimate| estimate.value.abs() > 0.05);
    result.estimates.extend(found);
    for (name, place) in places(samples, "charge:") {
        let units = places(samples, "units:");
        let Some((_, count)) = units.into_iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let one = [(format!("charge_{}", machine(&name)), format!("charge of {name}"), "e")];
        let found = samples.estimates(&one, |means| vec![at(means, place) / at(means, count)]);
        result.estimates.extend(found);
    }
    if off {
        result.caution(
            "charges_do_not_balance",
            "the charges of units and cations do not add up to zero: some units are radicals, fragments or \
             wrongly cut, or the composition itself is not neutral"
                .to_owned(),
            "look at the units without a usual name, and at the sensitivity to the cut-offs",
        );
    }
}

fn persistence(samples: &Samples, formers: &[Place], result: &mut Observables) {
    let from = places(samples, "from:");
    if from.is_empty() {
        return;
    }
    let left = places(samples, "left:");
    let one = [(
        "changed_fraction".to_owned(),
        "fraction of formers in another unit one frame later".to_owned(),
        "",
    )];
    let found = samples.estimates(&one, |means| vec![sum(means, &left) / sum(means, &from)]);
    result.estimates.extend(found);
    let settled = places(samples, "settled:");
    let one = [(
        "settled_fraction".to_owned(),
        "fraction of formers whose unit is settled".to_owned(),
        "",
    )];
    let found = samples.estimates(&one, |means| vec![sum(means, &settled) / sum(means, formers)]);
    result.estimates.extend(found);
    let named = |name: &str| samples.names().find(|(known, _)| *known == name).map(|(_, at)| at);
    let clock = named("time between frames").zip(named("pairs of frames"));
    for (name, gone) in &left {
        let Some((_, stayed)) = from.iter().find(|(known, _)| known == name) else { continue };
        let (unit, ending) = if clock.is_some() { ("ps", "_ps") } else { ("frames", "_frames") };
        let one = [(
            format!("residence_{}{ending}", machine(name)),
            format!("residence time of formers in {name}"),
            unit,
        )];
        result.estimates.extend(samples.estimates(&one, |means| {
            let interval =
                clock.map_or(1.0, |(time, pairs)| 1e-3 * at(means, time) / at(means, pairs));
            vec![interval * at(means, *stayed) / at(means, *gone)]
        }));
    }
}

/// Fractions of formers against a shift of all cut-offs.
fn scan(samples: &Samples, formers: &[Place], result: &mut Observables) {
    let lists: Vec<Vec<Place>> =
        (0..SHIFTS.len()).map(|k| places(samples, &format!("shift {k}:"))).collect();
    let share = fractions(&samples.mean(), formers);
    let mut widest: (f64, String) = (0.0, String::new());
    for ((name, _), share) in formers.iter().zip(share) {
        if share < RARE {
            continue;
        }
        let curve = samples.curve(
            (&format!("sensitivity_{}", machine(name)), name),
            (("shift of all cut-offs", "Å"), SHIFTS.to_vec()),
            ("fraction of formers", ""),
            |means| {
                let of = |list: &Vec<Place>| {
                    let own = list.iter().find(|(known, _)| known == name);
                    own.map_or(0.0, |(_, place)| at(means, *place)) / sum(means, list)
                };
                lists.iter().map(of).collect()
            },
        );
        let spread = curve.y.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - curve.y.iter().copied().fold(f64::INFINITY, f64::min);
        if spread > widest.0 {
            widest = (spread, name.clone());
        }
        result.curves.push(curve);
    }
    if widest.0 > 0.1 {
        result.caution(
            "sensitive_to_cutoffs",
            format!(
                "the fraction of {} changes by {:.2} when all cut-offs move by 0.2 Å either way",
                widest.1, widest.0
            ),
            "quote fractions with this spread; inherent (minimised) structures depend less on cut-offs",
        );
    }
}
