//! Models for other programs: DeePMD-kit's native tree as HDF5 (`.dp`) or YAML.

use super::network::Network;
use super::{DeepPotential, vitrion_format};
use crate::error::ModelError;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Writes the model; the kind follows from the name's ending.
///
/// # Errors
/// Unknown ending, a model the format cannot hold, or a file that cannot be written.
pub fn save(model: &DeepPotential, path: &Path) -> Result<(), ModelError> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    let refused = |message: String| ModelError::Export { path: path.to_owned(), message };
    let bytes = match ending.as_str() {
        "safetensors" => vitrion_format::to_bytes(model).map_err(refused)?,
        "dp" => to_hdf5(model).map_err(refused)?,
        "yaml" | "yml" => {
            let mut arrays = Vec::new();
            let tree = native_tree(model, &mut arrays).map_err(refused)?;
            let mut text = String::new();
            yaml(&tree, &arrays, 0, &mut text);
            text.into_bytes()
        }
        _ => {
            return Err(refused(
                "models are written as .safetensors (vitrion), .dp or .yaml (DeePMD-kit)".into(),
            ));
        }
    };
    write_atomically(path, &bytes)
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let failed = |doing| move |source| ModelError::Os { path: path.to_owned(), doing, source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes).map_err(failed("write the model"))?;
    std::fs::rename(&part, path).map_err(failed("rename the finished model"))
}

/// Shape and values of an exported array.
type NamedArray = (Vec<usize>, Vec<f64>);

/// The place of an array in the tree: `{"@array": index}`.
fn place(arrays: &mut Vec<NamedArray>, shape: &[usize], data: &[f64]) -> Value {
    arrays.push((shape.to_vec(), data.to_vec()));
    json!({ "@array": arrays.len() - 1 })
}

