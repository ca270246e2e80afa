//! Columns of the atom lines that a [`Frame`] has no place for, as [`AtomColumn`]s.

use super::header::{Field, Kind};
use super::{Lines, read_frame};
use crate::columns::{AtomColumn, AtomValues};
use crate::frame::Frame;
use crate::io::IoError;
use crate::io::words::Words;
use std::collections::HashMap;
use std::path::Path;

/// Streams the frames of a file with all further columns of their atoms.
///
/// A column of numbers (`R`, or `I`, whose whole numbers are exact up to 2⁵³) becomes [`AtomValues::Real`];
/// one of words (`S`) or of truth values (`L`, as "T" and "F") [`AtomValues::Words`]. A column of three
/// reals is three columns, `name_x`, `name_y` and `name_z`; any other width makes `name_1`, `name_2`, …
/// Missing numbers are written `nan`.
pub struct ReaderWithColumns {
    lines: Lines,
    failed: bool,
}

impl ReaderWithColumns {
    /// Opens a file, `.gz` and `.zst` included.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        Ok(ReaderWithColumns { lines: Lines::open(path)?, failed: false })
    }
}

impl Iterator for ReaderWithColumns {
    type Item = Result<(Frame, Vec<AtomColumn>), IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut further = Further::default();
        let result = read_frame(&mut self.lines, Some(&mut further)).transpose();
        self.failed = matches!(result, Some(Err(_)));
        Some(result?.map(|frame| (frame, further.columns)))
    }
}

/// Further columns of one frame while it is read.
#[derive(Default)]
pub(super) struct Further {
    columns: Vec<AtomColumn>,
    /// Places of words in the lists of the columns.
    places: Vec<HashMap<String, u32>>,
}

impl Further {
    /// Makes a place for every column that the frame has none for.
    pub(super) fn begin(&mut self, fields: &[Field], lines: &Lines) -> Result<(), IoError> {
        for field in fields.iter().filter(|field| field.is_further()) {
            for part in 0..field.width {
                let name = match (field.width, field.kind) {
                    (1, _) => field.name.clone(),
                    (3, Kind::Real) => format!("{}_{}", field.name, ["x", "y", "z"][part]),
                    _ => format!("{}_{}", field.name, part + 1),
                };
                if self.columns.iter().any(|known| known.name == name) {
                    return Err(lines.error("a name of its own for every column", &name));
                }
                let values = match field.kind {
                    Kind::Real | Kind::Integer => AtomValues::Real(Vec::new()),
                    Kind::Text | Kind::Logical => {
                        AtomValues::Words { list: Vec::new(), of: Vec::new() }
                    }
                    Kind::Other => {
                        return Err(lines.error_with_hint(
                            format!("the kind of column {}", field.name),
                            "something else",
                            Some(
                                "kinds are S (word), R (real), I (whole number) and L (truth value)",
                            ),
                        ));
                    }
                };
                self.columns.push(AtomColumn { name, values });
                self.places.push(HashMap::new());
            }
        }
        Ok(())
    }

