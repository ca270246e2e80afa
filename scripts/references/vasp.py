#!/usr/bin/env python3
"""OUTCAR and vasprun.xml in VASP's layout, with what ASE, dpdata and pymatgen read back from them.

VASP's potentials may not be passed on, so the numbers are those of Lennard-Jones crystals: energy, forces and
stress of a frame belong together, which a derivative checks. ASE's frames are the expected ones (dpdata's where ASE
cannot read a file); the programs must agree about the rest.

usage: vasp.py OUTPUT_DIR      (needs the PyPI packages ase, dpdata, pymatgen)
"""
import json
import pathlib
import sys
import warnings
from importlib.metadata import version

import ase
import numpy as np
from ase.calculators.lj import LennardJones
from ase.io import read
from ase.units import GPa
from dpdata.formats.vasp import outcar as dpdata_outcar
from dpdata.formats.vasp import xml as dpdata_xml
from pymatgen.io.vasp.outputs import Vasprun

KBAR = 0.1 * GPa
VASP_KB = 1e-22 / 1.60217733e-19  # eV/Å³ by VASP's own electronvolt, that of CODATA 1986
DASHES = "-" * 104
SMEARING = 0.0123  # what the entropy adds to the free energy [eV]

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def labelled(atoms):
    """Energy [eV], forces [eV/Å] and pressure tensor [kB] of a Lennard-Jones crystal."""
    atoms.calc = LennardJones(sigma=2.3, epsilon=0.3, rc=6.5, smooth=False)
    pressure = -atoms.get_stress(voigt=False) / VASP_KB
    strain = 1e-5
    for i, j in [(0, 0), (1, 2)]:  # p V = -dE/d(strain)
        energies = []
        for sign in (1, -1):
            bent, deformation = atoms.copy(), np.eye(3)
            deformation[i, j] += sign * strain / 2
            deformation[j, i] += sign * strain / 2
            bent.set_cell(atoms.cell @ deformation, scale_atoms=True)
            bent.calc = LennardJones(sigma=2.3, epsilon=0.3, rc=6.5, smooth=False)
            energies.append(bent.get_potential_energy())
        derivative = -(energies[0] - energies[1]) / (2 * strain)
        assert abs(derivative - pressure[i, j] * VASP_KB * atoms.get_volume()) < 1e-4, (i, j, derivative)
    return atoms.get_potential_energy(), atoms.get_forces(), pressure


def frames(cell, symbols, scaled, steps, seed, strain=0.0):
    rng = np.random.default_rng(seed)
    atoms = ase.Atoms(symbols, cell=cell, scaled_positions=scaled, pbc=True)
    result = []
    for _ in range(steps):
        result.append((atoms.copy(), *labelled(atoms.copy())))
        atoms.positions += rng.normal(0, 0.04, atoms.positions.shape)
        if strain:
            atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(0, strain, (3, 3))), scale_atoms=True)
    return result


def lattice(cell):
    rows = [
        "".join(f"{x:13.9f}" for x in a) + "    " + "".join(f"{x:13.9f}" for x in b)
        for a, b in zip(cell, np.linalg.inv(cell).T)
    ]
    return ["      direct lattice vectors                 reciprocal lattice vectors", *(" " * 3 + row for row in rows)]


def six(pressure):
    return [pressure[0, 0], pressure[1, 1], pressure[2, 2], pressure[0, 1], pressure[1, 2], pressure[2, 0]]


def header(run):
    kinds = run["potentials"]
    text = [" vasp.6.4.2 20Jul23 (build Jan 01 2024 00:00:00) complex", "", " INCAR:", f"   NELM = {run['nelm']}", ""]
    text += [f" POTCAR:    {title:35}" for title, _, _ in kinds]
    for title, symbol, _ in kinds:
        text += [f" POTCAR:    {title:35}"]
        if run.get("titles", True):
            text += [f"   VRHFIN ={symbol}: s1p0", "   LEXCH  = PE", f"   TITEL  = {title}", "   POMASS =    1.000; ZVAL   =    1.000    mass and valenz"]
        text += ["  local pseudopotential read in", " "]
    text += ["  ion  position               nearest neighbor table", "   1  0.000  0.000  0.000-   2 2.40", "", DASHES, ""]
    text += [" Dimension of arrays:"]
    text += ["   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    NBANDS=      2"]
    text += [f"   number of dos      NEDOS =    301   number of ions     NIONS = {sum(n for _, _, n in kinds):6d}"]
    text += ["   ions per type =            " + "".join(f"{n:4d}" for _, _, n in kinds)]
    text += ["   NGX,Y,Z   is equivalent  to a cutoff of  10.19, 10.47, 10.02 a.u.", "", " Startparameter for this run:"]
    text += [f"   ISPIN  = {run['ispin']:6d}    spin polarized calculation?", " Electronic Relaxation 1"]
    text += [f"   NELM   = {run['nelm']:6d};   NELMIN=  2; NELMDL= -5     # of ELM steps", "   EDIFF  = 0.1E-05   stopping-criterion for ELM"]
    text += [f"   PSTRESS= {run.get('pstress', 0):6.1f} pullay stress", "", DASHES, "", f"  volume of cell : {run['frames'][0][0].get_volume():11.2f}"]
    text += lattice(run["frames"][0][0].cell.array)
    text += ["", " k-points in reciprocal lattice and weights: automatic mesh", "   0.00000000  0.00000000  0.00000000       1.000", "", DASHES, ""]
    return text


