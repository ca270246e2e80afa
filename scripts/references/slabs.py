"""Reference cells for crates/vitrion-core/tests/slabs.rs, written as JSON.

Lattice planes of a triclinic, an orthorhombic and an fcc crystal: the new lattice vectors are searched
among all small integers, the atoms are cut out by ase.build.cut, and ase.build.surface makes a slab of
two layers in a basis of its own. Orthogonal supercells come from ASE's builders of common surfaces.

pip install ase numpy
usage: python slabs.py > ../../crates/vitrion-core/tests/data/slabs/expected.json
"""

import itertools
import json
import sys

import ase
import ase.build
import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal

PLANES = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (2, -1, 3), (0, 1, 1)]
REACH = 7  # of the search for lattice vectors
CUTOFF = 6.0
VACUUM = 15.0

rng = np.random.default_rng(3)
triclinic = ase.Atoms(
    "Li3PS2",
    cell=ase.geometry.cellpar_to_cell([5.1, 6.2, 7.3, 81, 97, 104]),
    scaled_positions=rng.random((6, 3)),
    pbc=True,
)
# special and general positions of Pnma as in beta-Li3PS4, cell and coordinates rounded
orthorhombic = crystal(
    ["Li", "Li", "P", "S", "S", "S"],
    [(0.35, 0.02, 0.44), (0, 0, 0.5), (0.09, 0.25, 0.17), (0.15, 0.04, 0.28), (0.93, 0.25, 0.26), (0.1, 0.25, 0.84)],
    spacegroup=62,
    cellpar=[12.9, 8.1, 6.2, 90, 90, 90],
)
# off the planes: of atoms on them, ASE's rounding leaves some at the bottom of a slab, some at the top
orthorhombic.positions += [0.11, 0.13, 0.07]
fcc = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)


def rounded(atoms):
    """The same numbers in the JSON and here."""
    cell = np.round(atoms.cell[:], 10)
    return ase.Atoms(
        atoms.get_chemical_symbols(), cell=cell, positions=np.round(atoms.positions, 10), pbc=True
    )


def preferred(candidates, lengths):
    """The shortest; then the smallest sum of absolute coefficients; then the lexicographically largest."""
    lengths = np.array(lengths)
    shortest = [n for n, length in zip(candidates, lengths) if length < lengths.min() + 1e-7]
    return min(shortest, key=lambda n: (sum(map(abs, n)), [-x for x in n]))


def lattice_vectors(cell, plane):
    everything = [n for n in itertools.product(range(-REACH, REACH + 1), repeat=3) if any(n)]
    flat = [n for n in everything if np.dot(n, plane) == 0]
    a = preferred(flat, [np.linalg.norm(n @ cell) for n in np.array(flat)])
    # a x b is the plane itself: a basis, right-handed with the normal
    bases = [n for n in flat if tuple(np.cross(a, n)) == plane]
    b = preferred(bases, [np.linalg.norm(n @ cell) for n in np.array(bases)])
    normal = np.linalg.inv(cell) @ plane
    normal /= np.linalg.norm(normal)
    rising = [n for n in everything if np.dot(n, plane) == 1]
    offsets = [np.linalg.norm(n @ cell - (n @ cell @ normal) * normal) for n in np.array(rising)]
    c = preferred(rising, offsets)
    tilt = np.degrees(np.arctan2(min(offsets), 1 / np.linalg.norm(np.linalg.inv(cell) @ plane)))
    return [[int(x) for x in n] for n in (a, b, c)], float(tilt)


def pairs(atoms):
    """Number, mean and mean inverse of the distances below the cut-off, by pair of elements."""
    first, second, distance = neighbor_list("ijd", atoms, CUTOFF)
    assert abs(distance - CUTOFF).min() > 1e-6, "a distance at the cut-off"
    kinds = np.array(atoms.get_chemical_symbols())
    result = {}
    for a, b in itertools.combinations_with_replacement(sorted(set(kinds)), 2):
        chosen = distance[(kinds[first] == a) & (kinds[second] == b)]
        if len(chosen):
            result[f"{a}-{b}"] = [len(chosen), float(chosen.mean()), float((1 / chosen).mean())]
    return result


crystals = {}
for name, atoms in {"triclinic": triclinic, "orthorhombic": orthorhombic, "fcc": fcc}.items():
    atoms = rounded(atoms)
    planes = []
    for plane in PLANES:
        matrix, tilt = lattice_vectors(atoms.cell[:], plane)
        cut = ase.build.cut(atoms, *matrix, tolerance=1e-6)
        assert len(cut) == len(atoms)
        slab = ase.build.surface(atoms, plane, layers=2, periodic=True)
        height = float(slab.cell[2, 2])
        reduced, _ = minkowski_reduce(slab.cell, pbc=[True, True, False])
        slab.set_cell(slab.cell[:] + np.diag([0, 0, VACUUM]))
        planes.append(
            {
                "plane": plane,
                "matrix": matrix,
                "tilt": tilt,
                "cut": {
                    "cellpar": cut.cell.cellpar().round(10).tolist(),
                    "symbols": cut.get_chemical_symbols(),
                    "scaled_positions": cut.get_scaled_positions().round(10).tolist(),
                },
                "surface": {
                    "height": height,
                    "lengths": sorted(np.linalg.norm(reduced[:2], axis=1).tolist()),
                    "atoms": len(slab),
                    "pairs": pairs(slab),
                },
            }
        )
    crystals[name] = {
        "cell": atoms.cell[:].tolist(),
        "symbols": atoms.get_chemical_symbols(),
        "positions": atoms.positions.tolist(),
        "pairs": pairs(atoms),
        "planes": planes,
    }

orthogonal = []
for name, unit, plane, size in [
    # planes of the primitive cells: fcc (111), (100), (110), bcc (110), hcp (0001)
    ("fcc111", ase.build.bulk("Al", "fcc", a=4.05), (1, 1, 1), (1, 2, 3)),
    ("fcc100", ase.build.bulk("Al", "fcc", a=4.05), (0, 1, 1), (1, 1, 2)),
    ("fcc110", ase.build.bulk("Al", "fcc", a=4.05), (1, 1, 2), (1, 1, 2)),
    ("bcc110", ase.build.bulk("Fe", "bcc", a=2.87), (0, 0, 1), (1, 2, 2)),
    ("hcp0001", ase.build.bulk("Mg", "hcp", a=3.2, c=5.2), (0, 0, 1), (1, 2, 2)),
]:
    symbol = unit.get_chemical_symbols()[0]
    options = {"a": 3.2, "c": 5.2} if name == "hcp0001" else {"a": {"Al": 4.05, "Fe": 2.87}[symbol]}
    if name not in ("fcc100", "fcc110"):
        options["orthogonal"] = True
    atoms = getattr(ase.build, name)(symbol, size=size, periodic=True, **options)
    orthogonal.append(
        {
            "name": name,
            "cell": unit.cell[:].tolist(),
            "symbols": unit.get_chemical_symbols(),
            "positions": unit.positions.tolist(),
            "plane": plane,
            "atoms": len(atoms),
            "cellpar": atoms.cell.cellpar().tolist(),
        }
    )

json.dump(
    {
        "versions": {"ase": ase.__version__, "numpy": np.__version__},
        "cutoff": CUTOFF,
        "vacuum": VACUUM,
        "crystals": crystals,
        "orthogonal": orthogonal,
    },
    sys.stdout,
)
print()
