"""Partial structure factors of a random skewed cell at single wave vectors, by dynasor.

pip install dynasor ase numpy
usage: python structure_factor.py > crates/vitrion-analysis/tests/data/structure_factor.json
"""

import json
import sys
import tempfile

import ase
import ase.io
import dynasor
import numpy as np

dynasor.logging_tools.set_logging_level("ERROR")
rng = np.random.default_rng(3)
cell = np.array([[9.0, 0.0, 0.0], [2.5, 8.0, 0.0], [-1.5, 3.0, 10.0]])
symbols = ["Li"] * 18 + ["P"] * 6 + ["S"] * 24
positions = rng.random((len(symbols), 3)) @ cell
indices = np.array([[h, k, l] for h in range(4) for k in range(-3, 4) for l in range(-3, 4)])
indices = indices[[tuple(n) > (0, 0, 0) for n in indices]]
indices = indices[rng.permutation(len(indices))[:60]]
waves = indices @ (2 * np.pi * np.linalg.inv(cell).T)

with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/t.extxyz"
    frame = ase.Atoms(symbols, positions=positions, cell=cell, pbc=True)
    ase.io.write(path, [frame, frame])
    groups = {s: [i for i, x in enumerate(symbols) if x == s] for s in ("Li", "P", "S")}
    trajectory = dynasor.Trajectory(path, trajectory_format="extxyz", atomic_indices=groups)
    sample = dynasor.compute_static_structure_factors(trajectory, waves)

pairs = ["Li_Li", "Li_P", "Li_S", "P_P", "P_S", "S_S"]
result = {
    "made_by": "scripts/references/structure_factor.py",
    "versions": {"dynasor": dynasor.__version__, "ase": ase.__version__, "numpy": np.__version__},
    "cell": cell.tolist(),
    "symbols": symbols,
    "positions": positions.tolist(),
    "indices": indices.tolist(),
    "s": {p: np.real(sample[f"Sq_{p}"]).ravel().tolist() for p in pairs},
}
json.dump(result, sys.stdout)
