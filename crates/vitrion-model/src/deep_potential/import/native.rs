//! DeePMD-kit's serialised model tree → [`DeepPotential`].

use super::tree::{At, Node, file_name};
use crate::card::Card;
use crate::deep_potential::activation::Activation;
use crate::deep_potential::network::{Layer, Network};
use crate::deep_potential::{DeepPotential, Descriptor};
use crate::error::ModelError;
use std::path::Path;
use vitrion_core::SpeciesTable;

const CONVERT: &str =
    "vitrion evaluates energy models of type se_e2_a; train or convert one of those";

/// Builds the model from its tree.
///
/// # Errors
/// Missing or malformed fields by name; models of other kinds by name.
pub fn load(path: &Path, root: &Node) -> Result<DeepPotential, ModelError> {
    let root = At::root(root, path);
    let model = root.get("model")?;
    if model.is_null() {
        if !root.get("model_dict")?.is_null() {
            return Err(root.unsupported(
                "a multi-task model (\"model_dict\")".into(),
                "export one head with DeePMD-kit: dp freeze --head NAME",
            ));
        }
        return Err(model.error("the table of the model"));
    }
    check_model_kind(&model)?;
    let symbols: Vec<&str> =
        model.get("type_map")?.items()?.iter().map(At::text).collect::<Result<_, _>>()?;
    let species = SpeciesTable::new(&symbols).map_err(|error| ModelError::Field {
        path: path.to_owned(),
        field: "model.type_map".into(),
        expected: "element symbols".into(),
        found: error.to_string(),
    })?;
    let n = species.len();
    let variables = model.get("@variables")?;
    let out_bias = match variables.get("out_bias")? {
        at if at.is_null() => vec![0.0; n],
        at => at.array_of(n)?,
    };
    let pair_excluded = pairs(&model.get("pair_exclude_types")?, n)?;
    let atom_excluded = types(&model.get("atom_exclude_types")?, n)?;
    let descriptor = descriptor(&model.get("descriptor")?, n, pair_excluded)?;
    let fitting_at = model.get("fitting")?;
    let (fitting, energy_bias, fitting_excluded) =
        fitting(&fitting_at, n, descriptor.width() * descriptor.axis)?;
    let software = match (root.get("software")?.node, root.get("version")?.node) {
        (Node::Text(name), Node::Text(version)) => format!("{name} {version}"),
        (Node::Text(name), _) => name.clone(),
        _ => "unknown".into(),
    };
    let mut card = Card {
        name: file_name(path),
        description: "Deep Potential read from a DeePMD-kit model".into(),
        software,
        ..Card::default()
    };
    if !model.get("descriptor")?.get("compress")?.is_null() {
        card.notes.push("the file also holds compression tables; the exact nets are used".into());
    }
    Ok(DeepPotential {
        species,
        descriptor,
        fitting,
        energy_bias,
        out_bias,
        fitting_excluded,
        atom_excluded,
        zbl: None,
        card,
    })
}

fn check_model_kind(model: &At<'_>) -> Result<(), ModelError> {
    let kind = match model.get("type")?.node {
        Node::Text(kind) => kind.clone(),
        _ => "standard".into(),
    };
    if kind != "standard" {
        return Err(model.unsupported(format!("a model of type {kind:?}"), CONVERT));
    }
    let descriptor = match model.get("descriptor")?.get("type")?.node {
        Node::Text(kind) => kind.clone(),
        _ => return Err(model.get("descriptor")?.get("type")?.error("the descriptor's type")),
    };
    if descriptor != "se_e2_a" && descriptor != "se_a" {
        return Err(model.unsupported(format!("a descriptor of type {descriptor:?}"), CONVERT));
    }
    let fitting = match model.get("fitting")?.get("type")?.node {
        Node::Text(kind) => kind.clone(),
        Node::Null => "ener".into(),
        _ => return Err(model.get("fitting")?.get("type")?.error("the fitting's type")),
    };
    if fitting != "ener" {
        return Err(model.unsupported(format!("a fitting net of type {fitting:?}"), CONVERT));
    }
    Ok(())
}

