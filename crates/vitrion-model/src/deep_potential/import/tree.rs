//! DeePMD-kit's serialised models as a tree, whatever the container (HDF5, YAML, JSON).

use super::read_bytes;
use crate::error::ModelError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    Array(Array),
}

/// A dense array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

/// A node together with where it stands, for messages.
#[derive(Debug, Clone)]
pub struct At<'a> {
    pub node: &'a Node,
    path: &'a Path,
    field: String,
}

impl Node {
    fn kind(&self) -> String {
        match self {
            Node::Null => "nothing".into(),
            Node::Bool(value) => value.to_string(),
            Node::Number(value) => value.to_string(),
            Node::Text(text) => format!("{text:?}"),
            Node::List(items) => format!("a list of {}", items.len()),
            Node::Map(_) => "a table".into(),
            Node::Array(array) => format!("an array of shape {:?}", array.shape),
        }
    }
}

impl<'a> At<'a> {
    /// The root of a file.
    pub fn root(node: &'a Node, path: &'a Path) -> Self {
        At { node, path, field: String::new() }
    }

    /// An error about this place.
    pub fn error(&self, expected: &str) -> ModelError {
        ModelError::Field {
            path: self.path.to_owned(),
            field: if self.field.is_empty() { "the file".into() } else { self.field.clone() },
            expected: expected.to_owned(),
            found: self.node.kind(),
        }
    }

    /// A refusal that names this file.
    pub fn unsupported(&self, what: String, hint: &str) -> ModelError {
        ModelError::Unsupported { path: self.path.to_owned(), what, hint: hint.to_owned() }
    }

    fn child(&self, node: &'a Node, name: &str) -> At<'a> {
        let field =
            if self.field.is_empty() { name.to_owned() } else { format!("{}.{name}", self.field) };
        At { node, path: self.path, field }
    }

    /// A key of a table; absent keys are `Null`, and so is everything below an absent table.
    pub fn get(&self, key: &str) -> Result<At<'a>, ModelError> {
        match self.node {
            Node::Null => Ok(self.child(&Node::Null, key)),
            Node::Map(map) => Ok(self.child(map.get(key).unwrap_or(&Node::Null), key)),
            _ => Err(self.error("a table")),
        }
    }

    /// True for an absent key or an explicit null.
    pub fn is_null(&self) -> bool {
        *self.node == Node::Null
    }

    /// Items of a list.
    pub fn items(&self) -> Result<Vec<At<'a>>, ModelError> {
        match self.node {
            Node::List(items) => {
                Ok(items.iter().enumerate().map(|(i, n)| self.child(n, &i.to_string())).collect())
            }
            _ => Err(self.error("a list")),
        }
    }

    /// A number.
    pub fn number(&self) -> Result<f64, ModelError> {
        match self.node {
            Node::Number(value) if value.is_finite() => Ok(*value),
            _ => Err(self.error("a finite number")),
        }
    }

    /// A number that is a count.
    pub fn count(&self) -> Result<usize, ModelError> {
        let value = self.number()?;
        if value >= 0.0 && value.fract() == 0.0 && value < 1e9 {
            Ok(value as usize)
        } else {
            Err(self.error("a whole number"))
        }
    }

    /// true or false, with a default where the key is absent.
    pub fn flag(&self, default: bool) -> Result<bool, ModelError> {
        match self.node {
            Node::Bool(value) => Ok(*value),
            Node::Null => Ok(default),
            _ => Err(self.error("true or false")),
        }
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str, ModelError> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.error("a text")),
        }
    }

    /// A list of counts.
    pub fn counts(&self) -> Result<Vec<usize>, ModelError> {
        self.items()?.iter().map(At::count).collect()
    }

    /// True for an absent key, null, or an empty list.
    pub fn is_empty_list(&self) -> bool {
        match self.node {
            Node::Null => true,
            Node::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// An array, which may be stored as nested lists of numbers.
    pub fn array(&self) -> Result<Array, ModelError> {
        let array = match self.node {
            Node::Array(array) => array.clone(),
            Node::List(_) => nested(self.node).ok_or_else(|| self.error("an array of numbers"))?,
            _ => return Err(self.error("an array")),
        };
        match array.data.iter().position(|x| !x.is_finite()) {
            Some(index) => Err(ModelError::Field {
                path: self.path.to_owned(),
                field: self.field.clone(),
                expected: "finite numbers".into(),
                found: format!("{} at flat index {index}", array.data[index]),
            }),
            None => Ok(array),
        }
    }

    /// An array with a given number of entries.
    pub fn array_of(&self, entries: usize) -> Result<Vec<f64>, ModelError> {
        let array = self.array()?;
        if array.data.len() == entries {
            Ok(array.data)
        } else {
            Err(self.error(&format!("{entries} numbers")))
        }
    }
}

/// Nested lists of numbers as an array, if they are rectangular.
fn nested(node: &Node) -> Option<Array> {
    match node {
        Node::Number(value) => Some(Array { shape: vec![], data: vec![*value] }),
        Node::List(items) => {
            let mut shape = None;
            let mut data = Vec::new();
            for item in items {
                let part = nested(item)?;
                if *shape.get_or_insert_with(|| part.shape.clone()) != part.shape {
                    return None;
                }
                data.extend(part.data);
            }
            let mut full = vec![items.len()];
            full.extend(shape.unwrap_or_default());
            Some(Array { shape: full, data })
        }
        _ => None,
    }
}

/// Reads DeePMD-kit's HDF5 container: root attribute `json` and datasets that it names.
///
/// # Errors
/// Not HDF5, no such attribute, or a dataset that is missing or not numeric.
pub fn read_hdf5(path: &Path) -> Result<Node, ModelError> {
    let damaged = |message: String| ModelError::Container {
        path: path.to_owned(),
        container: "DeePMD-kit HDF5 (.dp)",
        message,
    };
    let file =
        hdf5_pure::File::from_bytes(read_bytes(path)?).map_err(|e| damaged(e.to_string()))?;
    let attributes = file.root().attrs().map_err(|e| damaged(e.to_string()))?;
    let text = match attributes.get("json") {
        Some(
            hdf5_pure::AttrValue::String(text)
            | hdf5_pure::AttrValue::AsciiString(text)
            | hdf5_pure::AttrValue::VarLenString(text)
            | hdf5_pure::AttrValue::VarLenAsciiString(text),
        ) => text.clone(),
        Some(hdf5_pure::AttrValue::StringArray(items)) if items.len() == 1 => items[0].clone(),
        Some(_) => return Err(damaged("its root attribute \"json\" is not a text".into())),
        None => return Err(damaged("it has no root attribute \"json\"".into())),
    };
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| damaged(format!("attribute \"json\": {e}")))?;
    let dataset = |name: &str| -> Result<Node, ModelError> {
        let at = |e: hdf5_pure::Error| damaged(format!("dataset {name:?}: {e}"));
        let dataset = file.dataset(name.trim_start_matches('/')).map_err(at)?;
        let shape = dataset.shape().map_err(at)?;
        let data = dataset.read_f64().map_err(at)?;
        Ok(Node::Array(Array { shape: shape.iter().map(|n| *n as usize).collect(), data }))
    };
    from_json(&json, &dataset, false)
}

