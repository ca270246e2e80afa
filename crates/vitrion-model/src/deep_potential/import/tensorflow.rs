//! Frozen TensorFlow graphs (`.pb`) of DeePMD-kit 1.x to 3.x → [`DeepPotential`].
//!
//! Only the constants of the graph are read, plus the training script that DeePMD-kit stores in
//! one of them. Nothing is executed.

use super::read_bytes;
use super::tree::{At, Node, file_name};
use crate::card::Card;
use crate::deep_potential::activation::Activation;
use crate::deep_potential::network::{Layer, Network};
use crate::deep_potential::{DeepPotential, Descriptor};
use crate::error::ModelError;
use prost::Message;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vitrion_core::SpeciesTable;

#[derive(Clone, PartialEq, Message)]
struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeDef>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeDef {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    op: String,
    #[prost(btree_map = "string, message", tag = "5")]
    attr: BTreeMap<String, AttrValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AttrValue {
    #[prost(float, tag = "4")]
    f: f32,
    #[prost(message, optional, tag = "8")]
    tensor: Option<TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShape>,
    #[prost(bytes = "vec", tag = "4")]
    content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    float_val: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    double_val: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    int_val: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    string_val: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "10")]
    int64_val: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
struct Dim {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// The constants of a graph by node name.
struct Graph {
    path: PathBuf,
    constants: BTreeMap<String, TensorProto>,
    /// `rcut_r` and `rcut_r_smth` of ProdEnvMatA: the graph computes with these, in f32.
    cutoffs: Option<(f64, f64)>,
    compressed: bool,
    /// Names and kinds of all operators.
    operators: Vec<(String, String)>,
}

impl Graph {
    fn read(path: &Path) -> Result<Graph, ModelError> {
        let damaged = |message: String| ModelError::Container {
            path: path.to_owned(),
            container: "frozen TensorFlow graph (.pb)",
            message,
        };
        let definition =
            GraphDef::decode(&read_bytes(path)?[..]).map_err(|e| damaged(e.to_string()))?;
        if definition.node.is_empty() {
            return Err(damaged("it holds no nodes".into()));
        }
        let mut graph = Graph {
            path: path.to_owned(),
            constants: BTreeMap::new(),
            cutoffs: None,
            compressed: false,
            operators: Vec::new(),
        };
        for node in definition.node {
            if node.op.starts_with("ProdEnvMat") {
                let attribute = |name: &str| node.attr.get(name).map(|a| f64::from(a.f));
                graph.cutoffs = attribute("rcut_r").zip(attribute("rcut_r_smth"));
            }
            graph.compressed |= node.op.starts_with("TabulateFusion");
            if node.op == "Const"
                && let Some(tensor) = node.attr.get("value").and_then(|a| a.tensor.clone())
            {
                graph.constants.insert(node.name, tensor);
            } else {
                graph.operators.push((node.name, node.op));
            }
        }
        Ok(graph)
    }