fn descriptor(at: &At<'_>, n: usize, pair_excluded: Vec<bool>) -> Result<Descriptor, ModelError> {
    version(at, 1, 3)?;
    if !at.get("spin")?.is_null() {
        return Err(at.unsupported("a spin model".into(), CONVERT));
    }
    let environment = at.get("env_mat")?;
    if !environment.is_null() && environment.get("use_exp_switch")?.flag(false)? {
        return Err(at.unsupported("the exponential switch (use_exp_switch)".into(), CONVERT));
    }
    let sel = at.get("sel")?.counts()?;
    if sel.len() != n {
        return Err(at.get("sel")?.error(&format!("{n} numbers, one per species")));
    }
    let one_side = at.get("type_one_side")?.flag(false)?;
    let excluded = pairs(&at.get("exclude_types")?, n)?;
    let collection = at.get("embeddings")?;
    let dimensions = collection.get("ndim")?.count()?;
    let networks = collection.get("networks")?.items()?;
    let expected = if one_side { n } else { n * n };
    if dimensions != if one_side { 1 } else { 2 } || networks.len() != expected {
        return Err(collection.error(&format!(
            "{expected} embedding nets of dimension {} for {n} species",
            if one_side { 1 } else { 2 }
        )));
    }
    let mut embedding = Vec::with_capacity(n * n);
    for centre in 0..n {
        for neighbor in 0..n {
            let index = if one_side { neighbor } else { centre + n * neighbor };
            let item = &networks[index];
            embedding.push(if item.is_null() { None } else { Some(network(item, 1)?) });
        }
    }
    let width = embedding.iter().flatten().next().map_or(0, Network::outputs);
    if let Some(other) = embedding.iter().flatten().find(|net| net.outputs() != width) {
        return Err(collection
            .error(&format!("embedding nets of one width, not {width} and {}", other.outputs())));
    }
    let axis = at.get("axis_neuron")?.count()?;
    if axis == 0 || axis > width {
        return Err(at.get("axis_neuron")?.error(&format!("a number from 1 to {width}")));
    }
    let cutoff = at.get("rcut")?.number()?;
    let smooth_cutoff = at.get("rcut_smth")?.number()?;
    if !(cutoff > 0.0 && (0.0..cutoff).contains(&smooth_cutoff)) {
        return Err(at.get("rcut_smth")?.error(&format!("a distance from 0 to {cutoff}")));
    }
    let variables = at.get("@variables")?;
    let mean = statistics(&variables.get("davg")?, &sel, 0.0)?;
    let std = statistics(&variables.get("dstd")?, &sel, 1.0)?;
    if std.iter().flatten().any(|s| *s <= 0.0) {
        return Err(variables.get("dstd")?.error("positive numbers"));
    }
    let protection = match at.get("env_protection")? {
        value if value.is_null() => 0.0,
        value => value.number()?,
    };
    Ok(Descriptor {
        cutoff,
        smooth_cutoff,
        axis,
        protection,
        sel,
        one_side,
        embedding,
        mean,
        std,
        excluded,
        excluded_keep_padding: true,
        pair_excluded,
        mean_is_zero: at.get("set_davg_zero")?.flag(false)?,
    })
}

/// `(species, Σ sel, 4)` statistics as one row per (centre, neighbour): within the slots of one
/// neighbour species they must be equal, as DeePMD-kit makes them.
pub(super) fn statistics(
    at: &At<'_>,
    sel: &[usize],
    of_no_slots: f64,
) -> Result<Vec<[f64; 4]>, ModelError> {
    let (n, slots) = (sel.len(), sel.iter().sum::<usize>());
    let data = at.array_of(n * slots * 4)?;
    let mut rows = Vec::with_capacity(n * n);
    for centre in 0..n {
        let mut slot = 0;
        for count in sel {
            if *count == 0 {
                rows.push([of_no_slots; 4]);
                continue;
            }
            let row = |s: usize| -> [f64; 4] {
                std::array::from_fn(|c| data[(centre * slots + s) * 4 + c])
            };
            let first = row(slot);
            for s in slot..slot + count {
                if row(s).map(f64::to_bits) != first.map(f64::to_bits) {
                    return Err(at.error("equal statistics in all slots of a neighbour species"));
                }
            }
            rows.push(first);
            slot += count;
        }
    }
    Ok(rows)
}

type Fitting = (Vec<Network>, Vec<f64>, Vec<bool>);

