"""What became of the bonds: P-S neighbours and P-P bonds along trajectories of a results folder.

    python scripts/benchmarks/stability.py RESULTS

RESULTS is the folder `vitrion run potentials/li-p-s/stability.toml` made. For every run: the least and
the last fraction of P atoms with four S within 2.6 A, the largest number of P-P pairs within 2.6 A,
and the mean temperature. Needs numpy, ase, zstandard.
"""

import io
import sys
from pathlib import Path

import numpy as np
import zstandard
from ase.io import iread
from ase.neighborlist import neighbor_list


def frames(path):
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        yield from iread(io.TextIOWrapper(reader), format="extxyz")


def main(results):
    print(f"{'run':14s} {'frames':>6s} {'PS4 at start':>12s} {'least':>6s} {'end':>6s} {'most P-P':>8s} {'T [K]':>8s}")
    for folder in sorted(Path(results, "runs").iterdir()):
        for path in sorted(folder.rglob("trajectory.extxyz.zst")):
            whole, pairs = [], []
            for atoms in frames(path):
                symbols = np.array(atoms.get_chemical_symbols())
                i, j = neighbor_list("ij", atoms, 2.6)
                ps = np.bincount(i[(symbols[i] == "P") & (symbols[j] == "S")], minlength=len(atoms))
                whole.append(np.mean(ps[symbols == "P"] == 4))
                pairs.append(np.sum((symbols[i] == "P") & (symbols[j] == "P")) // 2)
            thermo = np.genfromtxt(path.parent / "thermo.csv", delimiter=",", names=True)
            print(
                f"{folder.name:14s} {len(whole):6d} {whole[0]:12.3f} {min(whole):6.3f} {whole[-1]:6.3f} "
                f"{max(pairs):8d} {thermo['temperature_k'].mean():8.1f}"
            )


if __name__ == "__main__":
    main(sys.argv[1])