def iteration(step, count, energy, ispin):
    magnetization = "      0.5000000" if ispin == 2 else ""
    return [
        "", f"--------------------------------------- Iteration {step:6d}({count:4d})  ---------------------------------------", "",
        "    POTLOK:  cpu time      0.0236: real time      0.0277",
        f" number of electron       8.0000000 magnetization {magnetization}", "",
        " Free energy of the ion-electron system (eV)", "  " + "-" * 51,
        f"  entropy T*S    EENTRO = {SMEARING:19.8f}",
        f"  free energy    TOTEN  = {energy:18.8f} eV", "",
        f"  energy without entropy = {energy + SMEARING:18.8f}  energy(sigma->0) = {energy + SMEARING / 2:18.8f}", "", DASHES, "",
    ]


def spin_tables(run):
    if run["ispin"] == 1:
        return []
    atoms = len(run["frames"][0][0])
    rows = [f"{k + 1:5d}        0.100   0.200   0.000   {0.3 + k:.3f}" for k in range(atoms)]
    return ["", " magnetization (x)", " ", "# of ion       s       p       d       tot", "-" * 42, *rows, "-" * 42, "tot          0.400   0.800   0.000   4.000", ""]


def stress(pressure, volume, kinetic, pstress):
    total = [p * VASP_KB * volume for p in six(pressure)]
    row = lambda values: " ".join(f"{v:11.5f}" for v in values)
    text = ["  FORCE on cell =-STRESS in cart. coord.  units (eV):", "  Direction    XX          YY          ZZ          XY          YZ          ZX", "  " + "-" * 86]
    parts = ["Ewald", "Hartree", "E(xc)", "Local", "n-local", "augment", "Kinetic", "Fock"]
    text += ["  Alpha Z" + "     0.00000" * 3, *(f"  {part:8}{row([v / len(parts) for v in total])}" for part in parts), "  " + "-" * 85]
    text += [f"  Total   {row(total)}", f"  in kB   {row(six(pressure))}"]
    text += [f"  external pressure = {np.trace(pressure) / 3 - pstress:11.2f} kB  Pullay stress = {pstress:11.2f} kB", ""]
    if kinetic:
        text += [f"  kinetic pressure (ideal gas correction) = {kinetic:9.2f} kB", f"  total pressure  = {np.trace(pressure) / 3 - pstress + kinetic:9.2f} kB"]
        text += ["  Total+kin. " + " ".join(f"{v + kinetic * (k < 3):11.3f}" for k, v in enumerate(six(pressure))), ""]
    return text


def table(atoms, forces, heading, columns=1):
    dashes = " " + "-" * (83 if columns == 1 else 104)
    rows = [
        " " + "".join(f"{x:13.5f}" for x in r) + "   " + "   ".join(["".join(f"{x:14.6f}" for x in f)] * columns)
        for r, f in zip(atoms.positions, forces)
    ]
    return ["", heading, dashes, *rows, " " + "-" * 83, "    total drift:                                0.000000      0.000000      0.000000", "", DASHES, ""]


POSITION = " POSITION                                       TOTAL-FORCE (eV/Angst)"


