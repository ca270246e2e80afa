"""Reference amorphisation profiles for crates/vitrion-analysis, written as JSON.

F(slab) = sum over wave vectors k of the lattice in the plane, 0 < |k| < pi/spacing, of
|sum_{j in slab} exp(i k.r_j)| exp(-sigma^2 k^2/2), summed directly with numpy from Cartesian positions; and what it is
for as many atoms at random. Cells: half a crystal with half a gas, and a skewed one.

pip install numpy
usage: python amorphization.py > ../../crates/vitrion-analysis/tests/data/amorphization.json
"""

import json
import sys

import numpy as np

rng = np.random.default_rng(23)


def profile(cell, positions, axis, slabs, sigma, spacing):
    u, v = cell[(axis + 1) % 3], cell[(axis + 2) % 3]
    normal = np.cross(u, v)
    area = np.linalg.norm(normal)
    normal /= area
    g = 2 * np.pi * np.array([np.cross(v, normal), np.cross(normal, u)]) / area
    h, k = np.meshgrid(np.arange(-80, 81), np.arange(-80, 81), indexing="ij")
    waves = np.stack([h.ravel(), k.ravel()], 1) @ g
    size = np.linalg.norm(waves, axis=1)
    waves = waves[(size > 1e-9) & (size < np.pi / spacing)]
    smear = np.exp(-0.5 * sigma**2 * (waves**2).sum(1))
    # slabs are cut along the normal: positions are brought into the cell first
    period = cell[axis] @ normal
    height = np.mod(positions @ normal / period, 1.0)
    slab = np.minimum((height * slabs).astype(int), slabs - 1)
    f, random = [], []
    for number in range(slabs):
        inside = positions[slab == number]
        # an image along the axis has another phase in a skewed cell: take the one inside
        inside = inside - np.floor(inside @ normal / period)[:, None] * cell[axis]
        f.append((smear * np.abs(np.exp(1j * inside @ waves.T).sum(0))).sum())
        random.append(0.5 * np.sqrt(np.pi * len(inside)) * smear.sum())
    return f, random


systems = []
crystal = np.array([[i, j, k] for i in range(5) for j in range(5) for k in range(4)]) * 2.6 + 0.4
crystal += rng.normal(scale=0.08, size=crystal.shape)
gas = rng.random((100, 3)) * [13.0, 13.0, 10.4] + [0.0, 0.0, 10.4]
half = np.round(np.concatenate([crystal, gas]), 5)
skewed = np.array([[11.0, 0.0, 0.0], [3.1, 10.5, 0.0], [-2.2, 1.7, 16.0]])
spread = np.round((rng.random((90, 3)) * 1.8 - 0.4) @ skewed, 5)
for name, cell, positions, axis, thickness, sigma, spacing in [
    ("half crystal", np.diag([13.0, 13.0, 20.8]), half, 2, 2.6, 0.5, 0.3),
    ("half crystal, across", np.diag([13.0, 13.0, 20.8]), half, 0, 2.6, 0.5, 0.3),
    ("skewed", skewed, spread, 2, 4.0, 0.4, 0.3),
    ("skewed, along b", skewed, spread, 1, 2.0, 0.6, 0.35),
]:
    normal = np.cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3])
    width = abs(np.linalg.det(cell)) / np.linalg.norm(normal)
    slabs = round(width / thickness)
    f, random = profile(cell, positions, axis, slabs, sigma, spacing)
    systems.append(
        {
            "name": name,
            "cell": cell.tolist(),
            "positions": positions.tolist(),
            "axis": axis,
            "thickness": thickness,
            "sigma": sigma,
            "spacing": spacing,
            "f": [float(f"{x:.10g}") for x in f],
            "random": [float(f"{x:.10g}") for x in random],
        }
    )
json.dump({"versions": {"numpy": np.__version__}, "systems": systems}, sys.stdout)
print()
