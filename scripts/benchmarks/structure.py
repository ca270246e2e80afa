"""Structural analyses and reading of trajectories: vitrion beside freud, pyscal3, voro++, ASE and MDAnalysis.

One trajectory (a crystal with thermal noise, 10,000 atoms of Li, P, S) is written as extended XYZ and as a LAMMPS
dump. Every peer analyses the same frames from memory, vitrion the same file; both use the same number of threads.
Times are medians over rounds, in which all programs take their turns.

pip install freud-analysis pyscal3 pyvoro2 ase MDAnalysis numpy
usage: python structure.py path/to/vitrion [--frames 40] [--rounds 3] [--threads 2] [--only rdf,q6,voronoi,reading]
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

import freud
import numpy as np
import pyscal3

warnings.filterwarnings("ignore")

R_MAX, BINS = 10.0, 200
Q6_CUTOFF = 4.8


def make(atoms, frames, folder):
    """Frames of a simple cubic arrangement at the density of Li3PS4 glass with thermal noise."""
    rng = np.random.default_rng(1)
    side = round((atoms) ** (1 / 3) + 0.499)
    edge = (atoms / 0.05) ** (1 / 3)
    sites = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    sites = sites[rng.permutation(len(sites))[:atoms]] + 0.5
    kinds = np.repeat([0, 1, 2], [3 * atoms // 8, atoms // 8, atoms - 3 * atoms // 8 - atoms // 8])
    rng.shuffle(kinds)
    symbols = np.array(["Li", "P", "S"])[kinds]
    positions = []
    xyz, dump = folder / "trajectory.extxyz", folder / "trajectory.lammpstrj"
    with open(xyz, "w") as f, open(dump, "w") as g:
        for number in range(frames):
            r = sites * edge / side + 0.3 * rng.standard_normal((atoms, 3))
            r %= edge
            positions.append(r)
            f.write(f'{atoms}\nLattice="{edge:.8f} 0 0 0 {edge:.8f} 0 0 0 {edge:.8f}" ')
            f.write(f'Properties=species:S:1:pos:R:3 time={number * 100.0} pbc="T T T"\n')
            f.writelines(f"{s} {x:.8f} {y:.8f} {z:.8f}\n" for s, (x, y, z) in zip(symbols, r))
            g.write(f"ITEM: TIMESTEP\n{number * 100}\nITEM: NUMBER OF ATOMS\n{atoms}\n")
            g.write(f"ITEM: BOX BOUNDS pp pp pp\n" + f"0 {edge:.8f}\n" * 3)
            g.write("ITEM: ATOMS id type element x y z\n")
            lines = zip(kinds, symbols, r)
            g.writelines(
                f"{i + 1} {k + 1} {s} {x:.8f} {y:.8f} {z:.8f}\n"
                for i, (k, s, (x, y, z)) in enumerate(lines)
            )
    return edge, kinds, positions, xyz, dump


def freud_rdf(query_of, kinds, points):
    for a in range(3):
        query = query_of(points[kinds == a])
        for b in range(a, 3):
            rdf = freud.density.RDF(BINS, R_MAX)
            others = {} if a == b else {"query_points": points[kinds == b]}
            rdf.compute(query, **others)
            _ = rdf.rdf


def freud_rdf_by_pair(box, kinds, points):
    """Six RDF objects, one for each pair of species, from cells."""
    freud_rdf(lambda some: freud.locality.LinkCell(box, some, R_MAX), kinds, points)


def freud_rdf_by_tree(box, kinds, points):
    """The same with a bounding-volume hierarchy, freud's default."""
    freud_rdf(lambda some: freud.locality.AABBQuery(box, some), kinds, points)


def freud_rdf_of_list(box, kinds, points):
    """One neighbour list for all pairs, one histogram of distances and species."""
    query = freud.locality.AABBQuery(box, points)
    found = query.query(points, {"r_max": R_MAX, "exclude_ii": True}).toNeighborList()
    pair = 3 * kinds[found.query_point_indices] + kinds[found.point_indices]
    bins = (found.distances * (BINS / R_MAX)).astype(np.int64)
    np.bincount(pair * BINS + np.minimum(bins, BINS - 1), minlength=9 * BINS)


def freud_q6(box, kinds, points):
    q6 = freud.order.Steinhardt(6, average=True)
    q6.compute((box, points), neighbors={"r_max": Q6_CUTOFF})
    _ = q6.particle_order


