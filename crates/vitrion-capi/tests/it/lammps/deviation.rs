//! Several models: `model_devi.out`, `compute pair`, `fix pair`.

use super::bench::{BEGIN, data};
use super::{crystal, host, native};
use vitrion_core::{Cell, Evaluation, Structure, math};
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
        let frames = outcome.dump("dump");
        assert_eq!(frames[0].len(), by_atom.len());
        for (row, expected) in frames[0].iter().zip(&by_atom) {
            assert!((row[0] - expected).abs() < 1e-9, "{row:?} {expected}");
        }
        for (frame, line) in frames.iter().zip(&found) {
            let largest = frame.iter().map(|row| row[0]).fold(0.0, f64::max);
            assert!((largest - line[4]).abs() < 1e-9, "{largest}");
        }
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

/// A committee in a box that two of four ranks find empty, cut into uneven parts.
#[test]
fn ranks_without_atoms_and_uneven_domains_change_nothing() {
    let Some(host) = host() else { return };
    let small = crystal([1, 2, 2]);
    let [a, b, c] = *small.cell.matrix();
    let cell = Cell::periodic([math::scale(a, 4.0), b, c]).expect("longer");
    let slab = Structure { cell, ..small };
    let (_, columns) = expected(&slab);
    for layout in ["", "comm_style tiled\nbalance 1.05 rcb\n"] {
        let input = format!(
            "{BEGIN}{layout}pair_style vitrion builtin:li-p-s builtin:li-p-s-fast devi md.out 1 precision double\n\
             pair_coeff * * Li P S\nrun 0\n"
        );
        let outcome = host.run(4, &[("data", data(&slab))], &input).succeeded();
        let found = lines(&outcome.read("md.out"));
        for (k, (found, expected)) in found[0][1..].iter().zip(columns).enumerate() {
            assert!((found - expected).abs() < 1e-9, "column {k}, {layout}: {found}");
        }
    }
}

#[test]
fn a_step_has_the_line_of_its_last_evaluation_and_runs_have_their_own() {
    let Some(host) = host() else { return };
    let structure = crystal([1, 1, 1]);
    let style = "pair_style vitrion builtin:li-p-s builtin:li-p-s-fast devi md.out 1 precision double\n\
                 pair_coeff * * Li P S\n";
    // the same step, other atoms
    let input = format!(
        "{BEGIN}{style}thermo 1\ncompute d all pair vitrion\nthermo_style custom step pe c_d[*]\n\
         thermo_modify format float %.17g\nrun 0\ndisplace_atoms all random 0.1 0.1 0.1 7\nrun 0\n\
         minimize 0 1e-3 5 50\n"
    );
    let outcome = host.run(2, &[("data", data(&structure))], &input).succeeded();
    let (found, thermo) = (lines(&outcome.read("md.out")), outcome.thermo());
    assert!((found[0][4] - found[1][4]).abs() > 1e-3, "{found:?}");
    let steps: Vec<u64> = found.iter().map(|row| row[0] as u64).collect();
    assert!(steps.starts_with(&[0, 0, 0, 1]) && steps.windows(2).skip(2).all(|s| s[1] == s[0] + 1));
    // what is written of a step of the minimiser is what thermo shows of it, not a trial
    for (line, row) in found.iter().zip(&thermo) {
        assert!((line[4] - row[5]).abs() < 1e-9, "{line:?} {row:?}");
    }
    // between its evaluations fix pair is refused: atoms may have other places
    let input = format!(
        "{BEGIN}pair_style vitrion builtin:li-p-s builtin:li-p-s-fast devi md.out 10\npair_coeff * * Li P S\n\
         fix 1 all nve\nfix d all pair 3 vitrion deviation 0\nrun 10\n"
    );
    let outcome = host.run(1, &[("data", data(&structure))], &input);
    assert!(
        outcome.text.contains("Fix pair cannot extract property deviation"),
        "{}",
        outcome.text
    );
    // a style that is given anew forgets elements, and keeps what others look at
    let input = format!(
        "{BEGIN}{style}compute d all pair vitrion\nthermo_style custom step c_d[4]\nrun 0\n\
         pair_style vitrion builtin:li-p-s-fast\n"
    );
    let outcome = host.run(1, &[("data", data(&structure))], &format!("{input}run 0\n"));
    assert!(outcome.text.contains("All pair coeffs are not set"), "{}", outcome.text);
    let input = format!("{input}pair_coeff * * Li P S\nrun 0\n");
    host.run(1, &[("data", data(&structure))], &input).succeeded();
}
