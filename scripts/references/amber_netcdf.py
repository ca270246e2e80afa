"""Reads an AMBER NetCDF trajectory of vitrion with MDAnalysis and OVITO and compares it, frame by frame,
with the same trajectory as extended XYZ.

    vitrion convert trajectory.nc same.extxyz
    python amber_netcdf.py trajectory.nc same.extxyz

Needs: MDAnalysis (checked with 2.11.0), netCDF4, numpy, ovito (checked with 3.17.2; left out if absent).
Cells are compared by lengths and angles, positions by their distances from the first atom, because the
convention turns frames into its own orientation.
"""

import sys

import MDAnalysis
import numpy as np


def extended_xyz(path):
    """Lattice, symbols, positions of every frame."""
    frames = []
    with open(path) as file:
        while head := file.readline():
            count = int(head)
            comment = file.readline()
            lattice = np.array(comment.split('Lattice="')[1].split('"')[0].split(), float).reshape(3, 3)
            rows = [file.readline().split() for _ in range(count)]
            frames.append((lattice, np.array([row[1:4] for row in rows], float)))
    return frames


def lengths_angles(cell):
    lengths = np.linalg.norm(cell, axis=1)
    cosine = [cell[i] @ cell[j] / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    return np.concatenate([lengths, np.degrees(np.arccos(cosine))])


def report(program, frames, cells, positions):
    assert len(frames) == len(positions), (len(frames), len(positions))
    cell = max(np.abs(lengths_angles(a) - b).max() for (a, _), b in zip(frames, cells))
    distance = 0.0
    for (_, a), b in zip(frames, positions):
        da, db = (np.linalg.norm(r - r[0], axis=1) for r in (a, np.asarray(b, float)))
        distance = max(distance, np.abs(da - db).max())
    print(f"{program}: {len(positions)} frames, cell {cell:.1e} (A, degrees), distances {distance:.1e} A")
    assert cell < 1e-3 and distance < 1e-4


def main(netcdf, xyz):
    frames = extended_xyz(xyz)
    atoms = len(frames[0][1])
    universe = MDAnalysis.Universe.empty(atoms, trajectory=False)
    universe.load_new(netcdf, format="NCDF")
    cells, positions = [], []
    for step in universe.trajectory:
        cells.append(np.array(step.dimensions, float))
        positions.append(step.positions.copy())
    report(f"MDAnalysis {MDAnalysis.__version__}", frames, cells, positions)
    try:
        import ovito
        from ovito.io import import_file
    except ImportError as error:
        print(f"OVITO left out: {error}")
        return
    pipeline = import_file(netcdf)
    cells, positions = [], []
    for k in range(pipeline.source.num_frames):
        data = pipeline.compute(k)
        cells.append(lengths_angles(np.array(data.cell[:, :3]).T))
        positions.append(np.array(data.particles.positions))
    report(f"OVITO {ovito.version_string}", frames, cells, positions)


main(*sys.argv[1:])