def first_principles(run, step, atoms, energy, forces, pressure):
    text = []
    for count in range(1, 4):
        text += iteration(step, count, energy + 10.0 ** (2 - 3 * count), run["ispin"])
    text += spin_tables(run)
    text += ["------------------------ aborting loop because EDIFF is reached ----------------------------------------", ""]
    pstress = run.get("pstress", 0.0)
    text += stress(pressure, atoms.get_volume(), run.get("kinetic", 0.0), pstress)
    text += ["", " VOLUME and BASIS-vectors are now :", " " + "-" * 77, "  energy-cutoff  :      350.00", f"  volume of cell : {atoms.get_volume():11.2f}"]
    text += lattice(atoms.cell.array) + ["", "  length of vectors", "    1.000000000  1.000000000  1.000000000", ""]
    vdw = run.get("dispersion", False)
    heading = POSITION + (",                                   FORCE-w/o vdW (eV/Angst)" if vdw else "")
    text += table(atoms, forces, heading, 2 if vdw else 1)
    without = f" eV    w/o vdW = {energy + 0.5:18.8f}" if vdw else ""
    text += ["  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  " + "-" * 51, f"  free  energy   TOTEN  = {energy:18.8f} eV{without[3:]}", ""]
    text += [f"  energy  without entropy={energy + SMEARING:18.8f}{without}  energy(sigma->0) ={energy + SMEARING / 2:18.8f}{without}", ""]
    if pstress:
        work = pstress * VASP_KB * atoms.get_volume()
        text += [f"  enthalpy is  TOTEN    = {energy + work:18.8f} eV   P V= {work:18.8f}", ""]
    return text + [DASHES, "", "     LOOP+:  cpu time      1.3400: real time      1.3530", ""]


def machine_learned(atoms, energy, forces):
    text = ["", "  ML FORCE on cell =-STRESS in cart. coord. units (eV/cell)", "  Direction    XX          YY          ZZ          XY          YZ          ZX", "  " + "-" * 86]
    text += ["  Total:      1.00000     2.00000     3.00000     4.00000     5.00000     6.00000"]
    text += ["  in kB       1.00000     2.00000     3.00000     4.00000     5.00000     6.00000"]
    text += [f"  volume of cell : {atoms.get_volume():11.2f}", *lattice(atoms.cell.array)]
    text += table(atoms, 0.9 * forces, " " + POSITION + " (ML)")
    return text + ["  ML FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  " + "-" * 51, f"  free  energy ML TOTEN  = {energy + 1:18.8f} eV", "",
                   f"  ML energy  without entropy={energy + 1:18.8f}  ML energy(sigma->0) ={energy + 1:18.8f}", ""]


def write_outcar(name, run):
    text = header(run)
    for step, frame in enumerate(run["frames"], 1):
        if run.get("machine_learned"):
            text += machine_learned(*frame[:3])
        if step not in run.get("machine_learned", []):
            text += first_principles(run, step, *frame)
    text += ["", " General timing and accounting informations for this job:", " " + "=" * 56, "                  Total CPU time used (sec):        1.872", ""]
    (out / f"{name}.OUTCAR").write_text("\n".join(text))


def varray(name, rows, indent):
    space = " " * indent
    return [f'{space}<varray name="{name}" >', *(f"{space} <v>" + "".join(f" {x:16.8f}" for x in row) + " </v>" for row in rows), f"{space}</varray>"]


def xml_structure(atoms, indent, name=None, selective=False):
    space = " " * indent
    text = [f'{space}<structure name="{name}" >' if name else f"{space}<structure>", f"{space} <crystal>"]
    text += varray("basis", atoms.cell.array, indent + 2) + [f'{space}  <i name="volume"> {atoms.get_volume():16.8f} </i>']
    text += varray("rec_basis", np.linalg.inv(atoms.cell.array).T, indent + 2) + [f"{space} </crystal>"]
    text += varray("positions", atoms.get_scaled_positions(wrap=False), indent + 1)
    if selective:
        text += [f'{space} <varray name="selective" type="logical" >', *(f"{space}  <v type=\"logical\" > T  T  F </v>" for _ in atoms), f"{space} </varray>"]
    return text + [f"{space}</structure>"]


def xml_energy(free, indent, zero=None):
    space = " " * indent
    values = {"e_fr_energy": free, "e_wo_entrp": free + SMEARING, "e_0_energy": free + SMEARING / 2 if zero is None else zero}
    return [f"{space}<energy>", *(f'{space} <i name="{key}"> {value:16.8f} </i>' for key, value in values.items()), f"{space}</energy>"]


