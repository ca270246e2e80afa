//! What the paper leaves open, and what was used instead: "Disorder-induced enhancement of lithium-ion transport in
//! solid-state electrolytes", Methods. A reader who wants to repeat the work needs all of these.

use super::html::{details, escape, table};
use super::load::Results;
use std::collections::BTreeMap;

/// More different values than this of one parameter are in the table of all parameters only.
const MOST: usize = 4;

/// A question that the Methods do not answer.
struct Question {
    topic: &'static str,
    /// What is not stated.
    open: &'static str,
    /// Kind of the analysis that had to answer it; empty for the dynamics.
    kind: &'static str,
    /// Its parameters, or keys of the stages in `plan.toml`, that say how.
    answers: &'static [&'static str],
}

const QUESTIONS: [Question; 19] = [
    Question {
        topic: "Thermostat and barostat",
        open: "time constants and chain length of Nosé–Hoover; how the cell may change under pressure",
        kind: "",
        answers: &[
            "thermostat",
            "thermostat_period_fs",
            "thermostat_chain",
            "barostat",
            "barostat_period_fs",
            "coupling",
        ],
    },
    Question {
        topic: "Production runs",
        open: "ensemble, length and sampling of the runs that transport is from",
        kind: "",
        answers: &["kind", "timestep_fs", "steps", "trajectory_every"],
    },
    Question {
        topic: "Radial distribution, eqs. 1 and 2",
        open: "bin width and largest distance",
        kind: "radial_distribution",
        answers: &["r_max", "dr"],
    },
    Question {
        topic: "Structure factor, eqs. 3 to 5",
        open: "upper limit of the integral, window, resolution; isotopes; normalisation",
        kind: "structure_factor",
        answers: &["transform", "window", "instrument", "neutron lengths", "X-ray form factors"],
    },
    Question {
        topic: "Bond angles",
        open: "distances that make a bond",
        kind: "bond_angles",
        answers: &["cutoffs", "bin"],
    },
    Question {
        topic: "Thiophosphate units, Fig. 1g",
        open: "distances that make a bond; whether units or phosphorus atoms are counted",
        kind: "speciation",
        answers: &["cutoffs", "persistence"],
    },
    Question {
        topic: "Amorphisation F(Z), eq. 6",
        open: "grid, width of the Gaussians, thickness of slabs, amplitude or intensity",
        kind: "amorphization",
        answers: &["axis", "elements", "sigma", "spacing", "thickness", "overlap"],
    },
    Question {
        topic: "Steinhardt parameters, eqs. 7 to 9",
        open: "which atoms are neighbours, of which species",
        kind: "steinhardt",
        answers: &["l", "neighborhood", "centers", "neighbors"],
    },
    Question {
        topic: "Voronoi volumes, Fig. S4",
        open: "plain or weighted cells",
        kind: "voronoi",
        answers: &["radii"],
    },
    Question {
        topic: "Mean squared displacement, eq. 10",
        open: "time origins, reference frame, longest lag",
        kind: "mean_squared_displacement",
        answers: &["framework", "longest lag", "frame interval", "skipped", "unwrapped by vitrion"],
    },
    Question {
        topic: "Non-Gaussian parameter, eq. 11",
        open: "time origins and error",
        kind: "non_gaussian",
        answers: &["longest lag", "groups of atoms", "framework"],
    },
    Question {
        topic: "Van Hove function, eq. 12",
        open: "bin width, lag times, normalisation",
        kind: "van_hove",
        answers: &["bin", "largest distance"],
    },
    Question {
        topic: "Diffusion, eq. 13",
        open: "window of the fit, its weights, the error",
        kind: "diffusion",
        answers: &["fit window", "choice of the window", "framework", "finite-size correction"],
    },
    Question {
        topic: "Extrapolation to 300 K, eqs. 14 and 15",
        open: "what is fitted (D or σT), with which weights and error; charge and volume",
        kind: "arrhenius",
        answers: &[
            "runs used",
            "temperatures",
            "runs excluded (upper bounds)",
            "level of the intervals",
            "number density at 300 K",
        ],
    },
    Question {
        topic: "Motion by phase, Fig. 3",
        open: "how ions are assigned to crystal, glass and interface, and when they leave",
        kind: "regions",
        answers: &["regions by", "commit time", "groups of atoms"],
    },
    Question {
        topic: "Hops, Fig. 2c",
        open: "what is a hop",
        kind: "hops",
        answers: &["least length of a hop", "commit time", "windows before and after"],
    },
    Question {
        topic: "Softness, eqs. 16 and 17",
        open: "form of the radial functions, structures, window, label",
        kind: "softness",
        answers: &["functions", "trained on structures", "window", "distance from the plane"],
    },
    Question {
        topic: "Softness: what is mobile",
        open: "increment and number of increments of D²min, its neighbours, the threshold",
        kind: "softness_mobility",
        answers: &["label", "interval", "window", "neighbours of D²min", "thresholds"],
    },
    Question {
        topic: "Softness: the classifier",
        open: "penalty, classes, how C was chosen, how it was tested",
        kind: "softness_classifier",
        answers: &["radial functions", "loss and penalty", "classes balanced", "C", "folds"],
    },
];

/// Every question that the runs had to answer, with the answers, as a folded table.
pub(super) fn html(results: &Results) -> String {
    let rows: Vec<Vec<String>> = QUESTIONS
        .iter()
        .filter_map(|question| {
            let answers = answers(results, question);
            (!answers.is_empty())
                .then(|| [question.topic, question.open, &answers.join("; ")].map(escape).to_vec())
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["Topic", "Not stated in the paper", "Used here"].map(str::to_owned);
    let caption = "What the paper on Li3PS4 leaves open, and what was used here";
    details(caption, &table("open-parameters-table", caption, &head, &rows))
}

/// "name: value", different values of one name side by side.
fn answers(results: &Results, question: &Question) -> Vec<String> {
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut note = |name: &str, value: String| {
        if let Some(place) = question.answers.iter().position(|known| *known == name) {
            let values = found.entry(place).or_default();
            if !value.is_empty() && !values.contains(&value) {
                values.push(value);
            }
        }
    };
    if question.kind.is_empty() {
        for plan in results.sources.iter().filter_map(|source| source.plan.as_deref()) {
            let table: toml::Table = plan.parse().unwrap_or_default();
            let stages = table.get("stage").and_then(toml::Value::as_array);
            for (name, value) in
                stages.into_iter().flatten().filter_map(toml::Value::as_table).flatten()
            {
                note(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
        }
    }
    for (_, observables) in results.analyses() {
        if observables.kind == question.kind {
            for (name, value) in &observables.parameters {
                note(name, value.clone());
            }
        }
    }
    let line = |(place, values): (usize, Vec<String>)| {
        let shown = &values[..values.len().min(MOST)];
        let rest = values.len() - shown.len();
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        format!("{}: {}{more}", question.answers[place], shown.join(" | "))
    };
    found.into_iter().filter(|(_, values)| !values.is_empty()).map(line).collect()
}
