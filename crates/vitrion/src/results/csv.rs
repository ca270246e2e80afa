//! Observables as comma-separated values, for spreadsheets and scripts.
//!
//! The numbers of an analysis are one table, `NAME.estimates.csv`. Its curves are one table for
//! each set of abscissae they share: `NAME.r.csv`, `NAME.q.csv`. A grid is a table with a row for every abscissa. What is sorted by names is a table of its
//! own, `NAME.unit_fraction.csv`. Lines that begin with `#` say
//! what a column is and in which unit; a column `…_error` holds standard errors.

use std::fmt::Write as _;
use vitrion_core::Uncertainty;
use vitrion_core::observables::{Axis, Categories, Curve, Estimate, Map, Observables};

/// Tables of an analysis as (ending of the file name, text).
pub fn tables(observables: &Observables) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    if !observables.estimates.is_empty() {
        out.push(("estimates.csv".to_owned(), estimates(&observables.estimates)));
    }
    let mut groups: Vec<Vec<&Curve>> = Vec::new();
    for curve in &observables.curves {
        let shared = |group: &&mut Vec<&Curve>| {
            let first = group[0];
            first.x_axis == curve.x_axis && first.x == curve.x
        };
        match groups.iter_mut().find(shared) {
            Some(group) => group.push(curve),
            None => groups.push(vec![curve]),
        }
    }
    for group in groups {
        let axis = word(&group[0].x_axis.label);
        let mut ending = format!("{axis}.csv");
        let mut copies = 1;
        while out.iter().any(|(known, _)| *known == ending) {
            copies += 1;
            ending = format!("{axis}-{copies}.csv");
        }
        out.push((ending, curves(&group)));
    }
    for map in &observables.maps {
        out.push((format!("{}.csv", word(&map.name)), map_table(map)));
    }
    for categories in &observables.categories {
        out.push((format!("{}.csv", word(&categories.name)), categories_table(categories)));
    }
    out
}

/// A row for every abscissa, a column for every ordinate.
fn map_table(map: &Map) -> String {
    let (x, y) = (described(&map.x_axis), described(&map.y_axis));
    let mut text = format!(
        "# {}: {}; rows: {x}, columns: {y}\n{}",
        map.label,
        described(&map.z_axis),
        quoted(&map.x_axis.label)
    );
    for y in &map.y {
        write!(text, ",{y}").expect("writing to a string cannot fail");
    }
    text.push('\n');
    for (x, row) in map.x.iter().zip(&map.z) {
        write!(text, "{x}").expect("writing to a string cannot fail");
        for z in row {
            write!(text, ",{z}").expect("writing to a string cannot fail");
        }
        text.push('\n');
    }
    text
}

fn categories_table(categories: &Categories) -> String {
    let mut text = format!(
        "# {}: {}\nname,{},{}_error\n",
        categories.label,
        described(&categories.axis),
        quoted(&categories.name),
        quoted(&categories.name)
    );
    for (row, (name, value)) in categories.names.iter().zip(&categories.values).enumerate() {
        let error = categories.errors.get(row).map_or(String::new(), f64::to_string);
        writeln!(text, "{},{value},{error}", quoted(name))
            .expect("writing to a string cannot fail");
    }
    text
}

fn described(axis: &Axis) -> String {
    if axis.unit.is_empty() {
        axis.label.clone()
    } else {
        format!("{} [{}]", axis.label, axis.unit)
    }
}

/// With so many samples Student's distribution is the normal one.
const NORMAL: f64 = 1e6;

fn estimates(estimates: &[Estimate]) -> String {
    let mut text = "name,value,standard_error,low,high,level,unit,label,uncertainty\n".to_owned();
    for estimate in estimates {
        let mut known = [String::new(), String::new(), String::new(), String::new()];
        let mut remark = String::new();
        match &estimate.uncertainty {
            Uncertainty::StandardError { value, n_eff } => {
                known[0] = value.to_string();
                remark = if *n_eff < NORMAL {
                    format!("standard error from {} samples", (10.0 * n_eff).round() / 10.0)
                } else {
                    "standard error of a normal distribution".to_owned()
                };
            }
            Uncertainty::Interval { low, high, level } => {
                known[1] = low.to_string();
                known[2] = high.to_string();
                known[3] = level.to_string();
            }
            Uncertainty::UpperBound { level } => {
                known[2] = estimate.value.to_string();
                known[3] = level.to_string();
                "the value is an upper bound".clone_into(&mut remark);
            }
            Uncertainty::NotEstimated { why } => remark.clone_from(why),
        }
        let Estimate { name, value, unit, label, .. } = estimate;
        let [error, low, high, level] = known;
        writeln!(
            text,
            "{},{value},{error},{low},{high},{level},{},{},{}",
            quoted(name),
            quoted(unit),
            quoted(label),
            quoted(&remark)
        )
        .expect("writing to a string cannot fail");
    }
    text
}

