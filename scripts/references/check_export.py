#!/usr/bin/env python3
"""Check predictions of vitrion against DeePMD-kit with the same exported model.

    check_export.py MODEL predict.json STRUCTURE [STRUCTURE ...]

MODEL is a model in DeePMD-kit's native format (.dp, .yaml) or a frozen graph (.pb, .pth).
predict.json is written by `vitrion predict --json`:

    {"frames": [{"energy": .., "forces": [[..]], "virial": [[..]], "atom_energies": [..]}, ..]}

in eV and eV/Angstrom, the frames in the order of the structures given (all frames of every
file, files in the order of the command line). Structures are read with ASE.

Exit status 1 if an energy differs by more than --energy (relative, default 1e-9) or a force
component by more than --force (default 1e-8 eV/Angstrom). Virial (--virial, default 1e-7 eV)
and atomic energies are compared when present; only the virial counts for the status.

Needs: deepmd-kit[cpu,torch] 3.2.0, ase 3.29, numpy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings

for key, value in {
    "OMP_NUM_THREADS": "1",
    "DP_INTRA_OP_PARALLELISM_THREADS": "1",
    "DP_INTER_OP_PARALLELISM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
}.items():
    os.environ.setdefault(key, value)
warnings.filterwarnings("ignore")

import numpy as np
from ase.io import read
from deepmd.entrypoints.convert_backend import convert_backend
from deepmd.infer import DeepPot


def evaluate(pot, atoms):
    type_map = pot.get_type_map()
    missing = sorted(set(atoms.get_chemical_symbols()) - set(type_map))
    if missing:
        raise SystemExit(f"the model does not know {', '.join(missing)} (it has {', '.join(type_map)})")
    types = [type_map.index(x) for x in atoms.get_chemical_symbols()]
    if atoms.pbc.any() and not atoms.pbc.all():
        raise SystemExit("DeePMD-kit knows only fully periodic and non-periodic structures")
    cell = np.array(atoms.cell).reshape(1, 9) if atoms.pbc.all() else None
    n = len(atoms)
    out = pot.eval(atoms.positions.reshape(1, n, 3), cell, types, atomic=True)
    return {
        "energy": float(np.reshape(out[0], -1)[0]),
        "forces": np.reshape(out[1], (n, 3)),
        "virial": np.reshape(out[2], (3, 3)),
        "atom_energies": np.reshape(out[3], n),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("prediction")
    parser.add_argument("structures", nargs="+")
    parser.add_argument("--energy", type=float, default=1e-9, help="largest relative difference of the energy")
    parser.add_argument("--force", type=float, default=1e-8, help="largest difference of a force component, eV/Angstrom")
    parser.add_argument("--virial", type=float, default=1e-7, help="largest difference of a virial component, eV")
    args = parser.parse_args()

    with open(args.prediction) as f:
        predicted = json.load(f)["frames"]
    frames = [atoms for name in args.structures for atoms in read(name, index=":")]
    if len(frames) != len(predicted):
        raise SystemExit(f"{len(predicted)} predictions for {len(frames)} structures")

    with tempfile.TemporaryDirectory() as tmp:
        model = args.model
        if model.lower().endswith((".dp", ".yaml", ".yml")):
            # The NumPy backend has no forces: evaluate with PyTorch.
            model = os.path.join(tmp, "model.pth")
            convert_backend(INPUT=args.model, OUTPUT=model)
        pot = DeepPot(model)
        results = [evaluate(pot, atoms) for atoms in frames]

    worst = {"energy": 0.0, "forces": 0.0, "virial": 0.0, "atom_energies": 0.0}
    print(f"{'frame':>5} {'atoms':>6} {'energy (eV)':>20} {'dE/|E|':>10} {'dF':>10} {'dW':>10} {'dE_atom':>10}")
    for k, (ours, theirs) in enumerate(zip(predicted, results)):
        diff = dict.fromkeys(worst, float("nan"))
        diff["energy"] = abs(ours["energy"] - theirs["energy"]) / max(1.0, abs(theirs["energy"]))
        for key in ("forces", "virial", "atom_energies"):
            if ours.get(key) is not None:
                a = np.array(ours[key], dtype=float)
                if a.shape != theirs[key].shape:
                    raise SystemExit(f"frame {k}: {key} has shape {a.shape}, expected {theirs[key].shape}")
                diff[key] = float(np.abs(a - theirs[key]).max(initial=0.0))
        if np.isnan(diff["energy"]) or np.isnan(diff["forces"]):
            raise SystemExit(f"frame {k}: energy or forces missing or not a number")
        for key, value in diff.items():
            worst[key] = max(worst[key], value) if not np.isnan(value) else worst[key]
        print(f"{k:5d} {len(frames[k]):6d} {theirs['energy']:20.10f} {diff['energy']:10.2e} {diff['forces']:10.2e} {diff['virial']:10.2e} {diff['atom_energies']:10.2e}")
    print("max   " + "  ".join(f"{key} {value:.3e}" for key, value in worst.items()))
    ok = worst["energy"] <= args.energy and worst["forces"] <= args.force and worst["virial"] <= args.virial
    print("agree" if ok else "DIFFER")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
