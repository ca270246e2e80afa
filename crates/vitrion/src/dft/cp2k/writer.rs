//! Inputs for CP2K from settings.

use super::super::EngineError;
use super::settings::{Cp2kSettings, Dispersion, Functional, Mixing, Rung};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use vitrion_core::Structure;
use vitrion_core::io::cp2k::input;

/// Stem of the files that CP2K writes.
pub(crate) const PROJECT: &str = "vitrion";

/// The input of a single point.
pub(crate) fn input(
    settings: &Cp2kSettings,
    rung: &Rung,
    structure: &Structure,
) -> Result<String, EngineError> {
    if let Some(template) = &settings.template {
        let refuse = |m| EngineError::Setting(format!("{}: {m}", template.path.display()));
        template.check(settings.stress).map_err(refuse)?;
        return Ok(input::with_structure(&template.text, structure, &template.path)?);
    }
    let mut text = format!(
        "&GLOBAL\n  PROJECT {PROJECT}\n  RUN_TYPE ENERGY_FORCE\n  PRINT_LEVEL LOW\n&END GLOBAL\n"
    );
    text += &force_eval(settings, rung, structure);
    Ok(text)
}

/// `&FORCE_EVAL` for a structure.
pub(crate) fn force_eval(settings: &Cp2kSettings, rung: &Rung, structure: &Structure) -> String {
    let mut text = String::from("&FORCE_EVAL\n  METHOD QUICKSTEP\n");
    if settings.stress {
        text += "  STRESS_TENSOR ANALYTICAL\n";
    }
    text += "  &PRINT\n    &FORCES ON\n    &END FORCES\n";
    if settings.stress {
        text += "    &STRESS_TENSOR ON\n    &END STRESS_TENSOR\n";
    }
    text += "  &END PRINT\n  &DFT\n";
    let _ = write!(
        text,
        "    BASIS_SET_FILE_NAME {}\n    POTENTIAL_FILE_NAME {}\n    CHARGE {}\n",
        settings.basis_file, settings.potential_file, settings.charge
    );
    if let Some(multiplicity) = settings.multiplicity {
        let _ = write!(text, "    UKS\n    MULTIPLICITY {multiplicity}\n");
    }
    let _ = write!(
        text,
        "    &MGRID\n      CUTOFF {}\n      REL_CUTOFF {}\n      NGRIDS {}\n    &END MGRID\n    \
         &QS\n      EPS_DEFAULT {:E}\n    &END QS\n",
        settings.cutoff, settings.rel_cutoff, settings.grids, settings.scf.eps_default
    );
    if let Some([a, b, c]) = settings.kpoints {
        let _ = write!(
            text,
            "    &KPOINTS\n      SCHEME MONKHORST-PACK {a} {b} {c}\n    &END KPOINTS\n"
        );
    }
    text += &scf(settings, rung);
    text += &exchange_correlation(settings);
    text += "  &END DFT\n  &SUBSYS\n";
    text += &input::subsystem(structure, 4);
    let symbols: BTreeSet<&str> = (0..structure.len()).map(|i| structure.symbol(i)).collect();
    for symbol in symbols {
        let basis = settings.basis(symbol);
        let _ = write!(
            text,
            "    &KIND {symbol}\n      BASIS_SET {}\n      POTENTIAL {}\n    &END KIND\n",
            basis.basis, basis.potential
        );
    }
    text += "  &END SUBSYS\n&END FORCE_EVAL\n";
    text
}

fn scf(settings: &Cp2kSettings, rung: &Rung) -> String {
    let scf = &settings.scf;
    let mut text = format!("    &SCF\n      SCF_GUESS ATOMIC\n      EPS_SCF {:E}\n", scf.eps_scf);
    match rung {
        Rung::Template => {}
        Rung::Ot { minimizer, preconditioner, cycles } => {
            let _ = write!(
                text,
                "      MAX_SCF {cycles}\n      &OT\n        MINIMIZER {minimizer}\n        \
                 PRECONDITIONER {preconditioner}\n      &END OT\n      &OUTER_SCF\n        EPS_SCF {:E}\n        \
                 MAX_SCF {}\n      &END OUTER_SCF\n",
                scf.eps_scf, scf.max_outer
            );
        }
        Rung::Diagonalization { mixing, alpha, cycles } => {
            let method = match mixing {
                Mixing::Broyden => "BROYDEN_MIXING",
                Mixing::Pulay => "PULAY_MIXING",
            };
            let added = scf.smearing.map_or(0, |s| s.added_mos);
            let _ = write!(
                text,
                "      MAX_SCF {cycles}\n      ADDED_MOS {added}\n      &DIAGONALIZATION\n      &END \
                 DIAGONALIZATION\n      &MIXING\n        METHOD {method}\n        ALPHA {alpha}\n      \
                 &END MIXING\n"
            );
            if let Some(smearing) = &scf.smearing {
                let _ = write!(
                    text,
                    "      &SMEAR ON\n        METHOD FERMI_DIRAC\n        ELECTRONIC_TEMPERATURE [K] \
                     {}\n      &END SMEAR\n",
                    smearing.temperature
                );
            }
        }
    }
    text + "      &PRINT\n        &RESTART OFF\n        &END RESTART\n      &END PRINT\n    &END SCF\n"
}

fn exchange_correlation(settings: &Cp2kSettings) -> String {
    let functional = match settings.functional {
        Functional::Pbe => "      &XC_FUNCTIONAL PBE\n      &END XC_FUNCTIONAL\n".to_owned(),
        Functional::Lda => "      &XC_FUNCTIONAL PADE\n      &END XC_FUNCTIONAL\n".to_owned(),
        Functional::PbeSol => parametrized("PBESOL"),
        Functional::RevPbe => parametrized("REVPBE"),
        Functional::R2scan => "      &XC_FUNCTIONAL\n        &MGGA_X_R2SCAN\n        &END MGGA_X_R2SCAN\n        \
                               &MGGA_C_R2SCAN\n        &END MGGA_C_R2SCAN\n      &END XC_FUNCTIONAL\n"
            .to_owned(),
    };
    let mut text = format!("    &XC\n{functional}");
    if let Some(dispersion) = settings.dispersion {
        let kind = match dispersion {
            Dispersion::D3 => "DFTD3",
            Dispersion::D3Bj => "DFTD3(BJ)",
        };
        let _ = write!(
            text,
            "      &VDW_POTENTIAL\n        POTENTIAL_TYPE PAIR_POTENTIAL\n        &PAIR_POTENTIAL\n          \
             TYPE {kind}\n          PARAMETER_FILE_NAME dftd3.dat\n          REFERENCE_FUNCTIONAL {}\n        \
             &END PAIR_POTENTIAL\n      &END VDW_POTENTIAL\n",
            settings.functional.name()
        );
    }
    text + "    &END XC\n"
}

fn parametrized(name: &str) -> String {
    format!(
        "      &XC_FUNCTIONAL\n        &PBE\n          PARAMETRIZATION {name}\n        &END PBE\n      \
         &END XC_FUNCTIONAL\n"
    )
}
