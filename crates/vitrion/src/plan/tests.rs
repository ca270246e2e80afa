use super::*;
use crate::inputs::{LoadedPotential, LoadedStructure};
use std::path::Path;
use vitrion_core::{Cell, SpeciesTable};
use vitrion_model::classical::{LennardJones, LennardJonesPair};

const HEAD: &str = r#"
format = 1
name = "melt"
seed = 7
[potential]
kind = "lennard_jones"
species = { Ar = { epsilon = "10.3 meV", sigma = "3.4 A" }, Ne = { epsilon = "3 meV", sigma = "2.8 A" } }
cutoff = "8.5 A"
[sweep]
temperature = ["80 K", "90.5 K", "100 K"]
[system]
structure = "files/fcc.extxyz"
repeat = [3, 3, 3]
"#;
const STAGE: &str = r#"
[[stage]]
name = "production"
kind = "nvt"
temperature = "sweep"
timestep = "2 fs"
duration = "1 ps"
trajectory = { every = "20 fs" }
"#;
const DIFFUSION: &str = "[[analysis]]\nkind = \"diffusion\"\nspecies = \"Ar\"\ncharge = 1\n";
const ARRHENIUS: &str = "[[analysis]]\nkind = \"arrhenius\"\nspecies = \"Ar\"\n";

fn inputs() -> Inputs {
    let cell = Cell::orthorhombic([5.26; 3]).expect("a cube");
    let half = 2.63;
    let positions = vec![[0.0; 3], [0.0, half, half], [half, 0.0, half], [half, half, 0.0]];
    let structure = Structure::new(cell, &["Ar", "Ar", "Ar", "Ne"], positions).expect("elements");
    let species = SpeciesTable::new(&["Ar", "Ne"]).expect("elements");
    let pairs =
        [(0.0103, 3.4), (0.003, 2.8)].map(|(epsilon, sigma)| LennardJonesPair { epsilon, sigma });
    let potential = LennardJones::new(species, &pairs, 8.5, true).expect("parameters");
    Inputs {
        potential: LoadedPotential::LennardJones(potential),
        structures: vec![LoadedStructure { structure, blake3: "00".to_owned() }],
        lammps: None,
    }
}

fn resolve(text: &str) -> Result<Plan, InputError> {
    Plan::resolve(&RunFile::parse(Path::new("run.toml"), text)?, &inputs())
}

fn refusal(text: &str) -> String {
    resolve(text).expect_err("refused").to_string()
}

#[test]
fn a_plan_shows_every_default_and_survives_its_file() {
    let plan = resolve(&format!("{HEAD}{STAGE}{DIFFUSION}{ARRHENIUS}")).expect("a good run file");
    let stage = &plan.stages[0];
    assert_eq!((stage.steps, stage.trajectory_every), (500, Some(10)));
    assert_eq!((stage.thermostat_period_fs, stage.thermostat_chain), (Some(100.0), Some(3)));
    assert_eq!((stage.thermo_every, stage.checkpoint_every), (10, 500));
    assert_eq!((plan.systems[0].name.as_str(), plan.systems[0].atoms), ("fcc", 108));
    let ids: Vec<&str> = plan.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["fcc-80K", "fcc-90.5K", "fcc-100K"]);
    let AnalysisPlan::Motion { dynamics, .. } = &plan.analyses[0] else { panic!("diffusion") };
    assert_eq!(dynamics.framework, ["Ne"]);
    let AnalysisPlan::Arrhenius { diffusion, extrapolate_k, .. } = &plan.analyses[1] else {
        panic!("arrhenius")
    };
    assert_eq!((diffusion.as_str(), *extrapolate_k), ("diffusion-Ar", 300.0));
    let text = plan.to_toml();
    let back: Plan = toml::from_str(&text).expect("our own file");
    assert_eq!(back, plan, "{text}");
    let settings = stage.settings(plan.runs[1].temperature_k, 1, &Members::default());
    assert_eq!(settings.ensemble.temperature(), Some(Ramp::constant(90.5)));
}

#[test]
fn a_density_scales_the_cell_and_an_absurd_one_is_refused() {
    let text = format!("{HEAD}density = \"1.7 g/cm3\"\n{STAGE}");
    let plan = resolve(&text).expect("close to the present density");
    assert!((plan.systems[0].density_g_per_cm3 - 1.7).abs() < 1e-12);
    let closest = plan.structures(&inputs())[0].positions[1][1];
    assert!((closest - 2.63 * plan.systems[0].scale).abs() < 1e-12);
    let message = refusal(&text.replace("1.7 g/cm3", "1700 g/cm3"));
    assert!(message.contains("run.toml:14: `density` in [system]: 1700"), "{message}");
}

#[test]
fn the_estimate_is_about_the_runs_of_the_plan() {
    let plan = resolve(&format!("{HEAD}{STAGE}")).expect("a good run file");
    let estimate = plan.estimate(&inputs(), 2).expect("finite energies");
    assert_eq!((estimate.concurrent_runs, estimate.threads_per_run), (2, 1));
    assert_eq!((estimate.runs.len(), estimate.runs[0].steps), (3, 500));
    assert!(estimate.wall_s > 0.0 && estimate.memory_mb > 0.0 && estimate.disk_mb > 0.0);
}

const GROUPS: &str = r#"
[[group]]
name = "solute"
element = "Ne"
[[group]]
name = "lower"
element = ["Ar"]
z = ["0 A", "5 A"]
"#;

