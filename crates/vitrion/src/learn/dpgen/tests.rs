use super::*;
use crate::dft::EngineSettings;
use crate::jobs::SchedulerSettings;
use crate::learn::windows::Trust;
use crate::run_file::{ExploreTable, LearnFile};
use vitrion_core::units::EV_PER_A3_IN_GPA;

/// As a user of DP-GEN and CP2K would have it; keys from its documentation of parameters.
const PARAM: &str = r#"{
  "type_map": ["Li", "P", "S"], "mass_map": [6.94, 30.97, 32.06],
  "init_data_prefix": "/data", "init_data_sys": ["beta", "gamma"],
  "sys_configs_prefix": "/poscars", "sys_configs": [["glass67/POSCAR"], ["glass70/POSCAR", "glass70/B.vasp"], ["many/*/POSCAR"]],
  "sys_format": "vasp/poscar", "numb_models": 4, "dp_compress": true,
  "default_training_param": {
    "model": {"type_map": ["Li", "P", "S"],
      "descriptor": {"type": "se_e2_a", "sel": [90, 40, 60], "rcut": 6.5, "rcut_smth": 0.5, "neuron": [25, 50, 100], "axis_neuron": 16, "seed": 1},
      "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": true, "seed": 1}},
    "learning_rate": {"type": "exp", "start_lr": 0.001, "stop_lr": 1e-8, "decay_steps": 2000},
    "loss": {"start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1, "start_pref_v": 0.02, "limit_pref_v": 0.2},
    "training": {"numb_steps": 400000, "disp_file": "lcurve.out", "disp_freq": 1000}
  },
  "training_reuse_iter": 2, "training_reuse_start_lr": 1e-4,
  "model_devi_dt": 0.001, "model_devi_skip": 0, "model_devi_f_trust_lo": 0.15, "model_devi_f_trust_hi": 0.45,
  "model_devi_v_trust_lo": 1e10, "model_devi_v_trust_hi": 1e10, "model_devi_clean_traj": false,
  "model_devi_jobs": [
    {"_idx": "00", "sys_idx": [0, 1], "temps": [500, 800], "press": [0, 50], "trj_freq": 20, "nsteps": 5000, "ensemble": "npt", "taup": 1.0},
    {"sys_idx": [1], "Ts": [1200], "t_freq": 10, "nsteps": 1000, "ens": "nvt", "neidelay": 10}
  ],
  "fp_style": "cp2k", "shuffle_poscar": false, "fp_task_max": 120, "fp_task_min": 5, "ratio_failed": 0.05,
  "user_fp_params": {"FORCE_EVAL": {
    "DFT": {"MGRID": {"CUTOFF": 500}, "QS": {"EPS_DEFAULT": "1e-11"},
      "XC": {"XC_FUNCTIONAL": {"_": "PBE"}, "VDW_POTENTIAL": {"PAIR_POTENTIAL": {"TYPE": "DFTD3"}}}},
    "SUBSYS": {"KIND": {"_": ["Li", "S"], "BASIS_SET": ["DZVP-MOLOPT-SR-GTH", "TZVP-MOLOPT-GTH"], "POTENTIAL": ["GTH-PBE-q3", "GTH-PBE-q6"]}}
  }}
}"#;

const MACHINE: &str = r##"{
  "api_version": "1.0",
  "train": {"command": "dp", "machine": {"batch_type": "Slurm", "context_type": "SSHContext"}, "resources": {"gpu_per_node": 1}},
  "model_devi": [{"command": "lmp", "machine": {"batch_type": "Slurm", "context_type": "local"}, "resources": {}}],
  "fp": [{"command": "mpirun -n 32 cp2k.psmp -i input.inp", "machine": {"batch_type": "Slurm", "context_type": "local"},
    "resources": {"number_node": 1, "cpu_per_node": 32, "queue_name": "cpu", "custom_flags": ["#SBATCH --mem=64G"], "source_list": ["/opt/env.sh"], "group_size": 10}}]
}"##;

fn imported() -> Imported {
    let folder = tempfile::tempdir().expect("a folder");
    let (param, machine) = (folder.path().join("param.json"), folder.path().join("machine.json"));
    std::fs::write(&param, PARAM).expect("written");
    std::fs::write(&machine, MACHINE).expect("written");
    import(&param, Some(&machine)).expect("a learn file")
}

