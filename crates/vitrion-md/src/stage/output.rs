//! Files that grow and are cut back to a checkpoint, and the thermo table, which is one.

use crate::engine::Record;
use crate::error::MdError;
use crate::settings::Bath;
use crate::summary::Sample;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use vitrion_core::math;
use vitrion_core::units::{AMU_PER_A3_IN_G_PER_CM3, BOLTZMANN, EV_PER_A3_IN_GPA};

const THERMO_HEADER: &str = "step,time_ps,temperature_k,pressure_gpa,volume_a3,density_g_per_cm3,\
                             potential_energy_ev,kinetic_energy_ev,total_energy_ev,conserved_ev,\
                             pressure_xx_gpa,pressure_yy_gpa,pressure_zz_gpa,pressure_yz_gpa,\
                             pressure_xz_gpa,pressure_xy_gpa,a_a,b_a,c_a,alpha_deg,beta_deg,gamma_deg";

/// A file that grows, with its length known.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) path: PathBuf,
    file: File,
    pub(super) bytes: u64,
}

impl Growing {
    /// Opens the file and cuts it to `bytes`; with 0 bytes it may not exist yet.
    pub(super) fn open(path: PathBuf, bytes: u64) -> Result<Self, MdError> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(bytes == 0)
            .truncate(false)
            .open(&path)
            .map_err(MdError::os(&path, "open"))?;
        let found = file.metadata().map_err(MdError::os(&path, "read"))?.len();
        if found < bytes {
            return Err(MdError::ShortFile { path, found, expected: bytes });
        }
        file.set_len(bytes).map_err(MdError::os(&path, "truncate"))?;
        file.seek(SeekFrom::Start(bytes)).map_err(MdError::os(&path, "seek in"))?;
        Ok(Growing { path, file, bytes })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), MdError> {
        self.file.write_all(bytes).map_err(MdError::os(&self.path, "write"))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Replaces bytes that were written before.
    pub(super) fn replace(&mut self, at: u64, bytes: &[u8]) -> Result<(), MdError> {
        let mut write = || {
            self.file.seek(SeekFrom::Start(at))?;
            self.file.write_all(bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))
        };
        write().map(|_| ()).map_err(MdError::os(&self.path, "write"))
    }

    pub(super) fn sync(&mut self) -> Result<(), MdError> {
        self.file.sync_data().map_err(MdError::os(&self.path, "write"))
    }
}

/// `thermo.csv`; each row is handed to the system at once, so it can be watched.
#[derive(Debug)]
pub(super) struct ThermoFile {
    file: Growing,
    row: String,
}

impl ThermoFile {
    /// One column of temperatures follows for each bath.
    pub(super) fn open(path: PathBuf, bytes: u64, baths: &[Bath]) -> Result<Self, MdError> {
        let mut file = Growing::open(path, bytes)?;
        if bytes == 0 {
            let mut header = THERMO_HEADER.to_owned();
            for bath in baths {
                write!(header, ",temperature_{}_k", bath.name)
                    .expect("writing to a string cannot fail");
            }
            header.push('\n');
            file.append(header.as_bytes())?;
        }
        Ok(ThermoFile { file, row: String::new() })
    }

    /// `baths` are the degrees of freedom of each.
    pub(super) fn write(
        &mut self,
        step: u64,
        time: f64,
        sample: &Sample,
        record: &Record,
        baths: &[f64],
    ) -> Result<(), MdError> {
        self.row.clear();
        self.format(step, time, sample, record, baths).expect("writing to a string cannot fail");
        self.file.append(self.row.as_bytes())
    }

    fn format(
        &mut self,
        step: u64,
        time: f64,
        sample: &Sample,
        record: &Record,
        baths: &[f64],
    ) -> std::fmt::Result {
        write!(
            self.row,
            "{step},{:.6},{:.6},{:.8},{:.6},{:.8},{:.10},{:.10},{:.10},{:.10}",
            time * 1e-3,
            sample.temperature,
            sample.pressure * EV_PER_A3_IN_GPA,
            sample.volume,
            sample.density * AMU_PER_A3_IN_G_PER_CM3,
            sample.potential,
            sample.kinetic,
            sample.potential + sample.kinetic,
            sample.conserved,
        )?;
        let tensor = math::matrix_add(&record.kinetic, &record.virial);
        let to_gpa = EV_PER_A3_IN_GPA / sample.volume;
        for (a, b) in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] {
            write!(self.row, ",{:.8}", 0.5 * (tensor[a][b] + tensor[b][a]) * to_gpa)?;
        }
        for length in record.cell.lengths() {
            write!(self.row, ",{length:.7}")?;
        }
        for angle in record.cell.angles() {
            write!(self.row, ",{angle:.6}")?;
        }
        for (twice_kinetic, dof) in record.baths.iter().zip(baths) {
            write!(self.row, ",{:.6}", twice_kinetic / (dof * BOLTZMANN))?;
        }
        writeln!(self.row)
    }

    /// Brings the file to the disk and returns its length.
    pub(super) fn sync(&mut self) -> Result<u64, MdError> {
        self.file.sync()?;
        Ok(self.file.bytes)
    }
}
