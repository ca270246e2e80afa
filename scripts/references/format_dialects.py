"""Dialects of file formats: what other programs write besides the plain cases.

    python format_dialects.py crates/vitrion-core/tests/data/dialects

Writes small files with ASE, or by hand after the documentation of the program, and
`expected.json` with what they hold, in vitrion's units (Å, fs, eV; virial = -V * stress).
The dumps follow the LAMMPS documentation (`dump`, `Howto_triclinic`) and are compared with
ASE's reading of them; ASE does not apply image flags and leaves out the origin of the box for
scaled coordinates, and it cannot read `abc origin` boxes.

Versions: ase 3.29.0.
"""

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

FS = units.fs  # one femtosecond in ASE's unit of time


def labelled(seed):
    rng = np.random.default_rng(seed)
    cell = np.array([[6.1, 0.0, 0.0], [1.3, 5.7, 0.0], [-0.9, 0.8, 7.2]])
    cell *= 1 + 0.01 * seed
    symbols = ["Li", "S", "P", "Li", "S", "S", "Li"]
    scaled = rng.uniform(-0.3, 1.3, (len(symbols), 3))
    atoms = Atoms(symbols, scaled_positions=scaled, cell=cell, pbc=[True, True, seed % 2 == 0])
    stress = rng.normal(size=6) * 0.01
    atoms.calc = SinglePointCalculator(
        atoms, energy=rng.normal() * 100, forces=rng.normal(size=(7, 3)), stress=stress
    )
    atoms.set_momenta(rng.normal(size=(7, 3)))
    return atoms


def describe(atoms, labels=True, velocities=True):
    entry = {
        "cell": np.array(atoms.cell).tolist(),
        "pbc": [bool(x) for x in atoms.pbc],
        "symbols": atoms.get_chemical_symbols(),
        "positions": atoms.positions.tolist(),
    }
    if velocities:
        entry["velocities"] = (atoms.get_velocities() * FS).tolist()
    if labels:
        entry["energy"] = float(atoms.get_potential_energy())
        entry["forces"] = atoms.get_forces().tolist()
        entry["virial"] = (-atoms.get_volume() * atoms.get_stress(voigt=False)).tolist()
    return entry


