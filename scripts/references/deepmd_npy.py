#!/usr/bin/env python3
"""Tiny deepmd/npy systems by dpdata and numpy, with what dpdata reads back.

usage: deepmd_npy.py OUTPUT_DIR
(needs the PyPI packages dpdata and numpy)
"""
import json
import pathlib
import shutil
import sys

import dpdata
import numpy as np

TYPE_MAP = ["Li", "P", "S"]


def labelled_system(rng, types, frames):
    atoms = len(types)

    def normal(*shape):
        # few digits keep the fixture small
        return rng.normal(size=(frames, *shape)).round(3)

    cells = np.array([[5.0, 0.0, 0.0], [0.5, 6.0, 0.0], [-0.5, 0.25, 7.0]]) + (0.1 * normal(3, 3)).round(3)
    return dpdata.LabeledSystem(data={
        "atom_names": list(TYPE_MAP),
        "atom_numbs": [types.count(k) for k in range(len(TYPE_MAP))],
        "atom_types": np.array(types),
        "orig": np.zeros(3),
        "cells": cells,
        "coords": (rng.random((frames, atoms, 3)) @ cells).round(3),
        "energies": normal() - 10.0,
        "forces": normal(atoms, 3),
        "virials": normal(3, 3),
        "nopbc": False,
    })


def as_frames(system):
    data = system.data
    symbols = [data["atom_names"][t] for t in data["atom_types"]]
    return [{
        "symbols": symbols,
        "cell": data["cells"][k].tolist(),
        "positions": data["coords"][k].tolist(),
        "energy": float(data["energies"][k]),
        "forces": data["forces"][k].tolist(),
        "virial": data["virials"][k].tolist(),
    } for k in range(len(system))]


def main(folder):
    rng = np.random.default_rng(12)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ["f64", "f32", "mixed"]:
        shutil.rmtree(folder / name, ignore_errors=True)
    # species out of table order: dpdata keeps the order of the atoms
    system = labelled_system(rng, [2, 0, 1], 4)
    system.to("deepmd/npy", str(folder / "f64"), set_size=2, prec=np.float64)
    system.to("deepmd/npy", str(folder / "f32"), set_size=2, prec=np.float32)
    # two compositions in one folder, the smaller one padded with virtual atoms
    parts = dpdata.MultiSystems(labelled_system(rng, [2, 0, 1], 2), labelled_system(rng, [0, 2], 1))
    scratch = folder / "scratch"
    parts.to("deepmd/npy/mixed", str(scratch), prec=np.float64, atom_numb_pad=4)
    (made,) = [path.parent for path in scratch.rglob("type.raw")]
    made.rename(folder / "mixed")
    shutil.rmtree(scratch)
    mixed = dpdata.MultiSystems().load_systems_from_file(str(folder / "mixed"), fmt="deepmd/npy/mixed")
    expected = {"dpdata": dpdata.__version__, "numpy": np.__version__}
    expected["f64"] = as_frames(dpdata.LabeledSystem(str(folder / "f64"), fmt="deepmd/npy"))
    expected["mixed"] = [frame for part in mixed for frame in as_frames(part)]
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))


main(pathlib.Path(sys.argv[1]))
