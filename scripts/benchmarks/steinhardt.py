"""Seconds per frame of averaged q6 with freud and pyscal3.

10,000 atoms at the density of a Li3PS4 glass, on sites of a lattice with thermal noise: the kind of
frame of crates/vitrion-analysis/benches/steinhardt.rs, to be run beside it. Times are the best of
several frames, search for neighbours included. vitrion measures one frame per thread, so that two threads
take half of the time of its benchmark per frame.

pip install freud-analysis pyscal3 ase numpy
usage: python steinhardt.py [threads]
"""

import sys
import time

import ase
import freud
import numpy as np
import pyscal3

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
freud.parallel.set_num_threads(threads)
pyscal3.set_num_threads(threads)

ATOMS, SIDE = 10_000, 22
edge = (ATOMS / 0.05) ** (1 / 3)
rng = np.random.default_rng(1)
site = rng.permutation(SIDE**3)[:ATOMS]
lattice = np.stack([site % SIDE, site // SIDE % SIDE, site // SIDE**2], axis=1)
positions = (lattice + 0.5) * edge / SIDE + 0.3 * rng.normal(size=(ATOMS, 3))
box = freud.box.Box.cube(edge)
points = box.wrap(positions - edge / 2)
atoms = ase.Atoms(["S"] * ATOMS, positions=positions % edge, cell=[edge] * 3, pbc=True)


def best(run, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def with_freud(query, l=6):
    order = freud.order.Steinhardt(l, average=True)
    order.compute((box, points), neighbors=query)
    return order.particle_order


def with_pyscal(**query):
    pyscal3.find_neighbors(atoms, store_rows=False, **query)
    return pyscal3.steinhardt_parameter(atoms, 6, averaged=True)[0]


for cutoff in (3.6, 4.1):
    query = {"r_max": cutoff, "exclude_ii": True}
    difference = np.abs(with_freud(query) - with_pyscal(method="cutoff", cutoff=cutoff)).max()
    print(
        f"within {cutoff} Å: freud {best(lambda: with_freud(query), 10):.4f} s, pyscal3 "
        f"{best(lambda: with_pyscal(method='cutoff', cutoff=cutoff), 5):.4f} s per frame on "
        f"{threads} threads; they differ by {difference:.1e} at most"
    )
query = {"num_neighbors": 12, "exclude_ii": True}
print(
    f"12 nearest: freud {best(lambda: with_freud(query), 10):.4f} s, pyscal3 "
    f"{best(lambda: with_pyscal(method='number', nmax=12), 5):.4f} s"
)
query = {"r_max": 4.1, "exclude_ii": True}
print(f"q2 to q12: freud {best(lambda: with_freud(query, list(range(2, 13))), 3):.4f} s")
