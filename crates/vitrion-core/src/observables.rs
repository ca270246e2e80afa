//! Results with units and uncertainty: what analyses return, what is stored, what the report reads.

use serde::{Deserialize, Serialize};

/// How well a value is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Uncertainty {
    /// One standard error and the effective number of independent samples behind it.
    StandardError { value: f64, n_eff: f64 },
    /// An interval that holds the value with probability `level` (0.95, say).
    Interval { low: f64, high: f64, level: f64 },
    /// The value is an upper bound at this level.
    UpperBound { level: f64 },
    /// No error could be estimated, and why.
    NotEstimated { why: String },
}

/// A number that is never without unit and uncertainty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Machine name with unit suffix, for example "diffusion_cm2_per_s".
    pub name: String,
    /// What people read, for example "Li tracer diffusion coefficient".
    pub label: String,
    /// The value, in `unit`.
    pub value: f64,
    /// How well it is known, in the same unit.
    pub uncertainty: Uncertainty,
    /// For example "cm²/s".
    pub unit: String,
}

/// One axis of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// For example "r".
    pub label: String,
    /// For example "Å"; empty when dimensionless.
    pub unit: String,
}

/// `y(x)` with optional standard errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Machine name, unique within its observables, for example "g_Li_S".
    pub name: String,
    /// Legend text, for example "Li–S".
    pub label: String,
    /// Meaning of `x`.
    pub x_axis: Axis,
    /// Meaning of `y`.
    pub y_axis: Axis,
    /// Abscissae.
    pub x: Vec<f64>,
    /// Ordinates.
    pub y: Vec<f64>,
    /// One standard error of each ordinate, or empty.
    pub y_error: Vec<f64>,
}

/// Values of named categories: fractions of units, say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    /// Machine name, unique within its observables, for example "unit_fraction".
    pub name: String,
    /// What people read, for example "Fraction of units".
    pub label: String,
    /// Meaning of the values.
    pub axis: Axis,
    /// Of every category, for example "PS4".
    pub names: Vec<String>,
    /// One for every name.
    pub values: Vec<f64>,
    /// One standard error of each value, or empty.
    pub errors: Vec<f64>,
}

/// `z(x, y)` on a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Machine name, unique within its observables, for example "van_hove_Li".
    pub name: String,
    /// What people read.
    pub label: String,
    /// Meaning of `x`.
    pub x_axis: Axis,
    /// Meaning of `y`.
    pub y_axis: Axis,
    /// Meaning of `z`.
    pub z_axis: Axis,
    /// Abscissae, rising.
    pub x: Vec<f64>,
    /// Ordinates, rising.
    pub y: Vec<f64>,
    /// `z[i][k]` at `x[i]` and `y[k]`.
    pub z: Vec<Vec<f64>>,
}

/// Doubtful physics or thin statistics that the reader must see next to the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caution {
    /// Short machine name, for example "not_diffusive".
    pub code: String,
    /// What was found, with the numbers.
    pub message: String,
    /// What would help.
    pub advice: String,
}

/// Everything one analysis found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observables {
    /// The analysis, for example "mean_squared_displacement".
    pub kind: String,
    /// Heading in the report.
    pub title: String,
    /// The formula and source in plain text.
    pub formula: String,
    /// Every parameter that was used, defaults included, as `(name, value with unit)`.
    pub parameters: Vec<(String, String)>,
    /// Numbers.
    pub estimates: Vec<Estimate>,
    /// Curves.
    pub curves: Vec<Curve>,
    /// Numbers by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Categories>,
    /// Numbers on grids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<Map>,
    /// What to be careful about.
    pub cautions: Vec<Caution>,
}

impl Observables {
    /// An empty result of a named analysis.
    pub fn new(kind: &str, title: &str, formula: &str) -> Self {
        Observables {
            kind: kind.to_owned(),
            title: title.to_owned(),
            formula: formula.to_owned(),
            ..Observables::default()
        }
    }

    /// The estimate of a name.
    pub fn estimate(&self, name: &str) -> Option<&Estimate> {
        self.estimates.iter().find(|estimate| estimate.name == name)
    }

    /// The curve of a name.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.name == name)
    }

    /// Adds a parameter.
    pub fn parameter(&mut self, name: &str, value: impl std::fmt::Display) {
        self.parameters.push((name.to_owned(), value.to_string()));
    }

    /// Adds a caution.
    pub fn caution(&mut self, code: &str, message: String, advice: &str) {
        self.cautions.push(Caution { code: code.to_owned(), message, advice: advice.to_owned() });
    }
}
