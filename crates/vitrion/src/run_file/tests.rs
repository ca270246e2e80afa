use super::*;

const GOOD: &str = r#"
format = 1
name = "melt"
seed = 7
[potential]
kind = "lennard_jones"
species = { Ar = { epsilon = "10.3 meV", sigma = "3.4 A" } }
cutoff = "8.5 A"
[[system]]
name = "fcc"
structure = "ar.extxyz"
repeat = [2, 2, 3]
[sweep]
temperature = ["80 K", "90 K"]
[[stage]]
name = "heat"
kind = "npt"
temperature = { start = "10 K", end = "90 K" }
pressure = "1 bar"
timestep = "2 fs"
steps = 500
[[stage]]
name = "production"
kind = "nvt"
temperature = "sweep"
timestep = "2 fs"
duration = "0.01 ns"
trajectory = { every = "0.1 ps" }
[[analysis]]
kind = "diffusion"
species = "Ar"
charge = 1
skip = "1 ps"
"#;

fn parse(text: &str) -> Result<RunFile, InputError> {
    RunFile::parse(Path::new("run.toml"), text)
}

#[test]
fn every_table_is_read_with_its_units() {
    let run = parse(GOOD).expect("a good run file");
    assert_eq!((run.name.as_str(), run.seed), ("melt", 7));
    assert_eq!(run.systems[0].value.repeat, Some([2, 2, 3]));
    let temperatures = run.sweep.as_ref().expect("a sweep").temperatures.iter().map(|t| t.value);
    assert!(temperatures.eq([80.0, 90.0]));
    let heat = &run.stages[0].value;
    assert_eq!(
        heat.temperature.map(|t| t.value),
        Some(Target::Ramp { start: 10.0, end: 90.0, plateaus: None })
    );
    assert_eq!(heat.duration.value, Duration::Steps(500));
    let production = &run.stages[1].value;
    assert_eq!(production.temperature.map(|t| t.value), Some(Target::Sweep));
    assert_eq!(production.duration.value, Duration::Time(1e4));
    assert_eq!(production.trajectory.map(|every| every.value), Some(100.0));
    let PotentialTable::LennardJones { species, cutoff, shifted } = &run.potential.value else {
        panic!("Lennard-Jones was written")
    };
    assert!((species[0].epsilon_ev - 0.0103).abs() < 1e-15);
    assert!((cutoff - 8.5).abs() < 1e-15);
    assert_eq!(*shifted, None);
}

#[test]
fn complaints_name_the_file_the_line_the_table_and_the_nearest_key() {
    let error = parse(&GOOD.replace("temperature = \"sweep\"", "temprature = \"sweep\""));
    assert_eq!(
        error.expect_err("misspelt").to_string(),
        "run.toml:25: unknown key `temprature` in [[stage]] 2 (\"production\"), did you mean \
         `temperature`?"
    );
    let error = parse(&GOOD.replace("skip = \"1 ps\"", "skip = \"1 K\""));
    assert_eq!(
        error.expect_err("a temperature").to_string(),
        "run.toml:33: `skip` in [[analysis]] 1: \"1 K\" is a temperature, but a time is expected \
         here: use one of fs, ps, ns, us, as"
    );
}

#[test]
fn a_single_system_table_is_as_good_as_a_list() {
    let run = parse(&GOOD.replace("[[system]]", "[system]")).expect("one system");
    assert_eq!(run.systems.len(), 1);
    assert_eq!(run.systems[0].line, 9);
}
