//! Inputs that make no sense end with a message that says what to do.

use super::bench::{BEGIN, data};
use super::{crystal, host};

#[test]
fn wrong_inputs_are_explained() {
    let Some(host) = host() else { return };
    let good = "pair_style vitrion builtin:li-p-s-fast\n";
    let types = "pair_coeff * * Li P S\n";
    let cases = [
        ("pair_style vitrion\n", "needs a model: pair_style vitrion model.safetensors"),
        ("pair_style vitrion nowhere.pb\n", "nowhere.pb: cannot read the model"),
        (
            "pair_style vitrion data\n",
            "data: unknown kind of model file; known endings: .safetensors",
        ),
        ("pair_style vitrion builtin:na-cl\n", "known: builtin:li-p-s, builtin:li-p-s-fast"),
        ("pair_style vitrion builtin:li-p-s threads 0\n", "0 threads, expected at least 1"),
        ("pair_style vitrion builtin:li-p-s threads\n", "threads needs 1 value"),
        ("pair_style vitrion builtin:li-p-s devi out 0\n", "every 0 steps, expected at least 1"),
        ("pair_style vitrion builtin:li-p-s devi out 10\n", "needs at least two models, found one"),
        ("pair_style vitrion builtin:li-p-s precision half\n", "precision half, expected mixed or"),
        ("pair_style vitrion builtin:li-p-s threads 1 fast\n", "Unknown word fast in pair_style"),
        (
            &format!("{good}pair_coeff * *\n"),
            "expected * * and the element of each of the 3 atom types",
        ),
        (&format!("{good}pair_coeff * * Li P\n"), "the element of each of the 3 atom types"),
        (&format!("{good}pair_coeff 1 1 Li P S\n"), "must start with * *"),
        (&format!("{good}pair_coeff * * Li P Na\n"), "the potential has no Na: it knows Li P S"),
        (&format!("{good}pair_coeff * * NULL NULL NULL\n"), "all 3 types are NULL"),
        (&format!("{good}pair_coeff * * Li P NULL\nrun 0\n"), "are not set"),
        (&format!("{good}{types}newton off\nrun 0\n"), "newton"),
        (
            &format!("{good}{types}set atom 2 x 0 y 0 z 0\nset atom 5 x 0 y 0 z 0\nrun 0\n"),
            "is not finite",
        ),
    ];
    let files = [("data", data(&crystal([1, 1, 1])))];
    for (input, message) in cases {
        for ranks in [1, 2] {
            let outcome = host.run(ranks, &files, &format!("{BEGIN}{input}"));
            let text = outcome.text.replace('\n', " ");
            assert!(text.contains("ERROR") && text.contains(message), "{input}: {}", outcome.text);
        }
    }
    let whole = |input: &str| input.replace("{good}", good).replace("{types}", types);
    let begin = |units: &str| {
        whole(&format!(
            "{units}atom_style atomic\nbox tilt large\nread_data data\n{{plugin}}\n{{good}}{{types}}run 0\n"
        ))
    };
    for (units, message) in [
        ("units real\n", "needs units metal (Angstrom, eV), found units real"),
        ("units metal\nnewton off\n", "needs newton pair on"),
    ] {
        let outcome = host.run(1, &files, &begin(units));
        assert!(outcome.text.contains(message), "{}", outcome.text);
    }
}

#[test]
fn an_atom_that_is_hit_is_named() {
    let Some(host) = host() else { return };
    let files = [("data", data(&crystal([1, 1, 1])))];
    let input = format!(
        "{BEGIN}pair_style vitrion builtin:li-p-s-fast\npair_coeff * * Li P S\n\
         set atom 7 x 1.0 y 1.0 z 1.0\nset atom 12 x 1.0 y 1.0 z 1.0\nrun 0\n"
    );
    for ranks in [1, 2] {
        let outcome = host.run(ranks, &files, &input);
        let text = outcome.text.replace('\n', " ");
        let named = ["with ID 7 at (1, 1, ", "with ID 12 at (1, 1, "];
        assert!(named.iter().any(|id| text.contains(id)), "{}", outcome.text);
        assert!(text.contains("at step 0"), "{}", outcome.text);
    }
}
