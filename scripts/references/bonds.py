"""Reference bond angles, coordination and units for crates/vitrion-analysis, written as JSON.

Two frames of PS4, P2S7, P2S6 (P-P bond), S2, S and Li at random places and in random orientations in a skewed cell, with
small random displacements. Bonds from ASE's neighbour list, units as connected components with networkx.

pip install ase networkx numpy
usage: python bonds.py > ../../crates/vitrion-analysis/tests/data/bonds.json
"""

import json
import sys
from collections import Counter

import ase
import networkx as nx
import numpy as np
from ase.neighborlist import neighbor_list

CUTOFFS = {("P", "S"): 2.7, ("P", "P"): 2.8, ("S", "S"): 2.5, ("Li", "S"): 3.2}
BIN = 5.0
rng = np.random.default_rng(5)
corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def tetrahedron_to(direction):
    """Three of the corners of a tetrahedron whose fourth corner points along a direction."""
    direction = direction / np.linalg.norm(direction)
    aside = np.cross(direction, [0.3, 0.5, 0.8])
    aside /= np.linalg.norm(aside)
    other = np.cross(direction, aside)
    angles = 2 * np.pi * np.arange(3) / 3
    return [-direction / 3 + np.sqrt(8) / 3 * (np.cos(a) * aside + np.sin(a) * other) for a in angles]


def unit(kind):
    if kind == "PS4":
        return ["P"] + ["S"] * 4, np.vstack([[[0, 0, 0]], 2.05 * corners])
    if kind == "P2S7":
        p = np.array([[-1.75, 0.0, 0.0], [1.75, 0.0, 0.0]])
        bridge = np.array([0.0, 0.0, np.sqrt(2.1**2 - 1.75**2)])
        s = [q + 2.02 * d for q in p for d in tetrahedron_to(bridge - q)]
        return ["P"] * 2 + ["S"] * 7, np.vstack([p, [bridge], s])
    if kind == "P2S6":
        p = np.array([[-1.1, 0.0, 0.0], [1.1, 0.0, 0.0]])
        s = [q + 2.02 * d for q, o in ((p[0], p[1]), (p[1], p[0])) for d in tetrahedron_to(o - q)]
        return ["P"] * 2 + ["S"] * 6, np.vstack([p, s])
    if kind == "S2":
        return ["S"] * 2, np.array([[0.0, 0.0, 0.0], [2.1, 0.0, 0.0]])
    return [kind], np.zeros((1, 3))


def rotation():
    q = rng.normal(size=4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def build(kinds, cell):
    """Units whose atoms are at least 3.3 Å (Li: 2 Å) from those of others."""
    symbols, positions = [], np.zeros((0, 3))
    for kind in kinds:
        own, shape = unit(kind)
        least = 2.0 if kind == "Li" else 3.3
        for _ in range(100000):
            new = shape @ rotation() + rng.random(3) @ cell
            if len(positions):
                apart = (new[:, None] - positions[None]).reshape(-1, 3) @ np.linalg.inv(cell)
                apart -= np.round(apart)
                images = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
                far = np.linalg.norm((apart[:, None] + images[None]) @ cell, axis=2).min()
                if far < least:
                    continue
            symbols += own
            positions = np.vstack([positions, new])
            break
        else:
            raise SystemExit("the units do not fit")
    return symbols, positions


def name_of(graph, symbols):
    kinds = Counter(symbols[i] for i in graph.nodes)
    direct = sum(symbols[i] == symbols[j] == "P" for i, j in graph.edges)
    bridging = sum(symbols[i] == "S" and sum(symbols[j] == "P" for j in graph[i]) > 1 for i in graph.nodes)
    return {(1, 4, 0, 0): "PS4", (2, 7, 0, 1): "P2S7", (2, 6, 1, 0): "P2S6 (P–P bond)", (0, 2, 0, 0): "S2",
            (0, 1, 0, 0): "S (free)"}[kinds["P"], kinds["S"], direct, bridging]  # fmt: skip


cell = np.array([[21.0, 0.0, 0.0], [3.0, 20.0, 0.0], [-4.0, 2.5, 22.0]])
kinds = ["P2S7"] * 3 + ["P2S6"] * 2 + ["PS4"] * 6 + ["S2", "S", "S"] + ["Li"] * 30
symbols, ideal = build(kinds, cell)
edges = np.arange(0.0, 180.0 + BIN, BIN)
triplets = [("S", "P", "S"), ("P", "S", "P"), ("S", "P", "P"), ("Li", "S", "P"), ("S", "Li", "S")]
frames, angles = [], {"-".join(t): np.zeros(len(edges) - 1, int) for t in triplets}
coordination = {"P": Counter(), "Li": Counter()}
units, lengths = Counter(), {"P-S": [], "Li-S": []}
for _ in range(2):
    positions = np.round(ideal + rng.normal(scale=0.05, size=ideal.shape), 4)
    # some atoms outside the cell
    positions += np.round(rng.integers(-1, 2, size=ideal.shape) @ cell, 4)
    positions = np.round(positions, 4)
    atoms = ase.Atoms(symbols, positions=positions, cell=cell, pbc=True)
    i, j, vectors, distances = neighbor_list("ijDd", atoms, {key: value for key, value in CUTOFFS.items()})
    graph = nx.Graph()
    graph.add_nodes_from(n for n, s in enumerate(symbols) if s != "Li")
    graph.add_edges_from((a, b) for a, b in zip(i.tolist(), j.tolist()) if "Li" not in (symbols[a], symbols[b]))
    units.update(name_of(graph.subgraph(c), symbols) for c in nx.connected_components(graph))
    for center, symbol in enumerate(symbols):
        own = np.flatnonzero(i == center)
        by = {s: [vectors[n] for n in own if symbols[j[n]] == s] for s in ("Li", "P", "S")}
        if symbol in coordination:
            coordination[symbol][len(by["S"])] += 1
            lengths[f"{symbol}-S"] += [float(np.linalg.norm(v)) for v in by["S"]]
        for a, b, c in triplets:
            if b != symbol:
                continue
            pairs = [(u, v) for p, u in enumerate(by[a]) for q, v in enumerate(by[c]) if a != c or p < q]
            degrees = [
                np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1))) for u, v in pairs
            ]
            angles[f"{a}-{b}-{c}"] += np.histogram(degrees, edges)[0]
    frames.append(positions.tolist())

json.dump(
    {
        "versions": {"ase": ase.__version__, "networkx": nx.__version__, "numpy": np.__version__},
        "cell": cell.tolist(),
        "symbols": symbols,
        "frames": frames,
        "cutoffs": [["P", "S", 2.7], ["P", "P", 2.8], ["S", "S", 2.5], ["Li", "S", 3.2]],
        "bin": BIN,
        "angles": {name: counts.tolist() for name, counts in angles.items()},
        "coordination": {s: {str(n): c for n, c in sorted(v.items())} for s, v in coordination.items()},
        "bond_length": {pair: [float(f"{np.mean(v):.10g}"), float(f"{np.std(v):.10g}")] for pair, v in lengths.items()},
        "units": dict(units),
    },
    sys.stdout,
)
print()
