//! The level of theory of a label.

use serde::{Deserialize, Serialize};

/// What decides the numbers of a label: method, basis, dispersion, thresholds. Things that only decide
/// how they are reached (minimiser, number of processes, paths) are no part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// "cp2k", "ase", "import", …
    pub engine: String,
    /// One line for people.
    pub description: String,
    /// Everything that decides the numbers.
    pub settings: serde_json::Value,
}

impl Level {
    /// Digits of [`Level::hash`] that are shown to people.
    pub const SHORT: usize = 8;

    /// BLAKE3 of engine and settings.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.engine.as_bytes());
        hasher.update(b"\n");
        hasher.update(sorted(&self.settings).to_string().as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// The level of frames that were labelled elsewhere, known by a name alone.
    pub fn imported(name: &str) -> Self {
        Level {
            engine: "import".to_owned(),
            description: format!("imported: {name}"),
            settings: serde_json::json!({ "name": name }),
        }
    }
}

/// The same value with keys in alphabetical order: the hash must not depend on the order of fields.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| key.as_str());
            Value::Object(keys.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_settings_and_not_on_their_order_or_the_description() {
        let level = |settings, description: &str| Level {
            engine: "cp2k".to_owned(),
            description: description.to_owned(),
            settings,
        };
        let a = level(serde_json::json!({"xc": "PBE", "d3": {"kind": "zero", "s8": 1.0}}), "a");
        let b = level(serde_json::json!({"d3": {"s8": 1.0, "kind": "zero"}, "xc": "PBE"}), "b");
        let c = level(serde_json::json!({"xc": "PBE"}), "a");
        assert_eq!(a.hash(), b.hash());
        assert_ne!(a.hash(), c.hash());
    }
}