#[test]
fn what_has_a_counterpart_becomes_a_learn_file_that_is_read() {
    let found = imported();
    let file = LearnFile::parse(Path::new("learn.toml"), &found.text)
        .unwrap_or_else(|error| panic!("{error}\n{}", found.text));
    assert_eq!((file.committee, file.species.join(" ")), (4, "Li P S".to_owned()));
    let EngineSettings::Cp2k(engine) = &file.engine else { panic!("CP2K: {}", found.text) };
    // CUTOFF as given, REL_CUTOFF as DP-GEN's default
    assert!((engine.cutoff - 500.0).abs() < 1e-9 && (engine.rel_cutoff - 50.0).abs() < 1e-9);
    assert_eq!(engine.dispersion.map(crate::dft::cp2k::Dispersion::name), Some("D3(zero)"));
    assert_eq!(engine.basis["S"].potential, "GTH-PBE-q6");
    assert_eq!((engine.resources.ranks, engine.resources.program.as_str()), (32, "cp2k.psmp"));
    let SchedulerSettings::Slurm(slurm) = &file.scheduler else { panic!("Slurm: {}", found.text) };
    assert_eq!(slurm.partition.as_deref(), Some("cpu"));
    assert_eq!(slurm.options, ["--mem=64G"]);
    assert_eq!(slurm.setup, ["source /opt/env.sh"]);
    let paths: Vec<&str> = file.data.iter().map(|d| d.value.frames.path.value.as_str()).collect();
    assert_eq!(paths, ["/data/beta", "/data/gamma"]);
    assert_eq!(file.structures.len(), 3, "the pattern is left out");
    assert_eq!(file.trust, Trust::Fixed { force: (0.15, 0.45), virial: None });
    assert_eq!(file.selection.labels, 120);
    let [ExploreTable::Dynamics(first), ExploreTable::Dynamics(second)] =
        [&file.explore[0].value, &file.explore[1].value]
    else {
        panic!("dynamics: {}", found.text)
    };
    assert_eq!((first.steps, first.every), (5000, 20));
    let bar = 1e-4 / EV_PER_A3_IN_GPA;
    assert!((first.pressures[1] - 50.0 * bar).abs() < 1e-12 && first.pressures.len() == 2);
    // ps in DP-GEN, fs here
    assert!((first.timestep - 1.0).abs() < 1e-12 && (first.barostat_period - 1000.0).abs() < 1e-9);
    assert!((first.thermostat_period - 100.0).abs() < 1e-9);
    assert_eq!(first.structures.len(), 3, "both files of the second system");
    assert!(second.pressures.is_empty() && (second.temperatures[0] - 1200.0).abs() < 1e-9);
    assert_eq!(second.every, 10);
    assert_eq!(file.training.stages[0].steps, 400_000);
    assert!(file.retraining);
}

#[test]
fn what_has_none_is_listed_with_the_reason() {
    let lost = imported().not_carried.join("\n");
    for expected in [
        "mass_map: masses are those of the elements",
        "dp_compress: tables are always made",
        "fp_task_min: a few labels",
        "sys_configs[2]: the pattern many/*/POSCAR",
        "model_devi_jobs[1].neidelay: it has no counterpart",
        "machine.json train: remote host over SSH",
        "machine.json train: gpu_per_node = 1",
        "machine.json fp: resources.group_size",
        "user_fp_params/FORCE_EVAL/DFT/QS/EPS_DEFAULT: check it",
        "default_training_param/model/descriptor/sel: vitrion has its own or none",
        "training_reuse_iter = 2",
        "ratio_failed: failed calculations are counted",
    ] {
        assert!(lost.contains(expected), "{expected} is not in\n{lost}");
    }
    // what was carried over is not listed
    for key in ["type_map", "model_devi_dt", "numb_models", "fp_task_max", "init_data_sys"] {
        assert!(!lost.lines().any(|line| line.starts_with(&format!("{key}:"))), "{key} in\n{lost}");
    }
}

#[test]
fn files_that_are_something_else_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("param.json");
    for (text, expected) in [
        ("{", "param.json: EOF"),
        ("{}", "there is no \"type_map\": is this a param.json of `dpgen run`?"),
        ("{\"type_map\": [\"Li\"]}", "there is no \"model_devi_jobs\""),
    ] {
        std::fs::write(&path, text).expect("written");
        let error = import(&path, None).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
