"""Fully flexible NPT of beta-Li3PS4 by LAMMPS + DeePMD-kit and by vitrion, same model: means of cell and energy.

    python lammps_triclinic_npt.py MODEL.pb VITRION LMP WORKDIR

128 atoms, 500 K, 0 GPa, 24 ps each (the first 4 ps left out), errors from 10 blocks. About six minutes on one
core. Last run: LAMMPS 22 Jul 2025 with DeePMD-kit 3.2.0, all nine means within 1.6 standard errors.
"""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np

RUN = """\
format = 1
name = "beta"
seed = 3
[potential]
model = "{model}"
[system]
name = "beta"
structure = "beta.extxyz"
[[stage]]
name = "npt"
kind = "npt"
temperature = "500 K"
pressure = "0 GPa"
coupling = "triclinic"
timestep = "2 fs"
steps = 12000
thermo = {{ every = "20 fs" }}
"""
DECK = """\
units metal
atom_style atomic
atom_modify map yes
boundary p p p
box tilt large
read_data beta.data
change_box all triclinic
pair_style deepmd {model}
pair_coeff * * Li P S
neighbor 1.0 bin
velocity all create 500 2026 mom yes rot no dist gaussian
fix 1 all npt temp 500 500 0.1 tri 0 0 1.0
timestep 0.002
thermo 10
thermo_style custom step temp pe press vol lx ly lz xy xz yz
thermo_modify norm no format float %.8g
run 12000
"""


def mean_and_error(x):
    blocks = x[: len(x) // 10 * 10].reshape(10, -1).mean(axis=1)
    return x.mean(), blocks.std(ddof=1) / np.sqrt(10)


def from_lammps(log):
    rows = [line.split() for line in open(log)]
    rows = np.array([[float(x) for x in row] for row in rows if len(row) == 11 and row[0].isdigit()])
    rows = rows[rows[:, 0] > 2000]
    lx, ly, lz, xy, xz, yz = rows[:, 5:11].T
    b, c = np.hypot(ly, xy), np.sqrt(lz**2 + xz**2 + yz**2)
    angles = np.degrees(np.arccos([(xy * xz + ly * yz) / b / c, xz / c, xy / b]))
    return dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), (lx, b, c, *angles))) | {
        "volume": rows[:, 4], "temperature": rows[:, 1], "energy": rows[:, 2]}


def from_vitrion(thermo):
    rows = [row for row in csv.DictReader(open(thermo)) if int(row["step"]) > 2000]
    names = {"a": "a_a", "b": "b_a", "c": "c_a", "alpha": "alpha_deg", "beta": "beta_deg", "gamma": "gamma_deg",
             "volume": "volume_a3", "temperature": "temperature_k", "energy": "potential_energy_ev"}
    return {name: np.array([float(row[column]) for row in rows]) for name, column in names.items()}


def main():
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    model, vitrion, lmp, work = (Path(word).resolve() for word in sys.argv[1:])
    work.mkdir(parents=True, exist_ok=True)

    def call(*words):
        subprocess.run([str(word) for word in words], cwd=work, check=True, stdout=subprocess.DEVNULL)

    call(vitrion, "build", "crystal", "builtin:beta-li3ps4", "--repeat", 1, 2, 2, "--out", "beta.extxyz")
    call(vitrion, "convert", "beta.extxyz", "beta.data", "--to", "lammps-data")
    (work / "run.toml").write_text(RUN.format(model=model))
    (work / "in.lmp").write_text(DECK.format(model=model))
    call(vitrion, "run", "run.toml", "--quiet")
    call(lmp, "-in", "in.lmp", "-log", "log.lmp", "-screen", "none")
    theirs = from_lammps(work / "log.lmp")
    ours = from_vitrion(work / "beta/runs/beta/stages/00-npt/thermo.csv")
    for name in theirs:
        (m, e), (n, f) = mean_and_error(theirs[name]), mean_and_error(ours[name])
        print(f"{name:12} LAMMPS {m:.4f} +- {e:.4f}   vitrion {n:.4f} +- {f:.4f}   {abs(m - n) / np.hypot(e, f):.1f} errors apart")


main()
