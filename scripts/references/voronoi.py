"""Voronoi and radical cells of atoms at random in a skewed cell, by voro++ (pyvoro2).

pip install pyvoro2 numpy
usage: python voronoi.py > crates/vitrion-analysis/tests/data/voronoi.json
"""

import json
import sys

import numpy as np
import pyvoro2

rng = np.random.default_rng(5)
cell = np.array([[9.0, 0.0, 0.0], [2.5, 8.0, 0.0], [-1.5, 3.0, 10.0]])
positions = rng.random((48, 3)) @ cell
radii = np.where(np.arange(48) % 3 == 0, 0.8, 1.1)
domain = pyvoro2.PeriodicCell(vectors=tuple(map(tuple, cell)), origin=(0.0, 0.0, 0.0))


def cells(**options):
    volumes, areas = np.zeros(48), np.zeros(48)
    for one in pyvoro2.compute(
        positions, domain=domain, return_faces=True, return_vertices=True, **options
    ).cells:
        vertices = np.array(one["vertices"])
        area = 0.0
        for face in one["faces"]:
            corners = vertices[face["vertices"]]
            fan = np.cross(corners[1:-1] - corners[0], corners[2:] - corners[0])
            area += 0.5 * np.linalg.norm(fan.sum(0))
        volumes[one["id"]], areas[one["id"]] = one["volume"], area
    return {"volumes": volumes.tolist(), "areas": areas.tolist()}


result = {
    "made_by": "scripts/references/voronoi.py",
    "versions": {"pyvoro2": pyvoro2.__version__, "numpy": np.__version__},
    "cell": cell.tolist(),
    "positions": positions.tolist(),
    "radii": radii.tolist(),
    "plain": cells(mode="standard"),
    "radical": cells(mode="power", radii=radii),
}
json.dump(result, sys.stdout)
