//! Which ions will move, from structure alone: "softness".
//!
//! Features of every ion (`features`) and how far it gets in a window of time (`mobility`) make a dataset (`dataset`); a linear classifier (`classifier`) is trained and tested on it (`training`,
//! `scores`) and becomes a model (`model`) for any other structure (`analysis`).

pub mod analysis;
pub mod classifier;
pub mod dataset;
pub mod features;
pub mod mobility;
pub mod model;
pub mod report;
pub mod scores;
pub mod training;

pub use analysis::{Softness, SoftnessSettings};
pub use classifier::{
    ClassifierSettings, Fit, FitError, Loss, Penalty, Plane, Standardizer, Table,
};
pub use dataset::{Dataset, Label, Row, Sample};
pub use features::{Angular, FeatureSettings, Shape};
pub use mobility::{Mobility, MobilitySettings, Norm, Snapshot, Window, WindowReader, Windows};
pub use model::SoftnessModel;
pub use report::{Findings, SampleStatistics};
pub use scores::{Scores, pearson, probability, spearman};
pub use training::{
    FoldError, ScanSettings, Scans, Scored, Threshold, Trained, TrainingSettings, train,
};