def write_vasprun(name, run):
    pstress = run.get("pstress", 0.0)
    text = ['<?xml version="1.0" encoding="ISO-8859-1"?>', "<modeling>", " <generator>", '  <i name="program" type="string">vasp </i>', '  <i name="version" type="string">6.4.2  </i>', " </generator>"]
    text += [" <incar>", f'  <i type="int" name="NELM"> {run["nelm"]:5d}</i>', '  <i type="string" name="SYSTEM"> Li2S &amp; more</i>', " </incar>"]
    text += [" <kpoints>", '  <generation param="Gamma">', '   <v type="int" name="divisions">       1        1        1 </v>', "  </generation>"]
    text += ['  <varray name="kpointlist" >', "   <v>       0.00000000       0.00000000       0.00000000 </v>", "  </varray>", '  <varray name="weights" >', "   <v>       1.00000000 </v>", "  </varray>", " </kpoints>"]
    text += [" <parameters>", '  <separator name="electronic" >', '   <separator name="electronic convergence" >', f'    <i type="int" name="NELM"> {run["nelm"]:5d}</i>', "   </separator>", "  </separator>"]
    text += ['  <separator name="ionic" >', f'   <i name="PSTRESS"> {pstress:15.8f}</i>', "  </separator>", '  <separator name="response functions" >', '   <i type="int" name="NELM">     1</i>', "  </separator>", " </parameters>"]
    kinds = run["potentials"]
    text += [" <atominfo>", f"  <atoms> {sum(n for _, _, n in kinds):7d} </atoms>", f"  <types> {len(kinds):7d} </types>", '  <array name="atoms" >', '   <dimension dim="1">ion</dimension>', '   <field type="string">element</field>', '   <field type="int">atomtype</field>', "   <set>"]
    text += [f"    <rc><c>{symbol:2}</c><c> {k:3d}</c></rc>" for k, (_, symbol, n) in enumerate(kinds, 1) for _ in range(n)]
    text += ["   </set>", "  </array>", '  <array name="atomtypes" >', '   <dimension dim="1">type</dimension>', '   <field type="int">atomspertype</field>', '   <field type="string">element</field>', "   <field>mass</field>", "   <field>valence</field>", '   <field type="string">pseudopotential</field>', "   <set>"]
    text += [f"    <rc><c> {n:3d}</c><c>{symbol:2}</c><c>      1.00000000</c><c>      1.00000000</c><c>  {title:38}</c></rc>" for title, symbol, n in kinds]
    text += ["   </set>", "  </array>", " </atominfo>", *xml_structure(run["frames"][0][0], 1, "initialpos", run.get("selective", False))]
    for atoms, energy, forces, pressure in run["frames"]:
        text += [" <calculation>"]
        for count in range(1, 4):
            text += ["  <scstep>", '   <time name="dav">    0.16    0.17</time>', *xml_energy(energy - 0.2 * run.get("dispersion", False) + 10.0 ** (2 - 3 * count), 3), "  </scstep>"]
        text += xml_structure(atoms, 2) + varray("forces", forces, 2) + varray("stress", pressure, 2)
        # as VASP 5 writes it: with the work of PSTRESS, and an e_0_energy that is something else
        text += xml_energy(energy + pstress * VASP_KB * atoms.get_volume(), 2, SMEARING)
        text += ["  <eigenvalues>", "   <array>", "    <field>eigene</field>", "    <field>occ</field>", "    <set>", '     <set comment="spin 1">', '      <set comment="kpoint 1">', "       <r>   -9.0011    1.0000 </r>", "       <r>   -7.7797    1.0000 </r>", "      </set>", "     </set>", "    </set>", "   </array>", "  </eigenvalues>", " </calculation>"]
    text += xml_structure(run["frames"][-1][0], 1, "finalpos") + ["</modeling>", ""]
    (out / f"{name}.vasprun.xml").write_text("\n".join(text))


def by_ase(path, kind):
    result = []
    for atoms in read(path, format=kind, index=":"):
        # with constraints ASE would set forces along fixed directions to zero
        virial = -atoms.get_stress(voigt=False, apply_constraint=False) * atoms.get_volume()
        result.append({"symbols": atoms.get_chemical_symbols(), "cell": atoms.cell.array, "positions": atoms.positions,
                       "energy": atoms.calc.results["free_energy"], "forces": atoms.get_forces(apply_constraint=False), "virial": virial})
    return result


def by_dpdata(path, kind):
    if kind == "vasp-out":
        names, _, types, cells, positions, energies, forces, pressures = dpdata_outcar.get_frames(path)
    else:
        names, types, cells, scaled, energies, forces, pressures = dpdata_xml.analyze(path, type_idx_zero=True)
        positions = scaled @ cells
    factor = 1e3 / 1.602176621e6  # dpdata's own
    return [
        {"symbols": [names[t] for t in types], "cell": cell, "positions": r, "energy": e, "forces": f, "virial": p * factor * np.linalg.det(cell)}
        for cell, r, e, f, p in zip(cells, positions, energies, forces, pressures)
    ]


