use super::super::{Equivalence, Origin, RunInfo, key};
use super::*;
use vitrion_core::{Cell, Frame, Labels, Structure};

fn frame(x: f64) -> Frame {
    let cell = Cell::orthorhombic([5.0, 6.0, 7.0]).expect("a box");
    let structure = Structure::new(cell, &["Li", "S"], vec![[0.1, 0.2, x], [2.5, 3.0, 3.5]]);
    let labels = Labels {
        energy: Some(-3.25 - x),
        forces: Some(vec![[0.1, -0.2, 1.0 / 3.0], [-0.1, 0.2, -1.0 / 3.0]]),
        virial: Some([[1.0, 0.5, 0.0], [0.5, 2.0, 0.0], [0.0, 0.0, 3.0]]),
        atom_energies: None,
    };
    Frame { labels, ..structure.expect("elements").into() }
}

fn record(level: &str, x: f64) -> Record {
    let (run, origin) = (RunInfo::default(), Origin::default());
    let record = LabelRecord::new(level, &frame(x), run, origin, "2026-01-01T00:00:00Z".into());
    Record::Label(Box::new(record.expect("labelled")))
}

fn level(name: &str) -> Level {
    Level::imported(name)
}

#[test]
fn what_is_appended_is_read_back_bit_by_bit_and_only_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = level("a").hash();
    let mut store = Store::open(folder.path()).expect("a new store");
    let first = vec![Record::Level(level("a")), record(&hash, 0.1), record(&hash, 0.1)];
    store.append(first).expect("written");
    store.append(vec![record(&hash, 0.1), record(&hash, 1.0 / 3.0)]).expect("written");
    assert_eq!(store.labels().len(), 2);
    drop(store);
    let store = Store::read(folder.path()).expect("whole");
    assert_eq!(store.labels().len(), 2);
    let found = store.label(&key(&hash, &frame(1.0 / 3.0).structure)).expect("by content");
    assert_eq!(found.frame().expect("a frame"), frame(1.0 / 3.0));
    assert_eq!(fs::read_to_string(folder.path().join(FILE)).expect("text").lines().count(), 3);
    assert!(store.label(&key("another level", &frame(0.1).structure)).is_none());
}

#[test]
fn a_line_that_was_being_written_is_set_aside_wherever_it_was_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = level("a").hash();
    let path = folder.path().join(FILE);
    let mut store = Store::open(folder.path()).expect("a new store");
    store.append(vec![Record::Level(level("a")), record(&hash, 0.1)]).expect("written");
    let whole = fs::read(&path).expect("written").len();
    store.append(vec![record(&hash, 0.2)]).expect("written");
    drop(store);
    let bytes = fs::read(&path).expect("written");
    for end in whole + 1..bytes.len() {
        fs::write(&path, &bytes[..end]).expect("cut");
        let mut store = Store::open(folder.path()).expect("repaired");
        assert_eq!((store.labels().len(), store.set_aside), (1, end - whole), "cut at {end}");
        assert_eq!(fs::metadata(&path).expect("there").len(), whole as u64);
        if end % 50 == 0 {
            store.append(vec![record(&hash, 0.2)]).expect("goes on");
            assert_eq!(Store::read(folder.path()).expect("whole").labels().len(), 2);
        }
    }
    assert!(folder.path().join(TORN).exists(), "nothing is thrown away");
}

#[test]
fn a_changed_number_is_noticed_and_named_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = level("a").hash();
    let mut store = Store::open(folder.path()).expect("a new store");
    store
        .append(vec![Record::Level(level("a")), record(&hash, 0.1), record(&hash, 0.2)])
        .expect("written");
    drop(store);
    let path = folder.path().join(FILE);
    let text = fs::read_to_string(&path).expect("text");
    fs::write(&path, text.replacen("-3.35", "-3.36", 1)).expect("changed");
    let error = Store::read(folder.path()).expect_err("changed").to_string();
    assert!(error.contains("labels.jsonl:2: the checksum is"), "{error}");
    assert!(error.contains("Restore the file from a copy"), "{error}");
}

#[test]
fn two_processes_do_not_write_and_a_reader_may_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path()).expect("a new store");
    let hash = level("a").hash();
    store.append(vec![Record::Level(level("a")), record(&hash, 0.1)]).expect("written");
    let error = Store::open(folder.path()).expect_err("locked");
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let mut reader = Store::read(folder.path()).expect("readable");
    assert_eq!(reader.labels().len(), 1);
    assert!(reader.append(vec![record(&hash, 0.3)]).is_err(), "a reader cannot write");
    let error = Store::read(&folder.path().join("none")).expect_err("no store");
    assert!(error.to_string().contains("there is no label store here"), "{error}");
}

#[test]
fn levels_are_not_mixed_unless_they_were_shown_to_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, c] = ["a", "b", "c"].map(|name| level(name).hash());
    let mut store = Store::open(folder.path()).expect("a new store");
    let mut records: Vec<Record> = ["a", "b", "c"].map(|n| Record::Level(level(n))).to_vec();
    records.extend([record(&a, 0.1), record(&b, 0.1), record(&c, 0.1), record(&c, 0.2)]);
    store.append(records).expect("written");
    let error = store.of_level(None).expect_err("three levels").to_string();
    assert!(error.contains("labels of 3 levels, which must not be mixed"), "{error}");
    assert!(error.contains("2 labels, imported: c"), "{error}");
    assert_eq!(store.of_level(Some("c")).expect("by name").len(), 2);
    assert_eq!(store.of_level(Some(&a[..10])).expect("by hash").len(), 1);
    let error = store.of_level(Some("d")).expect_err("unknown").to_string();
    assert!(error.contains("there is no level d; there are:"), "{error}");
    let equal = |x: &str, y: &str| {
        Record::Equivalence(Equivalence {
            levels: [x.to_owned(), y.to_owned()],
            frames: 3,
            evidence: "compared".into(),
            time: String::new(),
        })
    };
    store.append(vec![equal(&a, &b)]).expect("written");
    assert_eq!(store.of_level(Some("b")).expect("a family").len(), 2);
    assert!(store.of_level(None).is_err(), "c is still another level");
    store.append(vec![equal(&c, &b)]).expect("written");
    assert_eq!(store.of_level(None).expect("one family").len(), 4);
}

#[test]
fn labels_that_make_no_sense_are_refused_and_failures_give_way_to_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = level("a").hash();
    let mut store = Store::open(folder.path()).expect("a new store");
    let Record::Label(mut bad) = record(&hash, 0.1) else { panic!("a label") };
    bad.forces[1][2] = f64::NAN;
    let error = store.append(vec![Record::Label(bad)]).expect_err("not finite").to_string();
    assert!(error.contains("the label of LiS cannot be stored"), "{error}");
    let key = key(&hash, &frame(0.1).structure);
    let failure = Record::Failure(Box::new(FailureRecord {
        key: key.clone(),
        level: hash.clone(),
        reason: FailureKind::Unconverged,
        message: "no".into(),
        formula: "LiS".into(),
        run: RunInfo::default(),
        origin: Origin::default(),
        time: String::new(),
    }));
    store.append(vec![Record::Level(level("a")), failure]).expect("written");
    assert!(store.failure(&key).is_some());
    assert_eq!(store.status().levels[0].failures["SCF not converged"], 1);
    store.append(vec![record(&hash, 0.1)]).expect("written");
    assert!(store.failure(&key).is_none() && store.label(&key).is_some());
    assert!(store.status().levels[0].failures.is_empty());
}