fn curves(group: &[&Curve]) -> String {
    let x_axis = &group[0].x_axis;
    let x_name = word(&x_axis.label);
    let mut text = format!("# {x_name}: {}\n", described(x_axis));
    let mut head = x_name;
    for curve in group {
        writeln!(text, "# {}: {}, {}", curve.name, curve.label, described(&curve.y_axis))
            .expect("writing to a string cannot fail");
        write!(head, ",{}", quoted(&curve.name)).expect("writing to a string cannot fail");
        if !curve.y_error.is_empty() {
            write!(head, ",{}", quoted(&format!("{}_error", curve.name)))
                .expect("writing to a string cannot fail");
        }
    }
    text.push_str(&head);
    text.push('\n');
    for (row, x) in group[0].x.iter().enumerate() {
        // the last digits of a multiple of a bin width are rounding
        let x: f64 = format!("{x:.11e}").parse().expect("it was just written");
        write!(text, "{x}").expect("writing to a string cannot fail");
        for curve in group {
            let columns = [&curve.y, &curve.y_error];
            for column in columns.into_iter().filter(|column| !column.is_empty()) {
                match column.get(row).filter(|value| value.is_finite()) {
                    Some(value) => write!(text, ",{value}"),
                    None => write!(text, ","),
                }
                .expect("writing to a string cannot fail");
            }
        }
        text.push('\n');
    }
    text
}

/// A label as part of file names and as the head of a column.
fn word(label: &str) -> String {
    let plain: String = label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let plain = plain.trim_matches('_');
    if plain.is_empty() { "x".to_owned() } else { plain.to_owned() }
}

/// A cell, in quotes where it must be (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, x: &[f64], y: &[f64], y_error: &[f64]) -> Curve {
        let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
        Curve {
            name: name.into(),
            label: "Li–S".into(),
            x_axis: axis("r", "Å"),
            y_axis: axis("g(r)", ""),
            x: x.to_vec(),
            y: y.to_vec(),
            y_error: y_error.to_vec(),
        }
    }

    #[test]
    fn curves_with_the_same_abscissae_share_a_table() {
        let mut all = Observables::new("radial_distribution", "", "");
        all.curves.push(curve("g_a", &[0.5, 1.5], &[0.0, f64::NAN], &[0.1, 0.2]));
        all.curves.push(curve("g_b", &[0.5, 1.5], &[1.0, 2.0], &[]));
        all.curves.push(curve("n_a", &[1.0, 2.0], &[3.0, 4.0], &[]));
        let tables = tables(&all);
        assert_eq!(tables[0].0, "r.csv");
        assert_eq!(
            tables[0].1,
            "# r: r [Å]\n# g_a: Li–S, g(r)\n# g_b: Li–S, g(r)\n\
             r,g_a,g_a_error,g_b\n0.5,0,0.1,1\n1.5,,0.2,2\n"
        );
        assert_eq!(tables[1].0, "r-2.csv");
    }

    #[test]
    fn numbers_come_with_what_is_known_of_their_errors() {
        let estimate = |uncertainty| Estimate {
            name: "d".into(),
            label: "D, of \"Li\"".into(),
            value: 2.5,
            uncertainty,
            unit: "Å".into(),
        };
        let mut all = Observables::new("diffusion", "", "");
        all.estimates.push(estimate(Uncertainty::StandardError { value: 0.5, n_eff: 8.0 }));
        all.estimates.push(estimate(Uncertainty::UpperBound { level: 0.95 }));
        assert_eq!(
            tables(&all)[0].1,
            "name,value,standard_error,low,high,level,unit,label,uncertainty\n\
             d,2.5,0.5,,,,Å,\"D, of \"\"Li\"\"\",standard error from 8 samples\n\
             d,2.5,,,2.5,0.95,Å,\"D, of \"\"Li\"\"\",the value is an upper bound\n"
        );
    }
}
