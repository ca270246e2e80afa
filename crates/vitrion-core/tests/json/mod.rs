//! Arrays of fixtures, nested or not, as flat lists.

use serde_json::Value;
use vitrion_core::math::Vector3;

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

pub(crate) fn vectors(value: &Value) -> Vec<Vector3> {
    numbers(value).as_chunks::<3>().0.to_vec()
}
