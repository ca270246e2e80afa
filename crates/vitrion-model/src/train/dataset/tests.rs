//! The packed store: made once, made anew when it must be, nothing half-made.

use super::*;
use std::fmt::Write as _;

/// Two frames of two sulphur and one lithium atom; `energy` goes into the labels of both.
fn text(symbol: &str, labels: &str) -> String {
    let mut out = String::new();
    for k in 0..2 {
        let label = labels.replace("ENERGY", &format!("{}.25", k + 1));
        let _ =
            writeln!(out, "3\nLattice=\"9 0 0 0 9 0 0 0 9\" Properties=species:S:1:pos:R:3{label}");
        let _ = writeln!(out, "S 0 0 0\n{symbol} 0 0 {}.5\nS 0 2.5 0", k + 2);
    }
    out
}

struct Home {
    folder: tempfile::TempDir,
    source: Source,
}

impl Home {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("frames.extxyz");
        std::fs::write(&path, text).expect("written");
        Home { source: Source { path, name: "a".into(), group: "g".into(), weight: 1.0 }, folder }
    }

    fn packed(&self) -> PathBuf {
        self.folder.path().join("frames.pack")
    }

    /// The data set, and whether sources were read for it.
    fn open(&self, species: &[&str]) -> Result<(Dataset, bool), DatasetError> {
        let read = std::cell::Cell::new(false);
        let species = SpeciesTable::new(species).expect("elements");
        let sources = std::slice::from_ref(&self.source);
        let options = ReadOptions::default();
        let data = Dataset::open(sources, &species, &self.packed(), &options, &|_| read.set(true))?;
        Ok((data, read.get()))
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn frames_are_numbered_and_mapped_to_the_species_asked_for() {
    let home = Home::new(&text("Li", " energy=ENERGY"));
    let (data, read) = home.open(&["Li", "P", "S"]).expect("readable");
    assert!(read);
    assert_eq!((data.len(), data.atoms(), data.systems()[0].frames.clone()), (2, 6, 0..2));
    let frame = data.frame(1);
    assert_eq!((frame.system, frame.number, frame.species), (0, 1, &[2, 0, 2][..]));
    assert_eq!((frame.energy, frame.forces, frame.virial), (Some(2.25), None, None));
    assert_eq!(home.files(), ["frames.extxyz", "frames.pack"], "no partial files are left");
    assert!(!home.open(&["Li", "P", "S"]).expect("readable").1, "packed frames are used again");
}

#[test]
fn other_species_are_packed_again() {
    let home = Home::new(&text("Li", " energy=ENERGY"));
    home.open(&["Li", "S"]).expect("readable");
    let (data, read) = home.open(&["S", "Li"]).expect("readable");
    assert!(read);
    assert_eq!(data.frame(0).species, [0, 1, 0]);
}

type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);

#[test]
fn damaged_files_are_made_anew() {
    let home = Home::new(&text("Li", " energy=ENERGY"));
    let (first, _) = home.open(&["Li", "S"]).expect("readable");
    let bytes = std::fs::read(home.packed()).expect("packed");
    let header = bytes.windows(8).position(|w| w == b"\"atoms\":").expect("a header") + 8;
    let damages: [(&str, Damage); 6] = [
        ("empty", &|b| b.clear()),
        ("cut in the header", &|b| b.truncate(40)),
        ("cut in the numbers", &|b| b.truncate(b.len() - 8)),
        ("another version", &|b| b[15] = b'0'),
        ("a flipped bit", &|b| *b.last_mut().expect("bytes") ^= 1),
        ("another number of atoms", &|b| b[header] = b'9'),
    ];
    for (what, damage) in damages {
        let mut spoilt = bytes.clone();
        damage(&mut spoilt);
        // renamed over the old file, which stays mapped
        let aside = home.folder.path().join("aside");
        std::fs::write(&aside, &spoilt).expect("written");
        std::fs::rename(&aside, home.packed()).expect("renamed");
        let (again, read) = home.open(&["Li", "S"]).expect("readable");
        assert!(read, "{what}: packed again");
        assert_eq!(again.fingerprint(), first.fingerprint(), "{what}");
        assert_eq!(std::fs::read(home.packed()).expect("packed"), bytes, "{what}");
    }
}

#[test]
fn unknown_elements_are_refused_with_file_frame_and_symbol() {
    let home = Home::new(&text("Na", " energy=ENERGY"));
    let message = home.open(&["Li", "S"]).expect_err("no Na").to_string();
    for part in ["frames.extxyz, frame 0: ", "Na", "Li, S"] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    assert_eq!(home.files(), ["frames.extxyz"], "nothing half-made is left");
}

#[test]
fn frames_without_labels_and_numbers_that_are_not_finite_are_refused() {
    let message = Home::new(&text("Li", "")).open(&["Li", "S"]).expect_err("refused").to_string();
    assert!(message.contains("frames.extxyz, frame 0: it has neither energy nor"), "{message}");
    let home = Home::new(&text("Li", " energy=nan"));
    let message = home.open(&["Li", "S"]).expect_err("refused").to_string();
    assert!(message.contains("frames.extxyz"), "{message}");
    assert_eq!(home.files(), ["frames.extxyz"]);
}
