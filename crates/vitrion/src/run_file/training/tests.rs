use super::*;

const HEAD: &str = "format = 1\nname = \"t\"\nspecies = [\"Li\", \"S\"]\nseed = 3\n";
const DATA: &str = "[[data]]\npath = \"frames\"\n";

fn parse(body: &str) -> Result<TrainingFile, InputError> {
    TrainingFile::parse(Path::new("train.toml"), &format!("{HEAD}{body}"))
}

#[test]
fn every_example_is_a_valid_training_file() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).expect("the folder of examples") {
        let path = entry.expect("an entry").path().join("train.toml");
        if path.exists() {
            let file = TrainingFile::read(&path).expect("a valid example");
            assert!(!file.settings.stages.is_empty());
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn keys_become_settings() {
    let file = parse(&format!(
        "{DATA}weight = 2\n[network]\nfitting = [32]\nsel = [10, 12]\n[batch]\natoms = 64\n\
         [[stage]]\nsteps = 10\noptimizer = \"muon\"\nstart_lr = 1e-2\nzbl = [\"0.7 A\", \"0.9 A\"]\n\
         element_weights = {{ Li = 2.0 }}\nlimit_pref_e = 7\n[[stage]]\nsteps = 5\n"
    ))
    .expect("valid");
    assert!((file.data[0].value.weight - 2.0).abs() < 1e-12);
    let Start::New(shape) = &file.start else { panic!("a new network") };
    assert_eq!((&shape.fitting, &shape.sel), (&vec![32], &Some(vec![10, 12])));
    let stage = &file.settings.stages[0];
    assert_eq!((stage.steps, stage.optimizer, stage.zbl), (10, Method::MUON, Some((0.7, 0.9))));
    assert_eq!(stage.loss.element_weights, [2.0, 1.0]);
    assert!((stage.prefactors.limit.energy - 7.0).abs() < 1e-12);
    assert_eq!((file.settings.stages.len(), file.settings.seed), (2, 3));
    assert_eq!(file.settings.sampling.atoms_per_batch, 64);
}

#[test]
fn mistakes_are_named_with_line_and_key() {
    let cases = [
        ("", "`data` is missing at the top level"),
        ("[[data]]\npth = \"x\"\n", "train.toml:6: unknown key `pth`"),
        ("[[data]]\npath = \"x\"\nweight = -1\n", "expected a number above zero, found -1"),
        ("model = \"a.dp\"\n[[data]]\npath = \"x\"\n[network]\naxis = 4\n", "not both"),
        ("[[data]]\npath = \"x\"\n[network]\naxis = 300\n", "at most the last embedding width 100"),
        ("[[data]]\npath = \"x\"\n[network]\nsel = [3]\n", "one number per species (2), found 1"),
        ("[[data]]\npath = \"x\"\n[network]\nactivation = \"relu\"\n", "expected one of tanh"),
        ("[[data]]\npath = \"x\"\n[[stage]]\nstart_lr = 1\n", "`steps` is missing"),
        ("[[data]]\npath = \"x\"\n[[stage]]\nsteps = 9\nstop_lr = 1\n", "must not exceed start_lr"),
        ("[[data]]\npath = \"x\"\n[[stage]]\nsteps = 9\nwarmup_steps = 9\n", "below steps = 9"),
        ("[[data]]\npath = \"x\"\n[[stage]]\nsteps = 9\nzbl = [\"2 A\", \"1 A\"]\n", "zbl = ["),
        ("[[data]]\npath = \"x\"\n[[stage]]\nsteps = 9\nmomentum = 0.9\n", "optimizer = \"muon\""),
        (
            "[[data]]\npath = \"x\"\n[[stage]]\nsteps = 9\nelement_weights = { P = 1 }\n",
            "unknown key `P`",
        ),
        ("[[data]]\npath = \"x\"\n[[stage]]\nsteps = 9\naverage = 1.0\n", "not with 1"),
    ];
    for (body, expected) in cases {
        let error = parse(body).expect_err(body).to_string();
        assert!(error.contains(expected), "{body}\n{error}");
    }
}