def dump_text(atoms, style, images=None, origin=(0.0, 0.0, 0.0), general=False):
    """A LAMMPS dump of one frame, ids in reverse order."""
    cell = np.array(atoms.cell)
    origin = np.array(origin)
    lines = ["ITEM: TIMESTEP", "500", "ITEM: NUMBER OF ATOMS", str(len(atoms))]
    (ax, _, _), (xy, by, _), (xz, yz, cz) = cell
    lo = origin + [min(0, xy, xz, xy + xz), min(0, yz), 0]
    hi = origin + [ax + max(0, xy, xz, xy + xz), by + max(0, yz), cz]
    if general:
        lines.append("ITEM: BOX BOUNDS abc origin pp pp pp")
        lines += [" ".join(map(repr, map(float, [*row, o]))) for row, o in zip(cell, origin)]
    elif xy == xz == yz == 0:
        lines.append("ITEM: BOX BOUNDS pp pp pp")
        lines += [f"{a!r} {b!r}" for a, b in zip(map(float, lo), map(float, hi))]
    else:
        lines.append("ITEM: BOX BOUNDS xy xz yz pp pp pp")
        lines += [
            f"{float(a)!r} {float(b)!r} {float(t)!r}" for a, b, t in zip(lo, hi, (xy, xz, yz))
        ]
    true = atoms.positions
    if images is not None:
        shown = true - np.array(images) @ cell
    else:
        shown = true
    if style in ("xs", "xsu"):
        shown = (shown - origin) @ np.linalg.inv(cell)
    names = " ".join(c + style[1:] for c in "xyz")
    extra = " ix iy iz" if images is not None else ""
    lines.append(f"ITEM: ATOMS id type element {names}{extra} vx vy vz")
    order = ["Li", "P", "S"]
    velocities = atoms.get_velocities() * FS * 1e3  # Å/ps
    for i in reversed(range(len(atoms))):
        s = atoms[i].symbol
        words = [str(i + 1), str(order.index(s) + 1), s, *(repr(float(x)) for x in shown[i])]
        if images is not None:
            words += [str(n) for n in images[i]]
        words += [repr(float(v)) for v in velocities[i]]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def make(folder):
    folder = Path(folder)
    expected = {}
    other = labelled(0)

    one = labelled(2)
    one.info = {"note": 'quoted "text" with = sign', "flag": True, "matrix": np.eye(3)}
    ase.io.write(folder / "ase-info.extxyz", one, format="extxyz")
    expected["ase-info.extxyz"] = [describe(one)]

    # our own columns and keys, as other programs write them
    virial = -other.get_volume() * other.get_stress(voigt=False)
    lattice = " ".join(repr(float(x)) for x in np.array(other.cell).ravel())
    with open(folder / "virials-z.xyz", "w") as out:
        out.write(f"{len(other)}\n")
        out.write("config_type='a b' virials={" + " ".join(repr(float(x)) for x in virial.ravel()))
        out.write("} pbc=[T, T, T] free_energy=" + repr(float(other.get_potential_energy())))
        out.write(f' Lattice="{lattice}" Properties=force:R:3:tag:I:2:Z:I:1:pos:R:3\n')
        for atom, force in zip(other, other.get_forces()):
            words = [*force, 7, 8, atom.number, *atom.position]
            out.write(" ".join(repr(float(w)) if i not in (3, 4, 5) else str(w)
                               for i, w in enumerate(words)) + "\n")
    expected["virials-z.xyz"] = [describe(other, velocities=False)]

    solid = labelled(4)
    solid.pbc = True
    solid.wrap()
    ase.io.write(folder / "ase-full.data", solid, format="lammps-data", masses=True,
                 atom_style="full", units="real", velocities=True, specorder=["Li", "P", "S"])
    expected["ase-full.data"] = [describe(solid, labels=False)]

    fixed = solid.copy()
    fixed.set_constraint(FixAtoms([0]))
    ase.io.write(folder / "ase-cartesian.POSCAR", fixed, format="vasp", direct=False, sort=True)
    ordered = solid[np.argsort(solid.get_chemical_symbols(), kind="stable")]
    expected["ase-cartesian.POSCAR"] = [describe(ordered, labels=False, velocities=False)]
    ase.io.write(folder / "volume.POSCAR", solid, format="vasp", direct=True)
    text = (folder / "volume.POSCAR").read_text().splitlines()
    text[1] = repr(-8.0 * abs(float(np.linalg.det([list(map(float, l.split())) for l in text[2:5]]))))
    (folder / "volume.POSCAR").write_text("\n".join(text) + "\n")
    doubled = solid.copy()
    doubled.set_cell(np.array(solid.cell) * 2, scale_atoms=True)
    expected["volume.POSCAR"] = [describe(doubled, labels=False, velocities=False)]

    rng = np.random.default_rng(9)
    images = rng.integers(-2, 3, (len(solid), 3))
    unwrapped = solid.copy()
    unwrapped.positions += images @ np.array(solid.cell)
    box = labelled(6)
    box.set_cell([5.0, 6.0, 7.0], scale_atoms=True)
    box.pbc = True
    dumps = {
        "x-images.dump": ("x", images, (0.25, 0.0, -1.5)),
        "xs-images.dump": ("xs", images, (0.0, 0.0, 0.0)),
        "xs-box.dump": ("xs", None, (1.0, 1.0, 1.0)),
        "general.dump": ("x", None, (0.1, 0.2, 0.3)),
    }
    for name, (style, flags, origin) in dumps.items():
        truth = {"xs-box.dump": box}.get(name, unwrapped if "images" in name else solid)
        text = dump_text(truth, style, flags, origin, general=name == "general.dump")
        (folder / name).write_text(text)
        entry = describe(truth, labels=False)
        entry["step"] = 500
        entry["origin"] = list(origin)
        expected[name] = [entry]
        if name != "general.dump":
            seen = ase.io.read(folder / name, format="lammps-dump-text", units="metal")
            shift = seen.positions - truth.positions
            cell_error = abs(np.array(seen.cell) - np.array(truth.cell)).max()
            lattice_shift = shift @ np.linalg.inv(truth.cell)
            print(name, "cell", f"{cell_error:.1e}", "positions, in lattice vectors",
                  f"{abs(lattice_shift - lattice_shift.round()).max():.1e}",
                  "images applied" if abs(shift).max() < 1e-9 else "images not applied by ASE")

    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")



if __name__ == "__main__":
    make(sys.argv[1])
