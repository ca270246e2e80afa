"""Seconds per frame of Voronoi tessellations with Voro++ (through pyvoro2) and freud (Voro++ too).

10,000 atoms at the density of a Li3PS4 glass, on sites of a lattice with thermal noise: the kind of
frame of crates/vitrion-analysis/benches/tessellation.rs, to be run beside it. Times are the best of
several frames. pyvoro2 is asked for volumes alone and for faces with their neighbours; its Python
objects take part of the time then. freud gives volumes, neighbours and areas, and runs on threads.

pip install freud-analysis pyvoro2 numpy
usage: python tessellation.py [threads]
"""

import sys
import time

import freud
import numpy as np
import pyvoro2

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
freud.parallel.set_num_threads(threads)

ATOMS, SIDE = 10_000, 22
edge = (ATOMS / 0.05) ** (1 / 3)
rng = np.random.default_rng(1)
site = rng.permutation(SIDE**3)[:ATOMS]
lattice = np.stack([site % SIDE, site // SIDE % SIDE, site // SIDE**2], axis=1)
positions = ((lattice + 0.5) * edge / SIDE + 0.3 * rng.normal(size=(ATOMS, 3))) % edge
box = freud.box.Box.cube(edge)
points = box.wrap(positions - edge / 2)
domain = pyvoro2.OrthorhombicCell(bounds=((0, edge),) * 3, periodic=(True,) * 3)
triclinic = pyvoro2.PeriodicCell(vectors=((edge, 0, 0), (0, edge, 0), (0, 0, edge)))


def best(run, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def with_freud():
    found = freud.locality.Voronoi()
    found.compute((box, points))
    return found.volumes, found.nlist.weights


def with_pyvoro(domain, faces):
    return pyvoro2.compute(
        positions, domain=domain, return_vertices=False, return_adjacency=False, return_faces=faces
    )


print(f"freud, {threads} threads: {best(with_freud):.4f} s per frame")
for name, of in (("orthorhombic", domain), ("triclinic", triclinic)):
    for faces in (False, True):
        print(
            f"pyvoro2, {name}, {'with faces' if faces else 'volumes'}: "
            f"{best(lambda: with_pyvoro(of, faces)):.4f} s per frame"
        )
