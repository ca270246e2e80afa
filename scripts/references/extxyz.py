#!/usr/bin/env python3
"""Extended XYZ by ASE with labels, and ASE's reading of a file by vitrion.

usage: extxyz.py write OUTPUT_DIR        make the fixture and its expected values
       extxyz.py check OURS.extxyz       read a file written by vitrion, print what ASE sees
(needs the PyPI packages ase and numpy)
"""
import json
import pathlib
import sys

import ase
import ase.io
import numpy as np
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator


def write(folder):
    rng = np.random.default_rng(11)
    frames = []
    for k in range(2):
        cell = ase.geometry.cellpar_to_cell([5.0 + k, 6.0, 7.0, 85, 95, 100])
        atoms = ase.Atoms("LiPS2", cell=cell, scaled_positions=rng.random((4, 3)), pbc=[True, True, k == 0])
        atoms.set_velocities(rng.normal(size=(4, 3)) * 0.01)
        atoms.info["note"] = 'a "quoted" text with = signs'
        atoms.arrays["charge"] = rng.normal(size=4)
        stress = rng.normal(size=6)
        atoms.calc = SinglePointCalculator(atoms, energy=-10.5 - k, forces=rng.normal(size=(4, 3)), stress=stress)
        frames.append(atoms)
    folder.mkdir(parents=True, exist_ok=True)
    ase.io.write(folder / "ase.extxyz", frames, format="extxyz")
    expected = []
    for atoms in ase.io.read(folder / "ase.extxyz", index=":"):
        expected.append({
            "positions": atoms.positions.tolist(),
            "cell": atoms.cell.array.tolist(),
            "pbc": [bool(p) for p in atoms.pbc],
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces().tolist(),
            # W = -V stress, tensile stress positive in ASE
            "virial": (-atoms.get_volume() * atoms.get_stress(voigt=False)).tolist(),
            "velocities_a_per_fs": (atoms.get_velocities() * units.fs).tolist(),
        })
    (folder / "expected.json").write_text(json.dumps({"ase": ase.__version__, "frames": expected}))


def check(path):
    for atoms in ase.io.read(path, index=":"):
        print(atoms)
        print("energy", atoms.get_potential_energy())
        print("forces", atoms.get_forces().tolist())
        print("stress", atoms.get_stress().tolist())


if sys.argv[1] == "write":
    write(pathlib.Path(sys.argv[2]))
else:
    check(sys.argv[2])
