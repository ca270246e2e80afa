//! What LAMMPS tells: the row of a step, and the arrays of a frame.

use super::constants;
use super::orientation::Orientation;
use std::ops::RangeInclusive;
use vitrion_core::Cell;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_md::{Barostat, Coupling, Ensemble, Record, StageSettings, Thermostat};

/// `xx yy zz xy xz yz`, the order of LAMMPS.
const TENSOR: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];

/// Which values a row has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    /// The cell changes.
    moving_cell: bool,
    /// Where `fix npt` or `fix nph` with `iso` has its energies in its vector, from 1. LAMMPS holds one degree
    /// of freedom of the cell by the chain of the cell, but counts the energy of three in the sum of all
    /// energies, and of one in its vector: where the sum is more than its parts, as in versions up to 4 Jul
    /// 2026, the difference is taken out of the conserved quantity.
    piston: Option<RangeInclusive<usize>>,
    frozen: bool,
    baths: usize,
}

/// A row, in the units and axes of vitrion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) step: u64,
    pub(super) record: Record,
    /// Corner of the box, in LAMMPS [Å].
    pub(super) corner: Vector3,
    /// Largest component of a velocity [Å/fs].
    pub(super) fastest: f64,
    /// Searches of the neighbour list in this session.
    pub(super) builds: u64,
}

impl Columns {
    /// What a frame holds of every atom.
    pub(super) const FRAME: &'static str = "id xu yu zu vx vy vz fx fy fz";

    pub(super) fn of(settings: &StageSettings) -> Self {
        Columns {
            moving_cell: settings.ensemble.barostat().is_some() || settings.strain_rate.is_some(),
            piston: isotropic_piston(settings),
            frozen: !settings.frozen.is_empty(),
            baths: settings.baths.len(),
        }
    }

    /// The keywords of `thermo_style custom`.
    pub(super) fn keywords(&self) -> String {
        let mut words = vec!["step pe econserve nbuild".to_owned()];
        let vector = |name: &str, length: usize| {
            (1..=length).map(|k| format!("c_{name}[{k}]")).collect::<Vec<_>>().join(" ")
        };
        words.push(vector("fastest", 3));
        words.push(vector("virial", 6));
        words.push(vector("kinetic", 6));
        if self.moving_cell {
            words.push("xlo ylo zlo lx ly lz xy xz yz".to_owned());
        }
        if let Some(parts) = &self.piston {
            words.push("f_move".to_owned());
            words.extend(parts.clone().map(|place| format!("f_move[{place}]")));
        }
        if self.frozen {
            words.push(vector("held", 6));
        }
        words.extend((1..=self.baths).map(|bath| vector(&format!("kinetic{bath}"), 3)));
        words.join(" &\n    ")
    }

    fn len(&self) -> usize {
        3 + 3
            + 12
            + 9 * usize::from(self.moving_cell)
            + self.piston.clone().map_or(0, |parts| 1 + parts.count())
            + 6 * usize::from(self.frozen)
            + 3 * self.baths
    }

    /// Reads a row; `None` for a line that is none, a text for a row that cannot be used. `start` is the
    /// cell at the start of the stage.
    pub(super) fn read(
        &self,
        line: &str,
        orientation: &Orientation,
        start: &Cell,
    ) -> Option<Result<Row, String>> {
        let mut words = line.split_ascii_whitespace();
        let step: u64 = words.next()?.parse().ok()?;
        let values: Vec<f64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        if values.len() != self.len() {
            return None;
        }
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            return Some(Err(format!("LAMMPS finds {bad} in energy, pressure or velocities")));
        }
        Some(self.row(step, &values, orientation, start))
    }

    fn row(
        &self,
        step: u64,
        values: &[f64],
        orientation: &Orientation,
        start: &Cell,
    ) -> Result<Row, String> {
        let (head, mut rest) = values.split_at(18);
        let fastest = head[3..6].iter().copied().fold(0.0, f64::max);
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        let (mut cell, mut corner) = (start.clone(), [0.0; 3]);
        if self.moving_cell {
            let v = take(9);
            corner = [v[0], v[1], v[2]];
            let lattice = [[v[3], 0.0, 0.0], [v[6], v[4], 0.0], [v[7], v[8], v[5]]];
            cell = Cell::new(orientation.lattice_here(&lattice), start.periodicity())
                .map_err(|error| error.to_string())?;
        }
        let excess = self.piston.clone().map_or(0.0, |parts| {
            let sum = take(1)[0];
            sum - take(parts.count()).iter().sum::<f64>()
        });
        let mut virial =
            math::matrix_scale(&symmetric(&head[6..12]), constants::virial(1.0, cell.volume()));
        if self.frozen {
            virial = math::matrix_add(&virial, &math::matrix_scale(&symmetric(take(6)), -1.0));
        }
        let kinetic = symmetric(&head[12..18]);
        let baths = (0..self.baths).map(|_| take(3).iter().sum()).collect();
        let record = Record {
            cell,
            potential_energy: head[0],
            virial: orientation.tensor_here(&virial),
            twice_kinetic: math::trace(&kinetic),
            kinetic: orientation.tensor_here(&kinetic),
            baths,
            conserved: head[1] - excess,
        };
        let builds = head[2] as u64;
        Ok(Row { step, record, corner, fastest: constants::internal_velocity(fastest), builds })
    }
}

