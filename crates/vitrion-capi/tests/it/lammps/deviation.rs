//! Several models: `model_devi.out`, `compute pair`, `fix pair`.

use super::bench::{BEGIN, data};
use super::{crystal, host, native};
use vitrion_core::{Evaluation, Structure, math};
use vitrion_model::{builtin, force_deviation, virial_deviation};

/// Steps and columns of a deviation file.
fn lines(text: &str) -> Vec<Vec<f64>> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.split_whitespace().map(|x| x.parse().expect("a number")).collect()).collect()
}

/// Per-atom deviations, and the six columns of DeePMD-kit.
fn expected(structure: &Structure) -> (Vec<f64>, [f64; 6]) {
    let models =
        ["li-p-s", "li-p-s-fast"].map(|name| builtin::named(name).expect("in the library"));
    let all: Vec<Evaluation> = models.iter().map(|model| native(model, structure)).collect();
    let mut f = Vec::new();
    force_deviation(2, structure.len(), |m, i| all[m].forces[i], &mut f);
    let v = virial_deviation(2, structure.len(), |m| all[m].virial);
    let v = v.as_flattened();
    let extremes = |x: &[f64]| {
        (x.iter().copied().fold(0.0, f64::max), x.iter().copied().fold(f64::INFINITY, f64::min))
    };
    let ((v_max, v_min), (f_max, f_min)) = (extremes(v), extremes(&f));
    let v_mean = (v.iter().map(|x| x * x).sum::<f64>() / 9.0).sqrt();
    let f_mean = f.iter().sum::<f64>() / f.len() as f64;
    (f, [v_max, v_min, v_mean, f_max, f_min, f_mean])
}

#[test]
fn the_deviation_of_two_models_is_that_of_deepmd_kit() {
    let Some(host) = host() else { return };
    let structure = crystal([1, 1, 2]);
    let (by_atom, columns) = expected(&structure);
    let input = format!(
        "{BEGIN}pair_style vitrion builtin:li-p-s builtin:li-p-s-fast devi md.out 10 precision double\n\
         pair_coeff * * Li P S\nvelocity all create 600 4711 loop geom\nfix 1 all nve\n\
         compute d all pair vitrion\nfix d all pair 10 vitrion deviation 0\n\
         dump d all custom 10 dump id f_d\ndump_modify d format float %.17g\n\
         thermo 10\nthermo_style custom step pe c_d[*]\nthermo_modify format float %.17g norm no\n\
         timestep 0.001\nrun 15\nrun 15\n"
    );
    let mut sets = Vec::new();
    for ranks in [1, 2, 4] {
        let outcome = host.run(ranks, &[("data", data(&structure))], &input).succeeded();
        let text = outcome.read("md.out");
        let header = "#       step         max_devi_v         min_devi_v         avg_devi_v         \
                      max_devi_f         min_devi_f         avg_devi_f\n";
        assert!(text.starts_with(header), "{text}");
        let found = lines(&text);
        let steps: Vec<u64> = found.iter().map(|row| row[0] as u64).collect();
        assert_eq!(steps, [0, 10, 20, 30]);
        for (k, (found, expected)) in found[0][1..].iter().zip(columns).enumerate() {
            assert!((found - expected).abs() < 1e-9, "column {k} on {ranks} ranks: {found}");
        }
        let thermo = outcome.thermo();
        for line in &found {
            let row = thermo.iter().find(|row| (row[0] - line[0]).abs() < 0.5).expect("its step");
            for (found, expected) in row[2..].iter().zip(&line[1..]) {
                assert!((found - expected).abs() < 1e-9, "{row:?}");
            }
        }
        // fix pair asks at the end of steps: not at the first
        let frames = outcome.dump("dump");
        let largest = frames[1].iter().map(|row| row[0]).fold(0.0, f64::max);
        assert!((largest - found[1][4]).abs() < 1e-9, "{largest}");
        assert_eq!(frames[1].len(), by_atom.len());
        sets.push(found);
    }
    for other in &sets[1..] {
        for (a, b) in sets[0].as_slice().iter().flatten().zip(other.iter().flatten()) {
            assert!((a - b).abs() < 1e-8, "{a} {b}");
        }
    }
    let largest = by_atom.iter().copied().fold(0.0, f64::max);
    assert!(math::norm([largest, 0.0, 0.0]) > 1e-2, "models that agree test nothing");
}

#[test]
fn a_deviation_file_is_never_overwritten_and_the_first_model_moves_atoms() {
    let Some(host) = host() else { return };
    let structure = crystal([1, 1, 1]);
    let run = |style: &str| {
        format!(
            "{BEGIN}pair_style vitrion {style}\npair_coeff * * Li P S\nfix 1 all nve\n\
             thermo_style custom step pe etotal\nthermo_modify format float %.17g norm no\nrun 20\n"
        )
    };
    let two = "builtin:li-p-s-fast builtin:li-p-s out_file md.out out_freq 7 precision double";
    let files = [("data", data(&structure))];
    let first = host.run(1, &files, &run(two)).succeeded();
    let alone = host.run(1, &files, &run("builtin:li-p-s-fast precision double")).succeeded();
    assert_eq!(first.thermo(), alone.thermo());
    let before = first.read("md.out");
    assert_eq!(lines(&before).len(), 3);
    let second = host.go_on(first, 1, &run(two)).succeeded();
    assert!(second.read("md.out").starts_with(&before));
    assert_eq!(lines(&second.read("md.out")).len(), 6);
}