/// `variables` is true inside an "@variables" table, where texts name datasets.
fn from_json(
    value: &serde_json::Value,
    dataset: &dyn Fn(&str) -> Result<Node, ModelError>,
    variables: bool,
) -> Result<Node, ModelError> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => Node::Null,
        Value::Bool(flag) => Node::Bool(*flag),
        Value::Number(number) => Node::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(name) if variables && name.contains("variable_") => dataset(name)?,
        Value::String(text) => Node::Text(text.clone()),
        Value::Array(items) => Node::List(
            items.iter().map(|v| from_json(v, dataset, variables)).collect::<Result<_, _>>()?,
        ),
        Value::Object(map) => {
            let mut result = BTreeMap::new();
            for (key, v) in map {
                let inside = variables || key == "@variables";
                result.insert(key.clone(), from_json(v, dataset, inside)?);
            }
            Node::Map(result)
        }
    })
}

/// Reads DeePMD-kit's YAML (or JSON) container.
///
/// # Errors
/// Not YAML, or not a tree of the known kinds.
pub fn read_yaml(path: &Path) -> Result<Node, ModelError> {
    let damaged = |message: String| ModelError::Container {
        path: path.to_owned(),
        container: "DeePMD-kit YAML",
        message,
    };
    let bytes = read_bytes(path)?;
    let value: yaml_serde::Value =
        yaml_serde::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    from_yaml(&value).map_err(|message| damaged(message.to_owned()))
}

pub(super) fn from_yaml(value: &yaml_serde::Value) -> Result<Node, &'static str> {
    use yaml_serde::Value;
    Ok(match value {
        Value::Null => Node::Null,
        Value::Bool(flag) => Node::Bool(*flag),
        Value::Number(number) => Node::Number(number.as_f64().unwrap_or(f64::NAN)),
        // YAML 1.1 writers leave exponents such as 1e-05 that YAML 1.2 readers see as texts
        Value::String(text) => match text.parse::<f64>() {
            Ok(number) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Node::Number(number)
            }
            _ => Node::Text(text.clone()),
        },
        Value::Sequence(items) => {
            Node::List(items.iter().map(from_yaml).collect::<Result<_, _>>()?)
        }
        Value::Mapping(map) => {
            let mut result = BTreeMap::new();
            for (key, v) in map {
                let key = key.as_str().ok_or("a key that is not a text")?;
                result.insert(key.to_owned(), from_yaml(v)?);
            }
            match result.get("@class") {
                Some(Node::Text(class)) if class == "np.ndarray" => {
                    let values = result.get("value").ok_or("an array without value")?;
                    Node::Array(nested(values).ok_or("an array that is not rectangular")?)
                }
                _ => Node::Map(result),
            }
        }
        Value::Tagged(tagged) => from_yaml(&tagged.value)?,
    })
}

/// The name of a file for a card.
pub(crate) fn file_name(path: &Path) -> String {
    PathBuf::from(path).file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}
