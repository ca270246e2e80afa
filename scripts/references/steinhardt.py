"""Reference bond-order parameters for crates/vitrion-analysis, written as JSON.

40 atoms at random in a triclinic cell (no two closer than 1.6 Å) and 108 atoms of a hot fcc crystal.
q_l and its average over neighbours, for all l, from freud and from pyscal3: neighbours within a
distance, and bonds with given weights (the areas of Voronoi faces). Normalised w_l from freud. freud works in
single precision; pyscal3 in double. To keep
the file short, values of the first 12 atoms are kept, and those of all atoms of the averaged q6.

pip install freud-analysis pyscal3 ase numpy
usage: python steinhardt.py > ../../crates/vitrion-analysis/tests/data/steinhardt.json
"""

import json
from importlib.metadata import version

import ase
import freud
import numpy as np
import pyscal3

ALL_L = list(range(2, 13))
rng = np.random.default_rng(11)


def spread(cell, count, closest):
    """Random positions, no two (or images) closer than that."""
    shifts = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T @ cell
    chosen = []
    while len(chosen) < count:
        r = np.round(rng.random(3) @ cell, 4)
        if not chosen or (
            np.linalg.norm(np.array(chosen)[:, None] - r + shifts, axis=-1).min() > closest
        ):
            chosen.append(r)
    return np.array(chosen)


def hot_fcc(edge, cells, sigma):
    corners = np.array(np.meshgrid(*[range(cells)] * 3)).reshape(3, -1).T
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites = edge * (corners[:, None] + basis).reshape(-1, 3)
    return np.round(sites + sigma * rng.normal(size=sites.shape), 4)


def rounded(values, digits):
    return [float(f"{x:.{digits}g}") for x in np.asarray(values, dtype=float)]


def freud_values(system, bonds, weighted=False):
    found = {}
    for l in ALL_L:
        for name, options in {
            f"q{l}": {},
            f"q{l}_averaged": {"average": True},
            f"w{l}": {"wl": True, "wl_normalize": True},
            f"w{l}_averaged": {"wl": True, "wl_normalize": True, "average": True},
        }.items():
            if name[0] == "w" and l % 2:
                continue
            order = freud.order.Steinhardt(l, weighted=weighted, **options)
            order.compute(system, neighbors=bonds)
            found[name] = rounded(order.particle_order, 7)
    return found


def pyscal_values(cell, positions, cutoff):
    atoms = ase.Atoms(["Ar"] * len(positions), positions=positions, cell=cell, pbc=True)
    pyscal3.find_neighbors(atoms, method="cutoff", cutoff=cutoff)
    found = {}
    for averaged in (False, True):
        values = pyscal3.steinhardt_parameter(atoms, ALL_L, averaged=averaged)
        for l, of in zip(ALL_L, values):
            found[f"q{l}_averaged" if averaged else f"q{l}"] = rounded(of, 10)
    return found


systems = []
skewed = np.array([[7.6, 0.0, 0.0], [1.5, 7.1, 0.0], [-1.1, 0.9, 7.8]])
for name, cell, positions, cutoff in (
    ("random", skewed, spread(skewed, 40, 1.6), 3.3),
    ("hot fcc", 12.3 * np.eye(3), hot_fcc(4.1, 3, 0.15), 3.6),
):
    box = freud.box.Box.from_matrix(cell.T)
    # freud's box is centred at the origin
    centred = positions - 0.5 * cell.sum(axis=0)
    query = freud.locality.AABBQuery(box, box.wrap(centred))
    bonds = query.query(query.points, {"r_max": cutoff, "exclude_ii": True}).toNeighborList()
    system = {
        "name": name,
        "cell": cell.tolist(),
        "positions": positions.tolist(),
        "cutoff": cutoff,
        "bonds": len(bonds),
        "freud": freud_values(query, bonds),
        "pyscal3": pyscal_values(cell, positions, cutoff),
    }
    if name == "random":
        tessellation = freud.locality.Voronoi()
        tessellation.compute((box, query.points))
        faces = tessellation.nlist
        # freud wraps vectors between points again, to a shorter one for a few faces of small cells: left out
        wrapped = box.wrap(query.points[faces.point_indices] - query.points[faces.query_point_indices])
        faces.filter(np.abs(wrapped - faces.vectors).max(axis=1) < 1e-3)
        # rounded first, so that the JSON holds the very same faces
        vectors, areas = np.round(faces.vectors, 4), np.round(faces.weights, 4)
        rounded_faces = freud.locality.NeighborList.from_arrays(
            len(positions),
            len(positions),
            faces.query_point_indices,
            faces.point_indices,
            vectors.astype(np.float32),
            areas.astype(np.float32),
        )
        system["faces"] = [
            [int(i), int(j), *rounded(v, 6), *rounded([area], 6)]
            for i, j, v, area in zip(
                faces.query_point_indices, faces.point_indices, vectors, areas
            )
        ]
        system["freud_weighted"] = freud_values(query, rounded_faces, weighted=True)
    systems.append(system)

for system in systems:
    for source in {"freud", "pyscal3", "freud_weighted"} & system.keys():
        for name, values in system[source].items():
            if name != "q6_averaged":
                system[source][name] = values[:12]

print(
    json.dumps(
        {
            "versions": {name: version(name) for name in ("freud-analysis", "pyscal3", "numpy")},
            "systems": systems,
        }
    )
)
