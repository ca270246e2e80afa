#!/usr/bin/env python3
"""POSCAR, XDATCAR and CIF files by ASE, with the atoms it reads back from them.

usage: crystal_formats.py OUTPUT_DIR      (needs the PyPI packages ase, spglib is not needed)
"""
import json
import pathlib
import sys

import ase
import numpy as np
from ase.io import read, write
from ase.spacegroup import crystal

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(5)
triclinic = ase.Atoms(
    "Li2PS3",
    cell=ase.geometry.cellpar_to_cell([5.1, 6.2, 7.3, 81, 97, 104]),
    scaled_positions=rng.random((6, 3)),
    pbc=True,
)
write(out / "direct.POSCAR", triclinic, format="vasp", direct=True, vasp5=True)
write(out / "cartesian.POSCAR", triclinic, format="vasp", direct=False, vasp5=True)
moving = [triclinic.copy() for _ in range(3)]
for k, atoms in enumerate(moving):
    atoms.positions += 0.1 * k
    atoms.wrap()
write(out / "XDATCAR", moving, format="vasp-xdatcar")
write(out / "p1.cif", triclinic)

CIF = """data_{name}
_symmetry_space_group_name_H-M '{hm}'
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta {beta}
_cell_angle_gamma {gamma}
loop_
_symmetry_equiv_pos_as_xyz
{operations}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def by_hand(name, number, cellpar, basis, charges):
    """A CIF with operations and one line per site, special positions included."""
    group = ase.spacegroup.Spacegroup(number)
    keys = dict(zip(["a", "b", "c", "alpha", "beta", "gamma"], cellpar))
    operations = []
    for rotation, shift in group.get_symop():
        row = []
        for r, t in zip(rotation, shift):
            text = "".join(("+" if v > 0 else "-") + "xyz"[k] for k, v in enumerate(r) if v)
            row.append(text + (f"+{t:.10g}" if t else ""))
        operations.append("'" + ", ".join(row) + "'")
    sites = [
        f"{symbol}{k + 1} {charges[symbol]} {x:.6f}(3) {y:.6f} {z:.6f} 1.0"
        for k, (symbol, (x, y, z)) in enumerate(basis)
    ]
    (out / f"{name}.cif").write_text(
        CIF.format(name=name, hm=group.symbol, operations="\n".join(operations), sites="\n".join(sites), **keys)
    )


charges = {"Li": "Li1+", "P": "P5+", "S": "S2-", "Cl": "Cl1-"}
by_hand("pnma", 62, [12.9, 8.1, 6.2, 90, 90, 90],
        [("Li", (0.35, 0.02, 0.44)), ("Li", (0, 0, 0.5)), ("P", (0.09, 0.25, 0.17)), ("S", (0.15, 0.04, 0.28)), ("S", (0.93, 0.25, 0.26))], charges)
by_hand("hexagonal", 186, [6.1, 6.1, 9.9, 90, 90, 120],
        [("P", (1 / 3, 2 / 3, 0.05)), ("S", (0.17, 0.83, 0.4)), ("Li", (0, 0, 0.7))], charges)
by_hand("p-1", 2, [5.3, 6.4, 7.1, 77, 84, 99], [("Li", (0.5, 0.5, 0)), ("S", (0.21, 0.37, 0.11))], charges)
by_hand("f-43m", 216, [9.9, 9.9, 9.9, 90, 90, 90],
        [("Li", (0.023, 0.25, 0.25)), ("P", (0, 0, 0.5)), ("S", (0.118, 0.882, 0.618)), ("S", (0.25, 0.25, 0.25)), ("Cl", (0, 0, 0))], charges)

expected = {}
for path in sorted(p for p in out.iterdir() if p.suffix in (".cif", ".POSCAR") or p.name == "XDATCAR"):
    fmt = {"XDATCAR": "vasp-xdatcar"}.get(path.name, "cif" if path.suffix == ".cif" else "vasp")
    atoms = read(path, format=fmt, index=-1)
    expected[path.name] = {
        "symbols": atoms.get_chemical_symbols(),
        "scaled_positions": atoms.get_scaled_positions(wrap=True).round(10).tolist(),
        "lengths_angles": atoms.cell.cellpar().round(10).tolist(),
    }
(out / "expected.json").write_text(json.dumps({"ase": ase.__version__, "files": expected}))
