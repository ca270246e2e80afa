//! Properties of atoms that an analysis found, beside those that a frame carries itself.

/// A property of every atom.
#[derive(Debug, Clone, PartialEq)]
pub struct AtomColumn {
    /// For example "voronoi_volume": letters, digits and `_`.
    pub name: String,
    /// By atom.
    pub values: AtomValues,
}

/// Values of an [`AtomColumn`].
#[derive(Debug, Clone, PartialEq)]
pub enum AtomValues {
    /// Numbers; NaN for atoms without one.
    Real(Vec<f64>),
    /// Words, by their place in a list.
    Words { list: Vec<String>, of: Vec<u32> },
}
