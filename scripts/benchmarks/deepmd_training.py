#!/usr/bin/env python3
"""Time steps of training by DeePMD-kit (TensorFlow on the CPU, `dp --tf train`).

    deepmd_training.py DATA [DATA ...] [--precision float32|float64] [--batch N] [--threads N] [options]

DATA are folders in the deepmd/npy format, with forces and virials. The network is se_e2_a with
cut-off 6.5 Å (smooth from 0.5 Å), 25-50-100, axis 16, type_one_side, and a fitting net 240-240-240
with timesteps; energy, force and virial terms of the loss are on. The default --sel is enough
for 66 Li, 41 P and 41 S neighbours.

Prints one JSON line. `s_per_step` is DeePMD-kit's own "average training time": the training steps
alone, without start-up, the first --warmup steps, and the evaluations for its learning curve. The
wall times of the intervals that DeePMD-kit logs (every --warmup steps, with one such evaluation
each, in `interval_s`) show how steady the run was. `us_per_atom` is s_per_step over `atoms_per_step`,
the expected number with several systems (DeePMD-kit draws a system for every step, in proportion
to its number of batches: take enough steps then).

Needs Linux, taskset (util-linux), and this script run by the Python of an environment with
    pip install "deepmd-kit[cpu]==3.2.0"
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = 'pip install "deepmd-kit[cpu]==3.2.0"'
try:
    import numpy as np
except ImportError as error:
    sys.exit(f"error: {error}; run this script with the Python of an environment with\n  {NEEDED}")

LABELS = ("box", "coord", "energy", "force", "virial")


def main():
    options = parse_arguments()
    systems = [read_system(folder, options) for folder in options.data]
    dp = shutil.which(options.dp or "dp", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    taskset = shutil.which("taskset")
    if dp is None or taskset is None:
        sys.exit(f"error: {'dp' if dp is None else 'taskset'}: no such program; it comes with {NEEDED if dp is None else 'util-linux'}")
    if options.work is None:
        with tempfile.TemporaryDirectory() as work:
            result = train(options, systems, os.path.abspath(dp), taskset, Path(work))
    else:
        options.work.mkdir(parents=True, exist_ok=True)
        result = train(options, systems, os.path.abspath(dp), taskset, options.work.resolve())
    print(json.dumps(result))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="system folders in the deepmd/npy format")
    parser.add_argument("--type-map", nargs="+", default=["Li", "P", "S"])
    parser.add_argument("--sel", type=int, nargs="+", default=[80, 50, 50], help="slots for neighbours of each type [80 50 50]")
    parser.add_argument("--precision", choices=["float32", "float64"], default="float64", help="of both nets")
    parser.add_argument("--batch", type=int, default=1, help="frames of a step [1]")
    parser.add_argument("--threads", type=int, default=1, help="cores the run is pinned to, and its threads [1]")
    parser.add_argument("--intra", type=int, help="DP_INTRA_OP_PARALLELISM_THREADS [as --threads]")
    parser.add_argument("--inter", type=int, default=1, help="DP_INTER_OP_PARALLELISM_THREADS [1]")
    parser.add_argument("--steps", type=int, default=50, help="timed steps, a multiple of --warmup [50]")
    parser.add_argument("--warmup", type=int, default=10, help="steps before them, and of an interval [10]")
    parser.add_argument("--work", type=Path, help="folder for the input, log and learning curve [temporary, removed]")
    parser.add_argument("--dp", help="DeePMD-kit's program [beside this Python, or from PATH]")
    options = parser.parse_args()
    options.intra = options.intra or options.threads
    if min(options.batch, options.threads, options.intra, options.inter, options.steps, options.warmup) < 1:
        parser.error("--batch, --threads, --intra, --inter, --steps and --warmup must be at least 1")
    if options.steps % options.warmup:
        parser.error(f"--steps {options.steps} is not a multiple of --warmup {options.warmup}")
    if len(options.sel) != len(options.type_map):
        parser.error(f"--sel has {len(options.sel)} numbers for {len(options.type_map)} types")
    if options.threads > len(os.sched_getaffinity(0)):
        parser.error(f"--threads {options.threads}: only {len(os.sched_getaffinity(0))} cores may be used")
    return options


def read_system(folder, options):
    """Atoms and batches of a system; without virials DeePMD-kit would train on the rest and say nothing."""
    if not (folder / "type.raw").is_file():
        sys.exit(f"error: {folder}: no type.raw, so this is not a deepmd/npy system")
    sets = sorted(folder.glob("set.*"))
    missing = [str(one / f"{label}.npy") for one in sets for label in LABELS if not (one / f"{label}.npy").is_file()]
    if not sets or missing:
        sys.exit(f"error: {folder}: " + (f"{missing[0]} is missing" if missing else "no set.* folder"))
    frames = [np.load(one / "energy.npy", mmap_mode="r").shape[0] for one in sets]
    if min(frames) < options.batch:
        sys.exit(f"error: {folder}: a set has {min(frames)} frames, fewer than --batch {options.batch}")
    return {"folder": str(folder.resolve()), "atoms": len((folder / "type.raw").read_text().split()),
            "batches": sum(count // options.batch for count in frames)}


def training_input(options, systems):
    total = options.warmup + options.steps
    return {
        "model": {
            "type_map": options.type_map,
            "descriptor": {
                "type": "se_e2_a", "sel": options.sel, "rcut": 6.5, "rcut_smth": 0.5, "neuron": [25, 50, 100],
                "axis_neuron": 16, "resnet_dt": False, "type_one_side": True, "precision": options.precision, "seed": 1,
            },
            "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True, "precision": options.precision, "seed": 1},
            "data_stat_nbatch": 2,
        },
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-4, "decay_steps": options.warmup},
        "loss": {
            "type": "ener", "start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1,
            "start_pref_v": 0.02, "limit_pref_v": 1,
        },
        "training": {
            "training_data": {"systems": [system["folder"] for system in systems], "batch_size": options.batch},
            "numb_steps": total, "seed": 1, "disp_file": "lcurve.out", "disp_freq": options.warmup, "save_freq": 10 * total,
        },
    }


def train(options, systems, dp, taskset, work):
    (work / "input.json").write_text(json.dumps(training_input(options, systems), indent=1) + "\n")
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[: options.threads]))
    command = [taskset, "-c", cores, dp, "--tf", "train", "input.json", "--skip-neighbor-stat"]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(options.threads), "DP_INTRA_OP_PARALLELISM_THREADS": str(options.intra),
        "DP_INTER_OP_PARALLELISM_THREADS": str(options.inter), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "",
    }
    load, start = os.getloadavg()[0], time.time()
    with open(work / "train.log", "w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=work).returncode
    seconds = time.time() - start
    text = (work / "train.log").read_text(errors="replace")
    average = re.search(r"average training time: (\S+) s/batch", text)
    if code != 0 or average is None:
        sys.exit("error: " + " ".join(command) + " failed\n  " + "\n  ".join(text.splitlines()[-25:]))
    intervals = [float(x) for x in re.findall(r"total wall time = (\S+) s", text)]
    header, *_, last = (work / "lcurve.out").read_text().splitlines()
    header, last = header.lstrip("# ").split(), [float(x) for x in last.split()]
    if not all(math.isfinite(x) for x in last) or "rmse_v_trn" not in header and "rmse_v" not in header:
        sys.exit(f"error: the learning curve of DeePMD-kit ends with {dict(zip(header, last))}")
    step = float(average[1])
    batches = sum(system["batches"] for system in systems)
    atoms = options.batch * sum(system["atoms"] * system["batches"] for system in systems) / batches
    return {
        "s_per_step": step, "atoms_per_step": atoms, "us_per_atom": round(1e6 * step / atoms, 2),
        "interval_s": intervals[1:], "interval_steps": options.warmup, "steps": options.steps, "warmup": options.warmup,
        "batch": options.batch, "precision": options.precision, "sel": options.sel, "threads": options.threads,
        "intra": options.intra, "inter": options.inter, "total_s": round(seconds, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "learning_curve_end": dict(zip(header, last)), "load_before": load, "cpu": cpu(), "versions": versions(),
    }


def cpu():
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown"


def versions():
    """Of this Python's packages; unknown if --dp names a program of another environment."""
    found = {"python": sys.version.split()[0]}
    for package in ("deepmd-kit", "tensorflow", "tensorflow-cpu", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


if __name__ == "__main__":
    main()
