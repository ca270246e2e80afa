"""LAMMPS reference for frozen atoms and for averages at constant pressure.

    python lammps_ensembles.py ../../crates/vitrion-md/tests/data/lammps

Writes nvt-frozen.json (20 steps of a Nose-Hoover chain with frozen atoms, in the layout of
lammps_pairs.py) and npt-averages.json (mean and fluctuation of the volume of liquid argon, with errors
from 20 blocks). Needs lammps_pairs.py beside it and what that needs.
"""

import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from lammps_pairs import MASS, gather, start, thermo_rows, write

PAIR = "pair_style lj/cut 8.5\npair_modify shift yes\npair_coeff 1 1 0.0103408 3.405"
BASIS = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def crystal(n, a, seed):
    rng = np.random.default_rng(seed)
    cells = [[i, j, k] for i in range(n) for j in range(n) for k in range(n)]
    positions = np.array([b + cell for cell in cells for b in BASIS]) * a
    positions = np.round(positions + 0.5 + rng.normal(size=positions.shape) * 0.08, 6)
    velocities = rng.normal(size=positions.shape) * np.sqrt(8.617343e-5 * 90.0 / (MASS["Ar"] * 1.0364269e-4))
    velocities = np.round(velocities - velocities.mean(axis=0), 6)
    velocities[-1] -= velocities.sum(axis=0)
    return positions, velocities


def argon(log, edge, positions, velocities):
    lmp = start(np.diag([edge] * 3), ["Ar"] * len(positions), positions, ["Ar"], log=log)
    lmp.commands_string(PAIR)
    lmp.scatter_atoms("v", 1, 3, (ctypes.c_double * velocities.size)(*velocities.reshape(-1)))
    return lmp


def frozen(folder):
    """The lowest atoms stand still; the thermostat counts three degrees of freedom for each other one."""
    a, steps, dt = 5.30, 20, 0.004
    positions, velocities = crystal(3, a, 13)
    still = np.flatnonzero(positions[:, 2] < 4.0)
    velocities[still] = 0.0
    with tempfile.TemporaryDirectory() as tmp:
        log = os.path.join(tmp, "log")
        lmp = argon(log, 3 * a, positions, velocities)
        columns = ["step", "temp", "pe", "ke", "econserve"]
        lmp.commands_string(
            f"timestep {dt}\ngroup still id {' '.join(str(i + 1) for i in still)}\ngroup moving subtract all still\n"
            "fix hold still setforce 0 0 0\nfix 1 moving nvt temp 90 120 0.1 tchain 3\n"
            "compute_modify 1_temp extra/dof 0\nthermo_modify temp 1_temp\n"
            f"thermo 1\nthermo_style custom {' '.join(columns)}\nthermo_modify norm no format float %.17g temp 1_temp\n"
            f"run {steps}"
        )
        constants = {k: lmp.extract_global(k) for k in ("boltz", "mvv2e", "ftm2v", "nktv2p")}
        lengths = np.array(lmp.extract_box()[1]) - np.array(lmp.extract_box()[0])
        final = gather(lmp, "x", 1, 3) + gather(lmp, "image", 0, 3) * lengths
        v = gather(lmp, "v", 1, 3)
        version = lmp.version()
        lmp.close()
        rows = thermo_rows(log, columns)
    assert len(rows) == steps + 1, len(rows)
    data = {
        "fix": "setforce 0 on the frozen group; nvt temp 90 120 0.1 tchain 3 on the others, extra/dof 0",
        "options": {"t_start": 90.0, "t_stop": 120.0, "t_damp": 0.1, "tchain": 3},
        "frozen": still.tolist(),
        "lammps_version": version,
        "constants": constants,
        "pair": {"style": "lj/cut", "epsilon": 0.0103408, "sigma": 3.405, "cutoff": 8.5, "shift": True},
        "timestep_ps": dt,
        "mass": MASS["Ar"],
        "cell": np.diag([3 * a] * 3).tolist(),
        "positions": positions.tolist(),
        "velocities": velocities.tolist(),
        "columns": columns,
        "thermo": rows,
        "final": {"positions_unwrapped": final.tolist(), "velocities": v.tolist()},
    }
    write(folder / "nvt-frozen.json", data)
    print(f"frozen: {len(still)} of {len(positions)} atoms, T {rows[0][1]:.4f} -> {rows[-1][1]:.4f} K")


def averages(folder):
    """Liquid argon, 256 atoms, 100 K, 200 bar: 500 ps after 50 ps."""
    a, dt = 5.75, 0.004
    positions, velocities = crystal(4, a, 17)
    with tempfile.TemporaryDirectory() as tmp:
        log = os.path.join(tmp, "log")
        lmp = argon(log, 4 * a, positions, velocities)
        columns = ["step", "temp", "pe", "press", "vol"]
        lmp.commands_string(
            f"timestep {dt}\nfix 1 all npt temp 100 100 0.2 iso 200 200 2.0\nrun 12500\n"
            f"thermo 10\nthermo_style custom {' '.join(columns)}\nthermo_modify norm no format float %.10g\nrun 125000"
        )
        version = lmp.version()
        lmp.close()
        rows = np.array(thermo_rows(log, columns))[1:]
    summary = {}
    for column in ("pe", "vol"):
        series = rows[:, columns.index(column)]
        for name, values in ((column, series), (f"variance of {column}", (series - series.mean()) ** 2)):
            blocks = values[: len(values) // 20 * 20].reshape(20, -1).mean(axis=1)
            summary[name] = {"mean": values.mean(), "error": blocks.std(ddof=1) / np.sqrt(20)}
    data = {
        "what": "256 Ar, lj/cut 8.5 shifted, 100 K, 200 bar, 4 fs, fix npt iso, 500 ps after 50 ps",
        "lammps_version": version,
        "pair": {"epsilon": 0.0103408, "sigma": 3.405, "cutoff": 8.5},
        "kelvin": 100.0,
        "bar": 200.0,
        "lattice": a,
        "averages": summary,
    }
    write(folder / "npt-averages.json", data)
    print(json.dumps(summary, indent=1))


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    frozen(folder)
    averages(folder)


main()