#[test]
fn groups_are_frozen_and_held_at_temperatures_of_their_own() {
    let stage = STAGE.replace(
        "duration",
        "freeze = [\"lower\"]\nthermostats = [{ group = \"solute\", temperature = { start = \"50 K\", \
         end = \"90 K\", plateaus = 3 }, thermostat = \"csvr\" }]\nduration",
    );
    let plan = resolve(&format!("{HEAD}{GROUPS}{stage}")).expect("a good run file");
    let text = plan.to_toml();
    assert_eq!(toml::from_str::<Plan>(&text).expect("our own file"), plan, "{text}");
    let structure = &plan.structures(&inputs())[0];
    let settings = plan.stages[0].settings(Some(80.0), 1, &plan.members(structure));
    // two layers of nine cells with three Ar each, less the upper halves of the second layer
    let below = |atom: &u32| {
        let [.., z] = structure.positions[*atom as usize];
        z < 5.0 && structure.symbol(*atom as usize) == "Ar"
    };
    let expected: Vec<u32> = (0..108).filter(below).collect();
    assert!(settings.frozen == expected && !expected.is_empty(), "{:?}", settings.frozen);
    let [bath] = settings.baths.as_slice() else { panic!("one bath") };
    assert_eq!((bath.atoms.len(), bath.temperature.plateaus), (27, Some(3)));
    settings.validate_atoms(108).expect("they fit");
}

#[test]
fn seeds_make_replicas_with_numbers_of_their_own() {
    let head = HEAD.replace("\"90.5 K\", \"100 K\"]", "\"90 K\"]\nseeds = [3, 9]");
    let plan = resolve(&format!("{head}{STAGE}")).expect("a good run file");
    let ids: Vec<&str> = plan.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["fcc-80K-seed3", "fcc-80K-seed9", "fcc-90K-seed3", "fcc-90K-seed9"]);
    let mut seeds: Vec<u64> = plan.runs.iter().map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 4);
    // a replica that is added leaves the others as they are
    let more = resolve(&format!("{}{STAGE}", head.replace("[3, 9]", "[3, 9, 4]"))).expect("good");
    assert!(plan.runs.iter().all(|run| more.runs.contains(run)));
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_line() {
    let cases = [
        (STAGE.replace("duration = \"1 ps\"", "duration = \"1.001 ps\""), "not a whole number"),
        (STAGE.replace("20 fs", "2 ps"), "longer than the stage (1000 fs)"),
        (STAGE.replace("\"nvt\"", "\"nve\""), ""),
        (
            format!("{GROUPS}{}", STAGE.replace("steps", "").replace("duration", "freeze = [\"x\"]\nduration")),
            "there is no group \"x\"; there is solute, lower",
        ),
        (
            STAGE.replace("duration", "freeze = [\"x\"]\nduration"),
            "define it with [[group]]",
        ),
        (
            format!(
                "{GROUPS}{}",
                STAGE.replace(
                    "duration",
                    "freeze = [\"lower\"]\nthermostats = [{ group = \"lower\", temperature = \"9 K\" \
                     }]\nduration"
                )
            ),
            "also belongs to \"frozen\"",
        ),
        (
            format!("{}{STAGE}", GROUPS.replace("\"Ne\"", "\"He\"")),
            "no atom meets its conditions (in [system])",
        ),
        (format!("[[group]]\nname = \"g\"\nphase = \"a\"\n{STAGE}"), "has no column `phase`"),
        (format!("[[group]]\nname = \"g\"\n{STAGE}"), "it names no atoms; give element"),
        (format!("[[group]]\nname = \"g\"\nx = [\"5 A\", \"1 A\"]\n{STAGE}"), "the lower one first"),
        (
            STAGE.replace("\"sweep\"", "{ start = \"9 K\", end = \"90 K\", plateaus = 1 }"),
            "expected at least 2 parts",
        ),
        (
            STAGE.replace("duration", "strain_rate = { xx = \"2 /ps\" }\nduration"),
            "at most 0.001 per fs",
        ),
        (
            STAGE.replace("duration", "strain_rate = { xx = \"0 /ps\" }\nduration"),
            "no component is given that is not zero",
        ),
        (format!("{STAGE}{STAGE}"), "two stages are called \"production\""),
        (format!("{STAGE}{ARRHENIUS}"), "needs an [[analysis]] of kind \"diffusion\""),
        (format!("{STAGE}{}", DIFFUSION.replace("\"Ar\"", "\"Li\"")), "contains no Li"),
        (STAGE.replace("timestep = \"2 fs\"", "timestep = \"20 fs\""), "at most 10 fs"),
        (format!("{STAGE}{DIFFUSION}skip = \"1 ps\"\n"), "not shorter than stage"),
        (format!("{STAGE}{DIFFUSION}stage = \"melt\"\n"), "there is no stage \"melt\""),
        (
            format!("{}{DIFFUSION}", STAGE.replace("trajectory = { every = \"20 fs\" }", "")),
            "no stage writes a trajectory",
        ),
    ];
    for (text, expected) in cases {
        if expected.is_empty() {
            resolve(&format!("{HEAD}{text}")).expect("an initial temperature is enough for NVE");
            continue;
        }
        let message = refusal(&format!("{HEAD}{text}"));
        assert!(message.contains(expected), "{message}");
        assert!(message.starts_with("run.toml:"), "{message}");
    }
}