/// Behind `η` and `v_η` of both chains, `ω` and `v_ω`, the energy of each of them.
fn isotropic_piston(settings: &StageSettings) -> Option<RangeInclusive<usize>> {
    let Ensemble::Npt { thermostat, barostat, .. } = settings.ensemble else { return None };
    let Barostat::MartynaTobiasKlein { chain: piston, coupling: Coupling::ISOTROPIC, .. } =
        barostat
    else {
        return None;
    };
    let particles = match thermostat {
        Thermostat::NoseHooverChain { chain, .. } => chain,
        _ => 0,
    };
    let count = 2 * particles + 2 * piston + 2;
    Some(count + 1..=2 * count)
}

fn symmetric(values: &[f64]) -> Matrix3 {
    let mut tensor = math::ZERO;
    for (value, (a, b)) in values.iter().zip(TENSOR) {
        (tensor[a][b], tensor[b][a]) = (*value, *value);
    }
    tensor
}

/// Positions (unwrapped), velocities and forces of a frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arrays {
    pub(super) positions: Vec<Vector3>,
    pub(super) velocities: Vec<Vector3>,
    pub(super) forces: Vec<Vector3>,
}

impl Arrays {
    /// Reads a dump of [`Columns::FRAME`] of one step; `corner` is that of its box.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(
        text: &str,
        step: u64,
        atoms: usize,
        corner: Vector3,
        orientation: &Orientation,
    ) -> Result<Self, String> {
        let mut lines = text.lines();
        let found = lines.nth(1).and_then(|line| line.trim().parse::<u64>().ok());
        if found != Some(step) {
            return Err(format!("expected a frame of step {step}, found {found:?}"));
        }
        lines.find(|line| line.starts_with("ITEM: ATOMS")).ok_or("no line ITEM: ATOMS")?;
        let empty = vec![[f64::NAN; 3]; atoms];
        let mut arrays =
            Arrays { positions: empty.clone(), velocities: empty.clone(), forces: empty };
        let mut count = 0;
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let id: Option<usize> = words.next().and_then(|word| word.parse().ok());
            let atom = id.filter(|id| (1..=atoms).contains(id)).ok_or_else(|| {
                format!("expected the number of an atom (1 to {atoms}), found {line:?}")
            })? - 1;
            let mut vector = || -> Option<Vector3> {
                let mut next = || words.next().and_then(|word| word.parse::<f64>().ok());
                Some([next()?, next()?, next()?])
            };
            let (Some(r), Some(v), Some(f)) = (vector(), vector(), vector()) else {
                return Err(format!("expected nine numbers after the atom, found {line:?}"));
            };
            arrays.positions[atom] = orientation.vector_here(math::sub(r, corner));
            arrays.velocities[atom] = orientation.vector_here(v.map(constants::internal_velocity));
            arrays.forces[atom] = orientation.vector_here(f);
            count += 1;
        }
        if count != atoms {
            return Err(format!("expected {atoms} atoms, found {count}"));
        }
        Ok(arrays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_md::Ramp;

    fn upright() -> (Orientation, Cell) {
        let cell = Cell::orthorhombic([10.0, 10.0, 10.0]).expect("a cube");
        (Orientation::of(&cell).0, cell)
    }

    #[test]
    fn a_row_is_told_from_other_lines_and_read_in_our_units() {
        let (orientation, cell) = upright();
        let columns = Columns::of(&StageSettings::new(Ensemble::Nve, 1.0, 10));
        assert_eq!(columns.keywords().split_whitespace().filter(|word| *word != "&").count(), 19);
        let text = " 7 -3.5 -2.0 4 10 20 5 1 2 3 4 5 6 0.1 0.2 0.3 0 0 0.4";
        let row = columns.read(text, &orientation, &cell).expect("a row").expect("finite");
        assert_eq!((row.step, row.builds), (7, 4));
        assert!((row.fastest - 0.02).abs() < 1e-15);
        assert!((row.record.twice_kinetic - 0.6).abs() < 1e-15);
        assert!((row.record.kinetic[1][2] - 0.4).abs() < 1e-15);
        // 4 bar of xy in 1000 Å³
        assert!((row.record.virial[1][0] - 4.0 * 1000.0 / 1.602_176_5e6).abs() < 1e-12);
        for line in ["Step PotEng", "", "7 1 2 3", "Loop time of 1 on 2 procs", "7.5 1"] {
            assert_eq!(columns.read(line, &orientation, &cell), None, "{line:?}");
        }
        let bad = columns.read(&text.replace("-3.5", "-nan"), &orientation, &cell);
        assert!(bad.is_some_and(|row| row.is_err_and(|why| why.contains("NaN"))));
    }

    #[test]
    fn a_barostat_adds_the_cell_and_the_excess_of_its_chain() {
        let (orientation, cell) = upright();
        let barostat = Barostat::MartynaTobiasKlein {
            period: 1000.0,
            chain: 2,
            coupling: Coupling::ISOTROPIC,
        };
        let ensemble = Ensemble::Npt {
            temperature: Ramp::constant(300.0),
            thermostat: Thermostat::NoseHooverChain { period: 100.0, chain: 3 },
            pressure: Ramp::constant(0.0),
            barostat,
        };
        let columns = Columns::of(&StageSettings::new(ensemble, 1.0, 10));
        // 3 η, 3 v_η, ω, v_ω, 2 η and 2 v_η of the cell, and their energies
        assert!(columns.keywords().ends_with("f_move[23] &\n    f_move[24]"));
        assert!(columns.keywords().contains("f_move &\n    f_move[13]"), "{}", columns.keywords());
        let head = format!("0 1 2 0{} -1 0 0 11 12 13 1 2 3", " 0".repeat(15));
        // two k_B T η of 0.25 too many
        let text = format!("{head} 1.25 0.5{} 0.25", " 0".repeat(10));
        let row = columns.read(&text, &orientation, &cell).expect("a row").expect("finite");
        assert!((row.record.conserved - 1.5).abs() < 1e-15);
        assert_eq!(
            row.record.cell.matrix()[2].map(f64::to_bits),
            [2.0_f64, 3.0, 13.0].map(f64::to_bits)
        );
        assert_eq!(row.corner.map(f64::to_bits), [-1.0_f64, 0.0, 0.0].map(f64::to_bits));
    }

    #[test]
    fn frames_are_read_in_the_order_of_the_numbers_and_damage_is_named() {
        let (orientation, _) = upright();
        let head = "ITEM: TIMESTEP\n20\nITEM: NUMBER OF ATOMS\n2\nITEM: ATOMS id xu\n";
        let text = format!("{head}2 1 2 3 4 5 6 7 8 9\n1 0 0 0 0 0 0 0 0 -1\n");
        let read = |text: &str| Arrays::read(text, 20, 2, [1.0, 0.0, 0.0], &orientation);
        let arrays = read(&text).expect("whole");
        assert!(
            (arrays.positions[1][0]).abs() < 1e-15 && (arrays.positions[0][0] + 1.0).abs() < 1e-15
        );
        assert!((arrays.velocities[1][1] - 5e-3).abs() < 1e-15);
        assert!((arrays.forces[0][2] + 1.0).abs() < 1e-15);
        for (damaged, message) in [
            (text.replace("20", "30"), "expected a frame of step 20, found Some(30)"),
            (text.replace("\n1 0 0", "\n3 0 0"), "expected the number of an atom (1 to 2)"),
            (text.replace(" -1", ""), "expected nine numbers"),
            (head.to_owned(), "expected 2 atoms, found 0"),
        ] {
            let found = read(&damaged).expect_err(message);
            assert!(found.contains(message), "{found}");
        }
    }
}
