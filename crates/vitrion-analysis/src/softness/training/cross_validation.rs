//! Planes that are tested on ions they have not seen.

use crate::softness::classifier::{ClassifierSettings, Fit, FitError, Plane, Table};
use crate::softness::dataset::Dataset;
use crate::softness::scores::Scores;
use vitrion_core::rng::{self, Stream};

/// Why there are no scores.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    #[error("no ion to train with; at least one sample must have train = true")]
    NoRows,
    #[error("{ions} ions cannot be dealt to {folds} folds; give more ions or fewer folds")]
    TooFew { ions: usize, folds: usize },
    #[error(
        "all ions are of one class; choose a threshold between the smallest and the largest mobility"
    )]
    OneClass,
    #[error(transparent)]
    Fit(#[from] FitError),
    #[error(transparent)]
    Features(#[from] crate::error::AnalysisError),
}

/// Makes a plane of training rows, from the plane of the fold before.
pub(super) type Train<'a> = &'a mut dyn FnMut(&[u32], Option<&Plane>) -> Result<Plane, FoldError>;

/// Rows with their classes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) table: Table<'a>,
    /// Those that are dealt to folds.
    pub(super) rows: &'a [u32],
    /// By row of the table.
    pub(super) mobile: &'a [bool],
    /// Rows that train and are counted.
    pub(super) used: &'a [bool],
}

/// Fold of every row of the data: ions of each sample are shuffled and dealt in turn.
pub(super) fn deal(
    data: &Dataset,
    rows: &[u32],
    folds: usize,
    seed: u64,
) -> Result<Vec<u8>, FoldError> {
    let mut groups: Vec<(u32, u64, u32)> = Vec::new();
    for row in rows {
        let row = &data.rows[*row as usize];
        let order = rng::at(seed, Stream::Bootstrap, 0, u64::from(row.group)).bits();
        groups.push((row.sample, order, row.group));
    }
    groups.sort_unstable();
    groups.dedup();
    if groups.len() < 2 * folds || folds < 2 {
        return Err(FoldError::TooFew { ions: groups.len(), folds });
    }
    let mut of_group = vec![0_u8; data.groups()];
    for (place, (_, _, group)) in groups.iter().enumerate() {
        of_group[*group as usize] = (place % folds) as u8;
    }
    Ok(data.rows.iter().map(|row| of_group[row.group as usize]).collect())
}

impl Problem<'_> {
    /// Softness of every row by the plane of the folds without it; NaN for others.
    pub(super) fn held_out(
        &self,
        folds: &[u8],
        count: usize,
        plane: Train<'_>,
    ) -> Result<Vec<f64>, FoldError> {
        let mut found = vec![f64::NAN; self.mobile.len()];
        let mut before: Option<Plane> = None;
        for fold in 0..count {
            let inside = |row: &u32| usize::from(folds[*row as usize]) == fold;
            let training: Vec<u32> = self
                .rows
                .iter()
                .copied()
                .filter(|row| !inside(row) && self.used[*row as usize])
                .collect();
            let plane = plane(&training, before.as_ref())?;
            for row in self.rows.iter().filter(|row| inside(row)) {
                found[*row as usize] = plane.softness(self.table.row(*row as usize));
            }
            before = Some(plane);
        }
        Ok(found)
    }

    /// By one classifier.
    pub(super) fn by(
        &self,
        folds: &[u8],
        count: usize,
        classifier: &ClassifierSettings,
    ) -> Result<Vec<f64>, FoldError> {
        self.held_out(folds, count, &mut |rows, start| {
            Ok(Fit::new(self.table, rows, self.mobile, classifier, start)?.plane)
        })
    }

    /// Scores of the rows that count.
    pub(super) fn scores(&self, softness: &[f64]) -> Option<Scores> {
        let rows = || self.rows.iter().map(|row| *row as usize).filter(|row| self.used[*row]);
        let s: Vec<f64> = rows().map(|row| softness[row]).collect();
        let m: Vec<bool> = rows().map(|row| self.mobile[row]).collect();
        Scores::of(&s, &m)
    }

    /// Area under the curve of the rows that count.
    pub(super) fn auc(&self, softness: &[f64]) -> Option<f64> {
        self.scores(softness).map(|scores| scores.auc)
    }
}