def by_pymatgen(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = Vasprun(path, parse_dos=False, parse_eigen=False, parse_potcar_file=False)
    return [
        {"symbols": [str(s.specie) for s in step["structure"]], "cell": step["structure"].lattice.matrix,
         "positions": step["structure"].cart_coords, "energy": step["e_fr_energy"], "forces": np.array(step["forces"]),
         "virial": np.array(step["stress"]) * KBAR * step["structure"].volume}
        for step in run.ionic_steps
    ]


def compare(ours, others, path, pstress=0.0):
    """`pstress` [kB]: what the other program leaves in the energy."""
    assert len(ours) == len(others), (path, len(ours), len(others))
    for a, b in zip(ours, others):
        assert a["symbols"] == b["symbols"], (path, a["symbols"], b["symbols"])
        work = pstress * VASP_KB * abs(np.linalg.det(a["cell"]))
        assert abs(a["energy"] + work - b["energy"]) < 1e-6, (path, a["energy"], b["energy"])
        for key in ("cell", "positions", "forces"):
            assert np.allclose(a[key], b[key], atol=1e-7, rtol=0), (path, key)
        assert np.allclose(a["virial"], b["virial"], atol=1e-9, rtol=1e-7), (path, a["virial"], b["virial"])


relax = {
    "potentials": [("PAW_PBE Li_sv 10Sep2004", "Li", 1), ("PAW_PBE S 06Sep2000", "S", 2), ("PAW_PBE Li 17Jan2003", "Li", 1)],
    "nelm": 60, "ispin": 2, "selective": True,
    "frames": frames([[3.9, 0.2, -0.1], [-1.1, 4.2, 0.3], [0.6, -0.8, 4.4]], ["Li", "S", "S", "Li"],
                     [[0.02, 0.01, 0.03], [0.52, 0.48, 0.05], [0.51, 0.04, 0.55], [0.05, 0.53, 0.47]], 3, 1),
}
npt = {
    "potentials": [("PAW_PBE P 06Sep2000", "P", 1), ("PAW_PBE Li 17Jan2003", "Li", 2)],
    "nelm": 40, "ispin": 1, "pstress": 12.5, "kinetic": 7.31, "titles": False,
    "frames": frames([[3.0, 0, 0], [0.7, 3.3, 0], [-0.4, 0.5, 5.7]], ["P", "Li", "Li"],
                     [[0.01, 0.02, 0.04], [0.48, 0.55, 0.33], [0.95, 0.04, 0.66]], 3, 2, strain=0.01),
}
mlff = {
    "potentials": [("PAW_PBE S 06Sep2000", "S", 1), ("PAW_PBE Li_sv 10Sep2004", "Li", 1)],
    "nelm": 60, "ispin": 1, "dispersion": True, "machine_learned": [2],
    "frames": frames([[2.9, 0, 0], [0.3, 3.1, 0], [0.2, 0.4, 3.3]], ["S", "Li"], [[0, 0, 0], [0.51, 0.47, 0.52]], 3, 3),
}
expected = {}
for name, run in {"relax": relax, "npt": npt}.items():
    write_outcar(name, run)
    write_vasprun(name, run)
    for file, kind in [(f"{name}.OUTCAR", "vasp-out"), (f"{name}.vasprun.xml", "vasp-xml")]:
        path = out / file
        found = by_ase(path, kind)
        left_in = run.get("pstress", 0.0) if kind == "vasp-xml" else 0.0
        compare(found, by_dpdata(path, kind), path, left_in)
        if kind == "vasp-xml":
            compare(found, by_pymatgen(path), path, left_in)
        for frame, (_, energy, _, pressure) in zip(found, run["frames"]):
            assert abs(frame["energy"] - energy) < 1e-6, (path, frame["energy"], energy)
            volume = abs(np.linalg.det(frame["cell"]))
            assert np.allclose(frame["virial"], pressure * VASP_KB * volume, atol=1e-6, rtol=1e-6), path
        expected[file] = {"by": "ase", "frames": [{"step": k, **frame} for k, frame in enumerate(found, 1)]}
write_outcar("mlff", mlff)
found = by_dpdata(out / "mlff.OUTCAR", "vasp-out")
assert len(found) == 2
expected["mlff.OUTCAR"] = {"by": "dpdata", "frames": [{"step": k, **frame} for k, frame in zip([1, 3], found)]}

plain = lambda value: value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
versions = {package: version(package) for package in ("ase", "dpdata", "pymatgen", "pymatgen-core")}
text = json.dumps({"versions": versions, "files": expected}, default=plain)
(out / "expected.json").write_text(text + "\n")
