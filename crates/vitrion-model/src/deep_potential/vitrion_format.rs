//! Vitrion's own model file: one safetensors file with all numbers, and hyperparameters, species
//! and card as JSON in its metadata.
//!
//! Numbers are stored as f64, or as f32 where that loses nothing (nets trained in single
//! precision), so a model survives the round trip exactly.

use super::activation::Activation;
use super::import::read_bytes;
use super::network::{Layer, Network};
use super::{DeepPotential, Descriptor};
use crate::card::Card;
use crate::error::ModelError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use vitrion_core::SpeciesTable;

const KEY: &str = "vitrion_deep_potential";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    species: Vec<String>,
    masses_amu: Vec<f64>,
    cutoff_a: f64,
    smooth_cutoff_a: f64,
    axis: usize,
    protection_a: f64,
    sel: Vec<usize>,
    one_side: bool,
    /// Nets in storage order: `n` of a one-side model, else `n × n`; `null` where a pair has none.
    embedding: Vec<Option<Vec<LayerHeader>>>,
    fitting: Vec<Vec<LayerHeader>>,
    excluded: Vec<bool>,
    excluded_keep_padding: bool,
    pair_excluded: Vec<bool>,
    fitting_excluded: Vec<bool>,
    atom_excluded: Vec<bool>,
    /// Inner and outer distance of the repulsion [Å].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zbl_a: Option<(f64, f64)>,
    mean_is_zero: bool,
    card: Card,
}

#[derive(Serialize, Deserialize)]
struct LayerHeader {
    inputs: usize,
    outputs: usize,
    activation: String,
    resnet: bool,
    timestep: bool,
}

/// Arrays on their way into a file.
#[derive(Default)]
struct Tensors(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn add(&mut self, name: String, shape: &[usize], data: &[f64]) {
        #[allow(clippy::float_cmp)] // exactness is what is asked
        let single = data.iter().all(|x| f64::from(*x as f32) == *x);
        let (dtype, bytes) = if single {
            (Dtype::F32, data.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect())
        } else {
            (Dtype::F64, data.iter().flat_map(|x| x.to_le_bytes()).collect())
        };
        self.0.push((name, dtype, shape.to_vec(), bytes));
    }

    fn network(&mut self, prefix: &str, network: &Network) -> Vec<LayerHeader> {
        let mut headers = Vec::new();
        for (k, layer) in network.layers.iter().enumerate() {
            let name = |part: &str| format!("{prefix}.{k}.{part}");
            self.add(name("weight"), &[layer.inputs, layer.outputs], &layer.weight);
            self.add(name("bias"), &[layer.outputs], &layer.bias);
            if let Some(timestep) = &layer.timestep {
                self.add(name("timestep"), &[layer.outputs], timestep);
            }
            headers.push(LayerHeader {
                inputs: layer.inputs,
                outputs: layer.outputs,
                activation: layer.activation.name(),
                resnet: layer.resnet,
                timestep: layer.timestep.is_some(),
            });
        }
        headers
    }
}

/// The file's bytes.
///
/// # Errors
/// Nothing known; serialisation of plain data.
pub fn to_bytes(model: &DeepPotential) -> Result<Vec<u8>, String> {
    let descriptor = &model.descriptor;
    let n = model.species.len();
    let mut tensors = Tensors::default();
    let nets = if descriptor.one_side { n } else { n * n };
    let embedding = descriptor.embedding[..nets]
        .iter()
        .enumerate()
        .map(|(k, net)| net.as_ref().map(|net| tensors.network(&format!("embedding.{k}"), net)))
        .collect();
    let fitting = model
        .fitting
        .iter()
        .enumerate()
        .map(|(k, net)| tensors.network(&format!("fitting.{k}"), net))
        .collect();
    tensors.add("descriptor.mean".into(), &[n, n, 4], descriptor.mean.as_flattened());
    tensors.add("descriptor.std".into(), &[n, n, 4], descriptor.std.as_flattened());
    tensors.add("energy_bias".into(), &[n], &model.energy_bias);
    tensors.add("out_bias".into(), &[n], &model.out_bias);
    let header = Header {
        format: FORMAT,
        species: model.species.symbols().to_vec(),
        masses_amu: (0..n)
            .map(|t| {
                let id = u8::try_from(t).expect("at most 255 species");
                model.species.mass(vitrion_core::SpeciesId(id))
            })
            .collect(),
        cutoff_a: descriptor.cutoff,
        smooth_cutoff_a: descriptor.smooth_cutoff,
        axis: descriptor.axis,
        protection_a: descriptor.protection,
        sel: descriptor.sel.clone(),
        one_side: descriptor.one_side,
        embedding,
        fitting,
        excluded: descriptor.excluded.clone(),
        excluded_keep_padding: descriptor.excluded_keep_padding,
        pair_excluded: descriptor.pair_excluded.clone(),
        fitting_excluded: model.fitting_excluded.clone(),
        atom_excluded: model.atom_excluded.clone(),
        zbl_a: model.zbl,
        mean_is_zero: descriptor.mean_is_zero,
        card: model.card.clone(),
    };
    let json = serde_json::to_string(&header).map_err(|e| e.to_string())?;
    let metadata = HashMap::from([(KEY.to_owned(), json)]);
    let views: Vec<(String, TensorView<'_>)> = tensors
        .0
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes)
                .map(|view| (name.clone(), view))
                .map_err(|e| e.to_string())
        })
        .collect::<Result<_, _>>()?;
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

