"""Reference pair counts and g(r) for crates/vitrion-analysis, written as JSON.

Three frames of 24 atoms in triclinic cells of different volume. Pairs come from ASE's neighbour
list (any range), g(r) of one species pair in a larger cubic box from freud.

pip install ase freud-analysis numpy
usage: python rdf.py > ../../crates/vitrion-analysis/tests/data/rdf.json
"""

import json

import ase
import freud
import numpy as np
from ase.neighborlist import neighbor_list

R_MAX, BINS = 6.0, 60
SYMBOLS = ["Li", "S", "P"]

rng = np.random.default_rng(7)
edges = np.linspace(0.0, R_MAX, BINS + 1)
shell = 4.0 / 3.0 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
symbols = [SYMBOLS[k] for k in (0, 0, 0, 1, 1, 1, 1, 2) for _ in range(3)]

frames, sums, counts = [], {}, {}
for scale in (1.0, 1.04, 0.97):
    cell = scale * np.array([[7.0, 0.0, 0.0], [2.1, 6.5, 0.0], [-1.3, 1.7, 8.0]])
    # six decimals, so that the JSON holds the very same numbers; some atoms outside the cell
    positions = np.round((rng.random((len(symbols), 3)) * 1.6 - 0.3) @ cell, 6)
    cell = np.round(cell, 6)
    atoms = ase.Atoms(symbols, positions=positions, cell=cell, pbc=True)
    first, second, distance = neighbor_list("ijd", atoms, R_MAX)
    kinds = np.array(symbols)
    for i, a in enumerate(SYMBOLS):
        for b in SYMBOLS[i:]:
            chosen = (kinds[first] == a) & (kinds[second] == b)
            histogram = np.histogram(distance[chosen], edges)[0]
            n_a, n_b = (kinds == a).sum(), (kinds == b).sum()
            g = histogram * atoms.get_volume() / (n_a * n_b * shell)
            sums[f"{a}_{b}"] = sums.get(f"{a}_{b}", 0) + g / 3
            counts[f"{a}_{b}"] = counts.get(f"{a}_{b}", 0) + histogram
    frames.append({"cell": cell.tolist(), "positions": positions.tolist()})

# freud needs r_max below half the box and one volume
box_length = 9.0
points = np.round(rng.random((60, 3)) * box_length, 3)
rdf = freud.density.RDF(bins=20, r_max=4.0)
box = freud.box.Box.cube(box_length)
rdf.compute(system=(box, points - box_length / 2))

json.dump(
    {
        "versions": {"ase": ase.__version__, "freud": freud.__version__, "numpy": np.__version__},
        "r_max": R_MAX,
        "bins": BINS,
        "symbols": symbols,
        "frames": frames,
        "g": {k: [float(f"{x:.10g}") for x in v] for k, v in sums.items()},
        "counts": {k: v.tolist() for k, v in counts.items()},
        "freud": {
            "box": box_length,
            "r_max": 4.0,
            "points": points.tolist(),
            "g": [float(f"{x:.6g}") for x in rdf.rdf],
        },
    },
    __import__("sys").stdout,
)
print()