fn native_tree(model: &DeepPotential, arrays: &mut Vec<NamedArray>) -> Result<Value, String> {
    if let Some((inner, outer)) = model.zbl {
        return Err(format!(
            "the model has a repulsion inside (ZBL from {inner} to {outer} Å), which DeePMD-kit's \
             formats describe as a table only; write .safetensors, or train a last stage without zbl"
        ));
    }
    let descriptor = &model.descriptor;
    let n = model.species.len();
    let any_excluded = descriptor.excluded.iter().any(|x| *x);
    if any_excluded && !descriptor.excluded_keep_padding {
        let has_padding = descriptor.mean.iter().flatten().any(|x| x.abs() > 0.0);
        if has_padding {
            return Err("exclude_types of a TensorFlow graph with a non-zero mean cannot be \
                        written in DeePMD-kit's native format, which pads excluded pairs"
                .into());
        }
    }
    // T = 1/N_m needs every slot; statistics are repeated per slot
    let per_slot = |rows: &[[f64; 4]]| -> Vec<f64> {
        let mut data = Vec::new();
        for centre in 0..n {
            for neighbor in 0..n {
                for _ in 0..descriptor.sel[neighbor] {
                    data.extend(rows[centre * n + neighbor]);
                }
            }
        }
        data
    };
    let slots = descriptor.slots();
    let out_bias = place(arrays, &[1, n, 1], &model.out_bias);
    let out_std = place(arrays, &[1, n, 1], &vec![1.0; n]);
    let davg = place(arrays, &[n, slots, 4], &per_slot(&descriptor.mean));
    let dstd = place(arrays, &[n, slots, 4], &per_slot(&descriptor.std));
    let nets: Vec<Value> = if descriptor.one_side {
        (0..n)
            .map(|t| descriptor.embedding[t].as_ref())
            .map(|net| net_or_null(net, arrays))
            .collect()
    } else {
        // index = centre + n · neighbour
        (0..n * n)
            .map(|k| descriptor.embedding[(k % n) * n + k / n].as_ref())
            .map(|net| net_or_null(net, arrays))
            .collect()
    };
    let first = descriptor
        .embedding
        .iter()
        .flatten()
        .next()
        .ok_or("a model without any embedding net cannot be written")?;
    let fitting_first = &model.fitting[0];
    let bias = place(arrays, &[n, 1], &model.energy_bias);
    let fitting_nets: Vec<Value> =
        model.fitting.iter().map(|net| network(net, "FittingNetwork", arrays)).collect();
    let hidden = fitting_first.layers.len() - 1;
    let pairs = |flags: &[bool]| -> Vec<[usize; 2]> {
        (0..n).flat_map(|i| (i..n).map(move |j| [i, j])).filter(|[i, j]| flags[i * n + j]).collect()
    };
    let types = |flags: &[bool]| -> Vec<usize> { (0..n).filter(|t| flags[*t]).collect() };
    let descriptor_tree = json!({
        "@class": "Descriptor",
        "type": "se_e2_a",
        "@version": 2,
        "rcut": descriptor.cutoff,
        "rcut_smth": descriptor.smooth_cutoff,
        "sel": descriptor.sel,
        "neuron": widths(first),
        "axis_neuron": descriptor.axis,
        "resnet_dt": first.layers.iter().any(|l| l.timestep.is_some()),
        "trainable": true,
        "type_one_side": descriptor.one_side,
        "exclude_types": pairs(&descriptor.excluded),
        "env_protection": descriptor.protection,
        "set_davg_zero": descriptor.mean_is_zero,
        "activation_function": first.layers[0].activation.name(),
        "precision": "float64",
        "spin": null,
        "env_mat": {
            "rcut": descriptor.cutoff,
            "rcut_smth": descriptor.smooth_cutoff,
            "protection": descriptor.protection,
            "use_exp_switch": false,
        },
        "embeddings": {
            "@class": "NetworkCollection",
            "@version": 1,
            "ndim": if descriptor.one_side { 1 } else { 2 },
            "ntypes": n,
            "network_type": "embedding_network",
            "networks": nets,
        },
        "@variables": { "davg": davg, "dstd": dstd },
        "type_map": model.species.symbols(),
    });
    let fitting_tree = json!({
        "@class": "Fitting",
        "type": "ener",
        "@version": 4,
        "var_name": "energy",
        "ntypes": n,
        "dim_descrpt": descriptor.width() * descriptor.axis,
        "dim_out": 1,
        "neuron": widths(fitting_first)[..hidden].to_vec(),
        "resnet_dt": fitting_first.layers.iter().any(|l| l.timestep.is_some()),
        "numb_fparam": 0,
        "numb_aparam": 0,
        "dim_case_embd": 0,
        "default_fparam": null,
        "rcond": null,
        "activation_function": fitting_first.layers[0].activation.name(),
        "precision": "float64",
        "mixed_types": false,
        "exclude_types": types(&model.fitting_excluded),
        "nets": {
            "@class": "NetworkCollection",
            "@version": 1,
            "ndim": 1,
            "ntypes": n,
            "network_type": "fitting_network",
            "networks": fitting_nets,
        },
        "@variables": {
            "bias_atom_e": bias,
            "case_embd": null,
            "fparam_avg": null,
            "fparam_inv_std": null,
            "aparam_avg": null,
            "aparam_inv_std": null,
        },
        "type_map": model.species.symbols(),
        "tot_ener_zero": false,
        "trainable": vec![true; hidden + 1],
        "layer_name": null,
        "use_aparam_as_mask": false,
        "spin": null,
        "atom_ener": null,
    });
    Ok(json!({
        "software": "vitrion",
        "version": env!("CARGO_PKG_VERSION"),
        "backend": "dpmodel",
        "dp_version": "3.2.0",
        "model_def_script": { "type_map": model.species.symbols() },
        "@variables": {},
        "model": {
            "@class": "Model",
            "type": "standard",
            "@version": 2,
            "type_map": model.species.symbols(),
            "atom_exclude_types": types(&model.atom_excluded),
            "pair_exclude_types": pairs(&descriptor.pair_excluded),
            "rcond": null,
            "preset_out_bias": null,
            "@variables": { "out_bias": out_bias, "out_std": out_std },
            "descriptor": descriptor_tree,
            "fitting": fitting_tree,
        },
    }))
}

fn widths(net: &Network) -> Vec<usize> {
    net.layers.iter().map(|layer| layer.outputs).collect()
}

fn net_or_null(net: Option<&Network>, arrays: &mut Vec<NamedArray>) -> Value {
    net.map_or(Value::Null, |net| network(net, "EmbeddingNetwork", arrays))
}