fn fitting(at: &At<'_>, n: usize, inputs: usize) -> Result<Fitting, ModelError> {
    version(at, 1, 4)?;
    for (key, what) in [
        ("numb_fparam", "a model with frame parameters (fparam)"),
        ("numb_aparam", "a model with atomic parameters (aparam)"),
        ("dim_case_embd", "a model with case embeddings"),
    ] {
        let value = at.get(key)?;
        if !value.is_null() && value.count()? > 0 {
            return Err(at.unsupported(what.into(), CONVERT));
        }
    }
    if !at.get("spin")?.is_null() {
        return Err(at.unsupported("a spin model".into(), CONVERT));
    }
    if at.get("tot_ener_zero")?.flag(false)? {
        return Err(at.unsupported("a fitting net with tot_ener_zero".into(), CONVERT));
    }
    let mixed = at.get("mixed_types")?.flag(false)?;
    let collection = at.get("nets")?;
    let networks = collection.get("networks")?.items()?;
    let expected = if mixed { 1 } else { n };
    if networks.len() != expected {
        return Err(collection.error(&format!("{expected} fitting nets")));
    }
    let mut nets = Vec::with_capacity(n);
    for species in 0..n {
        let net = network(&networks[if mixed { 0 } else { species }], inputs)?;
        if net.outputs() != 1 {
            return Err(collection.error("fitting nets with one output"));
        }
        nets.push(net);
    }
    let mut bias = at.get("@variables")?.get("bias_atom_e")?.array_of(n)?;
    // with atom_ener given, DeePMD-kit subtracts what the net says about an isolated atom
    let given = at.get("atom_ener")?;
    if !given.is_empty_list() {
        let given = given.items()?;
        if given.iter().any(|item| !item.is_null()) {
            for species in 0..n {
                if given.get(species).is_none_or(|item| !item.is_null()) {
                    bias[species] -= nets[species].forward(&vec![0.0; inputs])[0];
                }
            }
        }
    }
    Ok((nets, bias, types(&at.get("exclude_types")?, n)?))
}

fn network(at: &At<'_>, inputs: usize) -> Result<Network, ModelError> {
    let mut layers: Vec<Layer> = Vec::new();
    for layer in at.get("layers")?.items()? {
        let variables = layer.get("@variables")?;
        let weight = variables.get("w")?;
        let array = weight.array()?;
        let [rows, columns] = array.shape[..] else { return Err(weight.error("a matrix")) };
        let before = layers.last().map_or(inputs, |l| l.outputs);
        if rows != before || columns == 0 {
            return Err(weight.error(&format!("a matrix with {before} rows")));
        }
        let name = match layer.get("activation_function")? {
            value if value.is_null() => "none",
            value => value.text()?,
        };
        let activation = Activation::parse(name)
            .ok_or_else(|| at.unsupported(format!("the activation function {name:?}"), CONVERT))?;
        let vector = |key: &str| -> Result<Option<Vec<f64>>, ModelError> {
            let value = variables.get(key)?;
            if value.is_null() { Ok(None) } else { value.array_of(columns).map(Some) }
        };
        layers.push(Layer {
            inputs: rows,
            outputs: columns,
            bias: vector("b")?.unwrap_or_else(|| vec![0.0; columns]),
            timestep: vector("idt")?,
            weight: array.data,
            activation,
            resnet: layer.get("resnet")?.flag(false)?,
        });
    }
    if layers.is_empty() {
        return Err(at.get("layers")?.error("at least one layer"));
    }
    Ok(Network { layers })
}

fn version(at: &At<'_>, low: usize, high: usize) -> Result<(), ModelError> {
    let value = at.get("@version")?;
    if value.is_null() || (low..=high).contains(&value.count()?) {
        return Ok(());
    }
    Err(value.error(&format!("a version from {low} to {high}")))
}

/// A symmetric matrix of excluded pairs.
pub(super) fn pairs(at: &At<'_>, n: usize) -> Result<Vec<bool>, ModelError> {
    let mut excluded = vec![false; n * n];
    if at.is_empty_list() {
        return Ok(excluded);
    }
    for pair in at.items()? {
        match pair.counts()?[..] {
            [i, j] if i < n && j < n => {
                excluded[i * n + j] = true;
                excluded[j * n + i] = true;
            }
            _ => return Err(pair.error(&format!("two species indices below {n}"))),
        }
    }
    Ok(excluded)
}

fn types(at: &At<'_>, n: usize) -> Result<Vec<bool>, ModelError> {
    let mut excluded = vec![false; n];
    if at.is_empty_list() {
        return Ok(excluded);
    }
    for species in at.counts()? {
        *excluded
            .get_mut(species)
            .ok_or_else(|| at.error(&format!("species indices below {n}")))? = true;
    }
    Ok(excluded)
}
