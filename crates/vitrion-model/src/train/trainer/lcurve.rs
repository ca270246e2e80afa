//! `lcurve.out` with the columns of DeePMD-kit's.
//!
//! `step rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn [rmse_v_val rmse_v_trn] lr`;
//! energies and virials per atom [eV], forces per component [eV/Å]. `rmse` is the root of the
//! squares of all terms together, each mean taken on its own. Training errors are those of all batches since
//! the line before.

use super::super::loss::Squares;
use super::TrainError;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// One line.
pub(super) struct Line {
    pub step: u64,
    pub training: Squares,
    pub validation: Option<Squares>,
    pub rate: f64,
}

/// The open file.
pub(super) struct LearningCurve {
    path: PathBuf,
    file: File,
    bytes: u64,
    virial: bool,
}

impl LearningCurve {
    /// A new file, or the first `bytes` of the one of a run that goes on.
    pub(super) fn open(folder: &Path, bytes: u64, virial: bool) -> Result<Self, TrainError> {
        let path = folder.join("lcurve.out");
        let failed = |source| TrainError::Os { path: path.clone(), doing: "opening", source };
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let mut file = options.map_err(failed)?;
        file.set_len(bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(bytes)).map_err(failed)?;
        let mut curve = LearningCurve { path, file, bytes, virial };
        if bytes == 0 {
            let mut header = format!(
                "#{:>9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}",
                "step",
                "rmse_val",
                "rmse_trn",
                "rmse_e_val",
                "rmse_e_trn",
                "rmse_f_val",
                "rmse_f_trn"
            );
            if virial {
                let _ = write!(header, " {:>11} {:>11}", "rmse_v_val", "rmse_v_trn");
            }
            let _ = writeln!(header, " {:>9}", "lr");
            curve.append(&header)?;
        }
        Ok(curve)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn write(&mut self, line: &Line) -> Result<(), TrainError> {
        let number = |x: Option<f64>| format!(" {:>11}", scientific(x.unwrap_or(f64::NAN)));
        let total = |squares: &Squares| {
            let parts = [squares.energy, squares.force, squares.virial];
            let sum = parts.iter().filter_map(|s| s.root_mean()).map(|r| r * r).sum::<f64>();
            Some(sum.sqrt())
        };
        let validation = line.validation.as_ref();
        let mut text = format!("{:>10}", line.step);
        text.push_str(&number(validation.and_then(total)));
        text.push_str(&number(total(&line.training)));
        let mut pair = |of: &dyn Fn(&Squares) -> Option<f64>| {
            text.push_str(&number(validation.and_then(of)));
            text.push_str(&number(of(&line.training)));
        };
        pair(&|s| s.energy.root_mean());
        pair(&|s| s.force.root_mean());
        if self.virial {
            pair(&|s| s.virial.root_mean());
        }
        let _ = writeln!(text, " {:>9}", scientific_short(line.rate));
        self.append(&text)
    }

    fn append(&mut self, text: &str) -> Result<(), TrainError> {
        self.file.write_all(text.as_bytes()).map_err(|source| TrainError::Os {
            path: self.path.clone(),
            doing: "writing",
            source,
        })?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}

/// `1.23e-04` as C prints it, so that every reader of such files understands it.
fn scientific(x: f64) -> String {
    c_exponent(&format!("{x:.4e}"))
}

fn scientific_short(x: f64) -> String {
    c_exponent(&format!("{x:.1e}"))
}

fn c_exponent(text: &str) -> String {
    match text.split_once('e') {
        None => text.replace("NaN", "nan"),
        Some((mantissa, exponent)) => {
            let value: i32 = exponent.parse().expect("an exponent of our own");
            let sign = if value < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", value.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_c_prints_them() {
        assert_eq!(scientific(0.000_123_456), "1.2346e-04");
        assert_eq!(scientific_short(12.0), "1.2e+01");
        assert_eq!(scientific(f64::NAN), "nan");
    }
}