fn network(net: &Network, class: &str, arrays: &mut Vec<NamedArray>) -> Value {
    let embedding = class == "EmbeddingNetwork";
    let layers: Vec<Value> = net
        .layers
        .iter()
        .map(|layer| {
            let w = place(arrays, &[layer.inputs, layer.outputs], &layer.weight);
            let b = place(arrays, &[layer.outputs], &layer.bias);
            let idt = layer
                .timestep
                .as_ref()
                .map_or(Value::Null, |idt| place(arrays, &[layer.outputs], idt));
            json!({
                "@class": "Layer",
                "@version": 2,
                "bias": true,
                "use_timestep": layer.timestep.is_some(),
                "activation_function": layer.activation.name(),
                "resnet": layer.resnet,
                "precision": "float64",
                "trainable": true,
                "@variables": { "w": w, "b": b, "idt": idt },
            })
        })
        .collect();
    let mut widths = widths(net);
    if !embedding {
        widths.pop();
    }
    let mut tree = json!({
        "@class": class,
        "@version": if embedding { 2 } else { 1 },
        "in_dim": net.inputs(),
        "neuron": widths,
        "activation_function": net.layers[0].activation.name(),
        "resnet_dt": net.layers.iter().any(|l| l.timestep.is_some()),
        "precision": "float64",
        "layers": layers,
    });
    let map = tree.as_object_mut().expect("made as an object");
    if embedding {
        map.insert("bias".into(), json!(true));
    } else {
        map.insert("out_dim".into(), json!(net.outputs()));
        map.insert("bias_out".into(), json!(true));
    }
    tree
}

fn to_hdf5(model: &DeepPotential) -> Result<Vec<u8>, String> {
    let mut arrays = Vec::new();
    let mut tree = native_tree(model, &mut arrays)?;
    name_variables(&mut tree);
    let mut builder = hdf5_pure::FileBuilder::new();
    for (index, (shape, data)) in arrays.iter().enumerate() {
        let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
        builder.create_dataset(&variable(index)).with_f64_data(data).with_shape(&shape);
    }
    let json = serde_json::to_string(&tree).map_err(|e| e.to_string())?;
    builder.set_attr("json", hdf5_pure::AttrValue::String(json));
    builder.finish().map_err(|e| e.to_string())
}

fn variable(index: usize) -> String {
    format!("variable_{index:04}")
}

/// Replaces `{"@array": k}` by the name of its dataset.
fn name_variables(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(index) = map.get("@array").and_then(Value::as_u64) {
                *value = Value::String(format!("/{}", variable(index as usize)));
                return;
            }
            map.values_mut().for_each(name_variables);
        }
        Value::Array(items) => items.iter_mut().for_each(name_variables),
        _ => {}
    }
}

/// Block-style YAML 1.1 that PyYAML reads: numbers always with a point or without an exponent.
fn yaml(value: &Value, arrays: &[NamedArray], depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Object(map) => {
            if let Some(index) = map.get("@array").and_then(Value::as_u64) {
                let (shape, data) = &arrays[index as usize];
                let _ = write!(
                    out,
                    "\n{pad}'@class': np.ndarray\n{pad}'@is_variable': true\n{pad}'@version': 1\n\
                     {pad}dtype: float64\n{pad}value: "
                );
                flow_array(shape, data, out);
                out.push('\n');
                return;
            }
            out.push('\n');
            for (key, item) in map {
                let _ = write!(out, "{pad}'{key}':");
                yaml(item, arrays, depth + 1, out);
            }
        }
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Array(items) => {
            out.push('\n');
            for item in items {
                let _ = write!(out, "{pad}-");
                yaml(item, arrays, depth + 1, out);
            }
        }
        Value::Number(number) if number.is_f64() => {
            let _ = writeln!(out, " {}", yaml_number(number.as_f64().unwrap_or(f64::NAN)));
        }
        other => {
            let _ = writeln!(out, " {other}");
        }
    }
}

fn flow_array(shape: &[usize], data: &[f64], out: &mut String) {
    out.push('[');
    let inner: usize = shape[1..].iter().product();
    for (k, part) in data.chunks(inner.max(1)).enumerate() {
        if k > 0 {
            out.push_str(", ");
        }
        if shape.len() == 1 {
            out.push_str(&yaml_number(part[0]));
        } else {
            flow_array(&shape[1..], part, out);
        }
    }
    out.push(']');
}

/// The shortest text that reads back exactly; YAML 1.1 wants a point and a signed exponent.
fn yaml_number(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let mantissa =
                if mantissa.contains('.') { mantissa.to_owned() } else { format!("{mantissa}.0") };
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            format!("{mantissa}e{sign}{exponent}")
        }
    }
}
