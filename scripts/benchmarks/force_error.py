#!/usr/bin/env python3
"""Largest difference of the fast evaluators to the reference on given frames.

    force_error.py MODEL FRAMES... [--vitrion PATH] [--every N]

Runs `vitrion predict` three times on every file (reference, double, mixed) and prints the largest
differences of force components, energies and virials. FRAMES are files that vitrion reads; the
reference is slow (milliseconds per atom), so --every takes only each N-th frame of a file, by way
of a temporary file. Needs nothing but Python.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path


def frames(vitrion, path, every, folder):
    """A file with each `every`-th frame of `path`."""
    whole = folder / "whole.extxyz"
    subprocess.run([vitrion, "convert", path, whole, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
    lines = whole.read_text().splitlines(keepends=True)
    thinned, at, number = [], 0, 0
    while at < len(lines):
        end = at + int(lines[at]) + 2
        if number % every == 0:
            thinned += lines[at:end]
        at, number = end, number + 1
    (folder / "thinned.extxyz").write_text("".join(thinned))
    return folder / "thinned.extxyz"


def predict(vitrion, model, path, precision):
    command = [vitrion, "predict", model, path, "--precision", precision, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["frames"]


def largest(a, b):
    """Largest difference of nested lists of numbers."""
    return max(map(largest, a, b)) if isinstance(a, list) else abs(a - b)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("frames", nargs="+", type=Path)
    parser.add_argument("--vitrion", default="vitrion")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    worst = {}
    total = 0
    for path in options.frames:
        with tempfile.TemporaryDirectory() as folder:
            chosen = frames(options.vitrion, path, options.every, Path(folder))
            exact = predict(options.vitrion, options.model, chosen, "reference")
            total += len(exact)
            for precision in ("double", "mixed"):
                for want, found in zip(exact, predict(options.vitrion, options.model, chosen, precision)):
                    atoms = len(want["forces"])
                    errors = (largest(want["forces"], found["forces"]),
                              abs(want["energy"] - found["energy"]) / atoms,
                              largest(want["virial"], found["virial"]) / atoms)
                    worst[precision] = [max(*pair) for pair in zip(errors, worst.get(precision, (0, 0, 0)))]
    print(f"{total} frames; largest difference to the reference")
    for precision, (force, energy, virial) in worst.items():
        print(f"{precision:7} force component {force:.1e} eV/Å, energy {energy:.1e} eV/atom, virial {virial:.1e} eV/atom")


if __name__ == "__main__":
    main()