    /// Reads the words of a field, whose first column is number `column`.
    pub(super) fn read(
        &mut self,
        field: &Field,
        column: usize,
        words: &mut Words<'_>,
        lines: &Lines,
    ) -> Result<(), IoError> {
        for part in column..column + field.width {
            let AtomColumn { name, values } = &mut self.columns[part];
            let word = words.next().unwrap_or("");
            let wrong = |what: &str| {
                let found = if word.is_empty() { "the end of the line" } else { word };
                lines.error(format!("{what} in column {name}"), found)
            };
            match (field.kind, values) {
                (Kind::Real, AtomValues::Real(values)) => values.push(match word.parse::<f64>() {
                    Ok(value) if !value.is_infinite() => value,
                    _ => return Err(wrong("a number or nan")),
                }),
                (_, AtomValues::Real(values)) => values.push(match word.parse::<i64>() {
                    Ok(value) => value as f64,
                    Err(_) => return Err(wrong("a whole number")),
                }),
                (kind, AtomValues::Words { list, of }) => {
                    let word = match (kind, word) {
                        (_, "") => return Err(wrong("a word")),
                        (Kind::Logical, "T" | "True" | "true" | "1") => "T",
                        (Kind::Logical, "F" | "False" | "false" | "0") => "F",
                        (Kind::Logical, _) => return Err(wrong("T or F")),
                        (_, word) => word,
                    };
                    let next = list.len() as u32;
                    let place = self.places[part].get(word).copied().unwrap_or(next);
                    if place == next {
                        self.places[part].insert(word.to_owned(), next);
                        list.push(word.to_owned());
                    }
                    of.push(place);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::compression::Output;
    use crate::io::extxyz;
    use crate::testing::systems;

    const LATTICE: &str = "Lattice=\"5 0 0 0 5 0 0 0 5\"";

    fn read(text: &str) -> Result<Vec<(Frame, Vec<AtomColumn>)>, IoError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.extxyz");
        std::fs::write(&path, text).expect("written");
        ReaderWithColumns::open(&path)?.collect()
    }

    #[test]
    fn columns_survive_the_round_trip_packed_or_not() {
        let cell = systems::random_cell(4, 5.0, 9.0);
        let frame = Frame::from(systems::random_structure(4, &["Li", "S"], 6, cell, 1.0));
        let columns = [
            AtomColumn {
                name: "volume".into(),
                values: AtomValues::Real(vec![1.0 / 3.0, 2.5, f64::NAN, -1e-9, 0.0, 7.0]),
            },
            AtomColumn {
                name: "unit".into(),
                values: AtomValues::Words {
                    list: vec!["PS4".into(), "P2S6".into()],
                    of: vec![0, 1, 1, 0, 1, 0],
                },
            },
        ];
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["a.extxyz", "a.extxyz.gz", "a.extxyz.zst"] {
            let path = folder.path().join(name);
            let mut out = Output::create(&path, false).expect("new");
            for _ in 0..2 {
                extxyz::write_frame_with(&mut out, &frame, &columns).expect("written");
            }
            out.finish().expect("finished");
            let frames: Vec<_> = ReaderWithColumns::open(&path)
                .expect("there")
                .collect::<Result<_, _>>()
                .expect("readable");
            assert_eq!(frames.len(), 2, "{name}");
            for (back, found) in &frames {
                assert_eq!(*back, frame, "{name}");
                assert_eq!(found[1], columns[1], "{name}");
                let bits = |column: &AtomColumn| match &column.values {
                    AtomValues::Real(values) => values.iter().map(|x| x.to_bits()).collect(),
                    AtomValues::Words { .. } => Vec::new(),
                };
                assert_eq!(bits(&found[0]), bits(&columns[0]), "{name}");
            }
        }
    }

    #[test]
    fn wide_columns_are_split_and_every_kind_is_read() {
        let text = format!(
            "2\n{LATTICE} Properties=id:I:1:species:S:1:Z:I:1:pos:R:3:moved:R:3:pair:I:2:fixed:L:1\n\
             7 Li 3 0 0 0 0.5 0 -1 1 2 T\n8 S 16 1 1 1 1 2 3 3 4 False\n"
        );
        let frames = read(&text).expect("readable");
        let (frame, columns) = &frames[0];
        assert_eq!(frame.structure.formula(), "LiS");
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(
            names,
            ["id", "Z", "moved_x", "moved_y", "moved_z", "pair_1", "pair_2", "fixed"]
        );
        assert_eq!(columns[4].values, AtomValues::Real(vec![-1.0, 3.0]));
        assert_eq!(columns[6].values, AtomValues::Real(vec![2.0, 4.0]));
        let fixed = AtomValues::Words { list: vec!["T".into(), "F".into()], of: vec![0, 1] };
        assert_eq!(columns[7].values, fixed);
    }

    #[test]
    fn bad_columns_are_refused_with_their_line() {
        let cases = [
            ("q:R:1", "abc", "a.extxyz:3: expected a number or nan in column q, found \"abc\""),
            ("q:R:1", "inf", "a number or nan in column q"),
            ("q:R:1", "", "the end of the line"),
            ("q:I:1", "1.5", "a whole number in column q"),
            ("q:L:1", "yes", "T or F in column q"),
            ("q:X:1", "1", ":2: expected the kind of column q"),
            ("q:R:1:q:R:1", "1 2", ":2: expected a name of its own for every column"),
            ("q:R:1", "1 2", "6 columns"),
        ];
        for (properties, word, expected) in cases {
            let text = format!(
                "1\n{LATTICE} Properties=species:S:1:pos:R:3:{properties}\nLi 0 0 0 {word}\n"
            );
            let error = read(&text).expect_err(properties).to_string();
            assert!(error.contains(expected), "{properties} {word}: {error}");
        }
    }
}