/// Reads a model file.
///
/// # Errors
/// Not a safetensors file, not one of vitrion's, or one that is incomplete.
pub fn load(path: &Path) -> Result<DeepPotential, ModelError> {
    from_bytes(&read_bytes(path)?, path)
}

/// Reads the bytes of a model file; `path` is for messages.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<DeepPotential, ModelError> {
    let damaged = |message: String| ModelError::Container {
        path: path.to_owned(),
        container: "vitrion safetensors",
        message,
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let json = metadata
        .metadata()
        .as_ref()
        .and_then(|map| map.get(KEY))
        .ok_or_else(|| damaged(format!("its metadata has no {KEY:?}: not a vitrion model")))?;
    let header: Header =
        serde_json::from_str(json).map_err(|e| damaged(format!("metadata {KEY}: {e}")))?;
    if header.format != FORMAT {
        return Err(damaged(format!(
            "format {} of a newer vitrion; this one reads format {FORMAT}",
            header.format
        )));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let array = |name: &str, entries: usize| -> Result<Vec<f64>, ModelError> {
        let view = tensors.tensor(name).map_err(|e| damaged(format!("{name}: {e}")))?;
        let data: Vec<f64> = match view.dtype() {
            Dtype::F32 => view
                .data()
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes"))))
                .collect(),
            Dtype::F64 => view
                .data()
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")))
                .collect(),
            other => return Err(damaged(format!("{name}: unexpected type {other:?}"))),
        };
        if data.len() != entries {
            return Err(damaged(format!("{name}: {} numbers, expected {entries}", data.len())));
        }
        if data.iter().any(|x| !x.is_finite()) {
            return Err(damaged(format!("{name}: holds a number that is not finite")));
        }
        Ok(data)
    };
    let network = |prefix: &str, headers: &[LayerHeader]| -> Result<Network, ModelError> {
        let mut layers: Vec<Layer> = Vec::new();
        for (k, h) in headers.iter().enumerate() {
            let name = |part: &str| format!("{prefix}.{k}.{part}");
            if layers.last().is_some_and(|before| before.outputs != h.inputs) {
                return Err(damaged(format!("{prefix}: widths of layer {k} do not fit")));
            }
            layers.push(Layer {
                inputs: h.inputs,
                outputs: h.outputs,
                weight: array(&name("weight"), h.inputs * h.outputs)?,
                bias: array(&name("bias"), h.outputs)?,
                timestep: if h.timestep {
                    Some(array(&name("timestep"), h.outputs)?)
                } else {
                    None
                },
                activation: Activation::parse(&h.activation)
                    .ok_or_else(|| damaged(format!("unknown activation {:?}", h.activation)))?,
                resnet: h.resnet,
            });
        }
        Ok(Network { layers })
    };
    if header.zbl_a.is_some_and(|(inner, outer)| !(inner > 0.0 && inner < outer)) {
        return Err(damaged(format!(
            "zbl_a: expected 0 < inner < outer, found {:?}",
            header.zbl_a
        )));
    }
    let n = header.species.len();
    let mut species = SpeciesTable::new(&header.species).map_err(|e| damaged(e.to_string()))?;
    for (symbol, mass) in header.species.iter().zip(&header.masses_amu) {
        species = species.with_mass(symbol, *mass).map_err(|e| damaged(e.to_string()))?;
    }
    let nets = if header.one_side { n } else { n * n };
    let complete = header.embedding.len() == nets
        && header.fitting.len() == n
        && header.sel.len() == n
        && header.excluded.len() == n * n
        && header.pair_excluded.len() == n * n
        && header.fitting_excluded.len() == n
        && header.atom_excluded.len() == n;
    if !complete {
        return Err(damaged(format!("the header does not describe {n} species")));
    }
    let mut stored = Vec::with_capacity(nets);
    for (k, headers) in header.embedding.iter().enumerate() {
        stored.push(match headers {
            Some(headers) => Some(network(&format!("embedding.{k}"), headers)?),
            None => None,
        });
    }
    let embedding =
        (0..n * n).map(|pair| stored[if header.one_side { pair % n } else { pair }].clone());
    let rows = |name: &str| -> Result<Vec<[f64; 4]>, ModelError> {
        Ok(array(name, n * n * 4)?.as_chunks::<4>().0.to_vec())
    };
    let descriptor = Descriptor {
        cutoff: header.cutoff_a,
        smooth_cutoff: header.smooth_cutoff_a,
        axis: header.axis,
        protection: header.protection_a,
        sel: header.sel,
        one_side: header.one_side,
        embedding: embedding.collect(),
        mean: rows("descriptor.mean")?,
        std: rows("descriptor.std")?,
        excluded: header.excluded,
        excluded_keep_padding: header.excluded_keep_padding,
        pair_excluded: header.pair_excluded,
        mean_is_zero: header.mean_is_zero,
    };
    let fitting = header
        .fitting
        .iter()
        .enumerate()
        .map(|(k, headers)| network(&format!("fitting.{k}"), headers))
        .collect::<Result<Vec<_>, _>>()?;
    if fitting.iter().any(|net| net.inputs() != descriptor.width() * descriptor.axis) {
        return Err(damaged("the fitting nets do not fit the descriptor".into()));
    }
    Ok(DeepPotential {
        species,
        descriptor,
        fitting,
        energy_bias: array("energy_bias", n)?,
        out_bias: array("out_bias", n)?,
        fitting_excluded: header.fitting_excluded,
        atom_excluded: header.atom_excluded,
        zbl: header.zbl_a,
        card: header.card,
    })
}