def pyscal_q6(box, kinds, points):
    import ase

    atoms = ase.Atoms("Ar" * len(points), positions=points + box.Lx / 2, cell=[box.Lx] * 3, pbc=True)
    pyscal3.find_neighbors(atoms, method="cutoff", cutoff=Q6_CUTOFF, store_rows=False)
    pyscal3.steinhardt_parameter(atoms, 6, averaged=True)


def freud_voronoi(box, kinds, points):
    voronoi = freud.locality.Voronoi()
    voronoi.compute((box, points))
    _ = voronoi.volumes


def pyvoro_voronoi(box, kinds, points):
    import pyvoro2

    half = box.Lx / 2
    domain = pyvoro2.OrthorhombicCell(((-half, half),) * 3, periodic=(True, True, True))
    pyvoro2.compute(points, domain=domain, return_vertices=False, return_adjacency=False, return_faces=False)


def ase_reading(path):
    import ase.io

    form = "extxyz" if path.suffix == ".extxyz" else "lammps-dump-text"
    for _ in ase.io.iread(path, index=":", format=form):
        pass


def mdanalysis_reading(path):
    import MDAnalysis

    form = "XYZ" if path.suffix == ".extxyz" else "LAMMPSDUMP"
    options = {} if form == "XYZ" else {"topology_format": "LAMMPSDUMP"}
    universe = MDAnalysis.Universe(str(path), format=form, **({"topology_format": "XYZ"} if form == "XYZ" else options))
    for _ in universe.trajectory:
        pass


def vitrion(binary, path, settings, threads):
    config = path.with_suffix(".toml")
    config.write_text(f"[[analysis]]\n{settings}\n")
    command = [binary, "bench", "analysis", str(path), "--config", str(config), "--on-threads", str(threads), "--json", "-q"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["runs"][0]


PEERS = {
    "rdf": (f'kind = "radial_distribution"\nr_max = "{R_MAX} A"\ndr = "{R_MAX / BINS} A"', [freud_rdf_by_pair, freud_rdf_by_tree, freud_rdf_of_list]),
    "q6": (f'kind = "steinhardt"\nl = [6]\ncutoff = "{Q6_CUTOFF} A"', [freud_q6, pyscal_q6]),
    "voronoi": ('kind = "voronoi"', [freud_voronoi, pyvoro_voronoi]),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--peer-frames", type=int, default=4, help="frames that peers analyse in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="rdf,q6,voronoi,reading")
    arguments = parser.parse_args()
    freud.parallel.set_num_threads(arguments.threads)
    pyscal3.set_num_threads(arguments.threads)
    wanted = arguments.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        edge, kinds, positions, xyz, dump = make(10_000, arguments.frames, pathlib.Path(folder))
        box = freud.box.Box.cube(edge)
        points = [(r - edge / 2).astype(np.float32) for r in positions]
        times = {}

        def took(name, seconds):
            times.setdefault(name, []).append(1e3 * seconds)
            print(f"{name}: {1e3 * seconds:.2f} ms", flush=True)

        for _ in range(arguments.rounds):
            for what, (settings, peers) in PEERS.items():
                if what not in wanted:
                    continue
                took(f"{what} vitrion", 1e-3 * vitrion(arguments.binary, xyz, settings, arguments.threads)["analyses"][0]["ms_per_frame"])
                for peer in peers:
                    count = 1 if peer is pyvoro_voronoi else arguments.peer_frames
                    start = time.perf_counter()
                    for frame in points[:count]:
                        peer(box, kinds, frame)
                    took(f"{what} {peer.__name__}", (time.perf_counter() - start) / count)
            if "reading" in wanted:
                for path in (xyz, dump):
                    run = vitrion(arguments.binary, path, PEERS["q6"][0], arguments.threads)
                    took(f"reading {path.suffix} vitrion", 1e-3 * run["reading_ms_per_frame"])
                    for peer in (ase_reading, mdanalysis_reading):
                        start = time.perf_counter()
                        peer(path)
                        took(f"reading {path.suffix} {peer.__name__}", (time.perf_counter() - start) / arguments.frames)
        for name, all_times in times.items():
            ours = statistics.median(times[" ".join(name.split()[:-1]) + " vitrion"])
            theirs = statistics.median(all_times)
            print(f"{name:40} {theirs:9.2f} ms/frame  {theirs / ours:7.2f}x  ({min(all_times):.2f} to {max(all_times):.2f})")


main()