    fn field(&self, name: &str, expected: &str, found: &str) -> ModelError {
        ModelError::Field {
            path: self.path.clone(),
            field: name.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    fn unsupported(&self, what: &str, hint: &str) -> ModelError {
        ModelError::Unsupported {
            path: self.path.clone(),
            what: what.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<&TensorProto, ModelError> {
        self.constants.get(name).ok_or_else(|| self.field(name, "a constant", "no such node"))
    }

    fn text(&self, name: &str) -> Result<String, ModelError> {
        let tensor = self.tensor(name)?;
        match tensor.string_val.first() {
            Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            None => Err(self.field(name, "a text", "none")),
        }
    }

    /// Numbers of a constant; a single stored value fills the whole shape.
    fn numbers(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>), ModelError> {
        let tensor = self.tensor(name)?;
        let shape: Vec<usize> = tensor
            .shape
            .iter()
            .flat_map(|s| &s.dim)
            .map(|d| usize::try_from(d.size).unwrap_or(0))
            .collect();
        let count: usize = shape.iter().product();
        let words = |width: usize| tensor.content.chunks_exact(width);
        let mut data: Vec<f64> = match (tensor.dtype, tensor.content.is_empty()) {
            (1, false) => words(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes"))))
                .collect(),
            (1, true) => tensor.float_val.iter().map(|x| f64::from(*x)).collect(),
            (2, false) => {
                words(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
            }
            (2, true) => tensor.double_val.clone(),
            (3, false) => words(4)
                .map(|b| f64::from(i32::from_le_bytes(b.try_into().expect("4 bytes"))))
                .collect(),
            (3, true) => tensor.int_val.iter().map(|x| f64::from(*x)).collect(),
            (9, false) => words(8)
                .map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64)
                .collect(),
            (9, true) => tensor.int64_val.iter().map(|x| *x as f64).collect(),
            (other, _) => {
                return Err(self.field(name, "numbers", &format!("TensorFlow type {other}")));
            }
        };
        if data.len() == 1 && count > 1 {
            data = vec![data[0]; count];
        }
        if data.len() != count {
            return Err(self.field(
                name,
                &format!("{count} numbers of shape {shape:?}"),
                &format!("{}", data.len()),
            ));
        }
        if let Some(bad) = data.iter().find(|x| !x.is_finite()) {
            return Err(self.field(name, "finite numbers", &bad.to_string()));
        }
        Ok((shape, data))
    }

    fn vector(&self, name: &str, entries: usize) -> Result<Vec<f64>, ModelError> {
        let (shape, data) = self.numbers(name)?;
        if data.len() == entries {
            Ok(data)
        } else {
            Err(self.field(name, &format!("{entries} numbers"), &format!("shape {shape:?}")))
        }
    }

    fn scalar(&self, name: &str) -> Result<f64, ModelError> {
        Ok(self.vector(name, 1)?[0])
    }

    /// A layer from `matrix`, `bias` and optional `idt` nodes.
    fn layer(
        &self,
        [matrix, bias, idt]: [&str; 3],
        activation: Activation,
        resnet: bool,
    ) -> Result<Layer, ModelError> {
        let (shape, weight) = self.numbers(matrix)?;
        let [inputs, outputs] = shape[..] else {
            return Err(self.field(matrix, "a matrix", &format!("shape {shape:?}")));
        };
        let timestep = if self.has(idt) { Some(self.vector(idt, outputs)?) } else { None };
        Ok(Layer {
            inputs,
            outputs,
            weight,
            bias: self.vector(bias, outputs)?,
            timestep,
            activation,
            resnet,
        })
    }

    /// The embedding net of prefix `filter_type_all` or `filter_type_{i}` and neighbour species `j`.
    fn embedding(
        &self,
        prefix: &str,
        neighbor: usize,
        activation: Activation,
    ) -> Result<Option<Network>, ModelError> {
        let mut layers = Vec::new();
        while self.has(&format!("{prefix}/matrix_{}_{neighbor}", layers.len() + 1)) {
            let k = layers.len() + 1;
            layers.push(self.layer(
                [
                    &format!("{prefix}/matrix_{k}_{neighbor}"),
                    &format!("{prefix}/bias_{k}_{neighbor}"),
                    &format!("{prefix}/idt_{k}_{neighbor}"),
                ],
                activation,
                true,
            )?);
        }
        Ok(if layers.is_empty() { None } else { Some(Network { layers }) })
    }

    fn fitting(&self, suffix: &str, activation: Activation) -> Result<Network, ModelError> {
        let mut layers = Vec::new();
        while self.has(&format!("layer_{}{suffix}/matrix", layers.len())) {
            let prefix = format!("layer_{}{suffix}", layers.len());
            let names = ["matrix", "bias", "idt"].map(|part| format!("{prefix}/{part}"));
            // the first layer of a fitting net never has a skip connection in TensorFlow graphs
            let resnet = !layers.is_empty();
            let mut layer = self.layer([&names[0], &names[1], &names[2]], activation, resnet)?;
            // nor does it double its input
            layer.resnet &= layer.inputs == layer.outputs;
            layers.push(layer);
        }
        let prefix = format!("final_layer{suffix}");
        let names = ["matrix", "bias", "idt"].map(|part| format!("{prefix}/{part}"));
        layers.push(self.layer([&names[0], &names[1], &names[2]], Activation::Linear, false)?);
        Ok(Network { layers })
    }
}

/// Reads a frozen graph.
///
/// # Errors
/// Not a graph, a graph of another kind of model, or a compressed graph without its nets.
pub fn load(path: &Path) -> Result<DeepPotential, ModelError> {
    let graph = Graph::read(path)?;
    check_kind(&graph)?;
    let tmap = graph.text("model_attr/tmap")?;
    let symbols: Vec<&str> = tmap.split_whitespace().collect();
    let species = SpeciesTable::new(&symbols)
        .map_err(|e| graph.field("model_attr/tmap", "element symbols", &e.to_string()))?;
    let n = species.len();
    let script = script(&graph)?;
    let model = At::root(&script, path).get("model")?;
    let settings = model.get("descriptor")?;
    let fitting_settings = model.get("fitting_net")?;
    if let Node::Text(kind) = settings.get("type")?.node
        && kind != "se_a"
        && kind != "se_e2_a"
    {
        return Err(graph.unsupported(
            &format!("a descriptor of type {kind:?}"),
            "vitrion evaluates models of type se_e2_a",
        ));
    }
    let activation = activation_of(&graph, &settings, "filter_type_")?;
    let fitting_activation = activation_of(&graph, &fitting_settings, "layer_")?;

    let (_, sel) = graph.numbers("descrpt_attr/sel")?;
    let sel: Vec<usize> = sel.iter().map(|s| *s as usize).collect();
    if sel.len() != n {
        return Err(graph.field(
            "descrpt_attr/sel",
            &format!("{n} numbers, one per species"),
            &format!("{}", sel.len()),
        ));
    }
    let slots: usize = sel.iter().sum();
    let statistics = |name: &str, of_no_slots: f64| -> Result<Vec<[f64; 4]>, ModelError> {
        let node = Node::Array(super::tree::Array {
            shape: vec![n, slots, 4],
            data: graph.vector(name, n * slots * 4)?,
        });
        super::native::statistics(&At::root(&node, path), &sel, of_no_slots)
    };
    let one_side = graph.has("filter_type_all/matrix_1_0");
    let excluded = super::native::pairs(&settings.get("exclude_types")?, n)?;
    let mut embedding = Vec::with_capacity(n * n);
    for centre in 0..n {
        for neighbor in 0..n {
            let prefix = if one_side {
                "filter_type_all".to_owned()
            } else {
                format!("filter_type_{centre}")
            };
            let net = graph.embedding(&prefix, neighbor, activation)?;
            if net.is_none() && !excluded[centre * n + neighbor] && sel[neighbor] > 0 {
                return Err(if graph.compressed {
                    graph.unsupported(
                        "a compressed graph that no longer holds its embedding nets",
                        "use the graph from before `dp compress`; vitrion makes its own tables",
                    )
                } else {
                    graph.field(
                        &format!("{prefix}/matrix_1_{neighbor}"),
                        "an embedding net",
                        "no such node",
                    )
                });
            }
            embedding.push(net);
        }
    }
    let (cutoff, smooth_cutoff) = graph.cutoffs.ok_or_else(|| {
        graph.field("ProdEnvMatA", "an operator with rcut_r and rcut_r_smth", "no such node")
    })?;
    let fitting: Vec<Network> = (0..n)
        .map(|t| graph.fitting(&format!("_type_{t}"), fitting_activation))
        .collect::<Result<_, _>>()?;
    let width = embedding.iter().flatten().next().map_or(0, Network::outputs);
    let axis = match settings.get("axis_neuron")? {
        value if !value.is_null() => value.count()?,
        // the graph holds no training script: the widths of the nets say it
        _ => fitting[0].inputs() / width.max(1),
    };
    let protection = match settings.get("env_protection")? {
        value if value.is_null() => 0.0,
        value => value.number()?,
    };
    let descriptor = Descriptor {
        cutoff,
        smooth_cutoff,
        axis,
        protection,
        mean: statistics("descrpt_attr/t_avg", 0.0)?,
        std: statistics("descrpt_attr/t_std", 1.0)?,
        sel,
        one_side,
        embedding,
        excluded,
        excluded_keep_padding: false,
        pair_excluded: vec![false; n * n],
        mean_is_zero: settings.get("set_davg_zero")?.flag(false)?,
    };
    let inputs = width * axis;
    if let Some(net) = fitting.iter().find(|net| net.inputs() != inputs) {
        return Err(graph.field(
            "layer_0_type_0/matrix",
            &format!("{inputs} rows (embedding width × axis_neuron)"),
            &net.inputs().to_string(),
        ));
    }
    let energy_bias = if graph.has("fitting_attr/t_bias_atom_e") {
        graph.vector("fitting_attr/t_bias_atom_e", n)?
    } else {
        vec![0.0; n]
    };
    // DeePMD-kit 3 writes this constant under a doubled scope
    let out_bias = ["model_attr/model_attr/t_out_bias", "model_attr/t_out_bias"]
        .into_iter()
        .find(|name| graph.has(name))
        .map_or_else(|| Ok(vec![0.0; n]), |name| graph.vector(name, n))?;
    let card = Card {
        name: file_name(path),
        description: "Deep Potential read from a frozen TensorFlow graph".into(),
        software: format!(
            "deepmd-kit, graph version {}",
            graph.text("model_attr/model_version").unwrap_or_else(|_| "unknown".into())
        ),
        ..Card::default()
    };
    Ok(DeepPotential {
        species,
        descriptor,
        fitting,
        energy_bias,
        out_bias,
        fitting_excluded: vec![false; n],
        atom_excluded: vec![false; n],
        zbl: None,
        card,
    })
}

fn check_kind(graph: &Graph) -> Result<(), ModelError> {
    if !graph.has("model_attr/model_type") {
        return Err(graph.unsupported(
            "a TensorFlow graph without model_attr/model_type (not a DeePMD-kit model, or one \
             from before version 1.0)",
            "upgrade old models with DeePMD-kit: dp convert-from 0.12 -i old.pb -o new.pb",
        ));
    }
    let kind = graph.text("model_attr/model_type")?;
    if kind != "ener" {
        return Err(graph.unsupported(
            &format!("a model of type {kind:?}"),
            "vitrion evaluates energy models of type se_e2_a",
        ));
    }
    for (name, what) in [
        ("fitting_attr/dfparam", "frame parameters (fparam)"),
        ("fitting_attr/daparam", "atomic parameters (aparam)"),
    ] {
        if graph.has(name) && graph.scalar(name)? > 0.0 {
            return Err(
                graph.unsupported(&format!("a model with {what}"), "train a model without them")
            );
        }
    }
    if graph.has("model_attr/t_tab_info") {
        return Err(
            graph.unsupported("a model with a pair table (use_srtab)", "train a model without it")
        );
    }
    Ok(())
}

/// The training script stored in the graph; nothing where there is none.
fn script(graph: &Graph) -> Result<Node, ModelError> {
    if !graph.has("train_attr/training_script") {
        return Ok(Node::Null);
    }
    let text = graph.text("train_attr/training_script")?;
    let value: yaml_serde::Value = yaml_serde::from_str(&text)
        .map_err(|e| graph.field("train_attr/training_script", "JSON", &e.to_string()))?;
    super::tree::from_yaml(&value).map_err(|e| graph.field("train_attr/training_script", "JSON", e))
}

/// From the training script, or from the operators below a scope where the script is silent.
fn activation_of(graph: &Graph, settings: &At<'_>, scope: &str) -> Result<Activation, ModelError> {
    let setting = settings.get("activation_function")?;
    let name = if setting.is_null() {
        let used = |kind: &str| {
            graph.operators.iter().any(|(name, op)| name.starts_with(scope) && op == kind)
        };
        let known = [
            ("Tanh", "tanh"),
            ("GeluCustom", "gelu"),
            ("Relu6", "relu6"),
            ("Relu", "relu"),
            ("Softplus", "softplus"),
            ("Sigmoid", "sigmoid"),
        ];
        let found: Vec<&str> =
            known.iter().filter(|(op, _)| used(op)).map(|(_, name)| *name).collect();
        match found[..] {
            [one] => one,
            _ => {
                return Err(graph.field(
                    scope,
                    "one kind of activation operator (the graph holds no training script)",
                    &format!("{found:?}"),
                ));
            }
        }
    } else {
        setting.text()?
    };
    Activation::parse(name).ok_or_else(|| {
        graph.unsupported(&format!("the activation function {name:?}"), "use one of DeePMD-kit's")
    })
}
