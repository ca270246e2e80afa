"""Reference density profiles for crates/vitrion-analysis, written as JSON.

Three frames of 40 atoms in triclinic cells of different shape and volume: number densities along the normals of
lattice planes and a profile of one number per atom, with plain numpy, from Cartesian normals (cross products of vectors in
the plane), not from fractional coordinates. Two frames in an orthorhombic box: mass density along c from MDAnalysis.

pip install numpy MDAnalysis
usage: python profiles.py > ../../crates/vitrion-analysis/tests/data/profiles.json
"""

import json
import sys
import warnings

import MDAnalysis
import numpy as np
from MDAnalysis.analysis.lineardensity import LinearDensity

warnings.filterwarnings("ignore")
MASSES = {"Li": 6.94, "P": 30.973761998, "S": 32.06}
rng = np.random.default_rng(11)
symbols = np.array(["Li"] * 16 + ["P"] * 8 + ["S"] * 16)


def normal_and_period(cell, plane):
    """Unit normal and spacing of a lattice plane: no reciprocal lattice, only edges within the plane."""
    # lattice vectors n with h·n = 0 span the plane; the nearest other plane is h·n = ±gcd
    grid = np.array([(i, j, k) for i in range(-3, 4) for j in range(-3, 4) for k in range(-3, 4)])
    level = grid @ np.array(plane)
    within = grid[(level == 0) & (np.abs(grid).sum(1) > 0)] @ cell
    first = within[0]
    second = max(within, key=lambda v: np.linalg.norm(np.cross(first, v)))
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal)
    above = grid[level == np.gcd.reduce(plane)][0] @ cell
    if above @ normal < 0:
        normal = -normal
    return normal, above @ normal


PLANES = [([1, 0, 0], 9), ([0, 0, 1], 12), ([1, 1, 0], 7), ([1, -1, 2], 5)]
frames, found = [], {}
for number, scale in enumerate((1.0, 1.05, 0.96)):
    cell = np.array([[8.0, 0.0, 0.0], [2.4 + 0.2 * number, 7.5, 0.0], [-1.5, 1.9, 9.0]]) * scale
    cell = np.round(cell, 6)
    positions = np.round((rng.random((len(symbols), 3)) * 2.2 - 0.6) @ cell, 6)
    values = np.round(rng.normal(size=len(symbols)), 6)
    frames.append({"cell": cell.tolist(), "positions": positions.tolist(), "values": values.tolist()})
    volume = abs(np.linalg.det(cell))
    for plane, bins in PLANES:
        normal, period = normal_and_period(cell, plane)
        edges = np.linspace(0.0, period, bins + 1)
        z = np.mod(positions @ normal, period)
        one = found.setdefault(str(plane), {"plane": plane, "bins": bins, "periods": [], "density": {}, "means": []})
        one["periods"].append(period)
        for symbol in MASSES:
            counts = np.histogram(z[symbols == symbol], edges)[0]
            one["density"].setdefault(symbol, np.zeros(bins))
            one["density"][symbol] += counts * bins / volume / 3
        counts = np.histogram(z, edges)[0]
        sums = np.histogram(z, edges, weights=values)[0]
        one["means"].append([s / n if n else None for s, n in zip(sums, counts)])

box, bins = [9.0, 10.0, 12.0], 8
points = np.round(rng.random((2, len(symbols), 3)) * box, 3)
universe = MDAnalysis.Universe.empty(len(symbols), trajectory=True)
universe.add_TopologyAttr("masses", [MASSES[s] for s in symbols])
universe.add_TopologyAttr("charges", np.zeros(len(symbols)))
universe.load_new(points.astype(np.float32), dimensions=np.tile(box + [90.0] * 3, (2, 1)).astype(np.float32))
density = LinearDensity(universe.atoms, binsize=box[2] / bins).run()

rounded = lambda values: [None if x is None else float(f"{x:.12g}") for x in values]
for one in found.values():
    one["periods"] = rounded(one["periods"])
    one["density"] = {s: rounded(v) for s, v in one["density"].items()}
    one["means"] = [rounded(v) for v in one["means"]]
json.dump(
    {
        "versions": {"numpy": np.__version__, "MDAnalysis": MDAnalysis.__version__},
        "symbols": symbols.tolist(),
        "frames": frames,
        "profiles": list(found.values()),
        "mdanalysis": {
            "box": box,
            "points": points.tolist(),
            "mass_density": rounded(density.results.z.mass_density),
        },
    },
    sys.stdout,
)
print()
