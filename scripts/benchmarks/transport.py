"""Times and memory of mean squared displacements and diffusion coefficients: vitrion and its peers.

Free diffusion of N ions over T frames, made in memory by every program for itself; each measurement is a process of
its own. Peers get positions as they like them best and nothing to unwrap. The peak of memory includes the positions.

    pip install numpy freud-analysis tidynamics MDAnalysis kinisi
    python scripts/benchmarks/transport.py --atoms 5000 --frames 20000 --only freud,freud-batches,tidynamics,tidynamics-f32,vitrion
    python scripts/benchmarks/transport.py --atoms 1000 --frames 5000 --only kinisi,vitrion
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

STEP = 0.3  # Å along each axis and frame
INTERVAL = 0.1  # ps
LIMIT = 21 << 30  # bytes of address space that a peer may take


def walk(atoms, frames, dtype):
    """Positions [frame, atom, xyz], made in place."""
    rng = np.random.default_rng(1)
    positions = np.empty((frames, atoms, 3), dtype=dtype)
    at = np.zeros((atoms, 3))
    for frame in positions:
        frame[:] = at
        at += STEP * rng.normal(size=at.shape)
    return positions


def freud(atoms, frames):
    import freud

    positions = walk(atoms, frames, np.float32)
    start = time.perf_counter()
    result = freud.msd.MSD(mode="window").compute(positions).msd
    return time.perf_counter() - start, float(result[10])


def freud_in_batches(atoms, frames, batch=250):
    """As little memory as freud can do with."""
    import freud

    positions = walk(atoms, frames, np.float32)
    start = time.perf_counter()
    total = np.zeros(frames)
    for first in range(0, atoms, batch):
        part = positions[:, first : first + batch]
        total += freud.msd.MSD(mode="window").compute(part).msd * part.shape[1]
    return time.perf_counter() - start, float(total[10] / atoms)


def tidynamics(atoms, frames, dtype=np.float64):
    import tidynamics

    positions = walk(atoms, frames, dtype).transpose(1, 0, 2)
    if dtype == np.float64:  # a copy that is read atom by atom; single precision is for little memory
        positions = np.ascontiguousarray(positions)
    start = time.perf_counter()
    total = np.zeros(frames)
    for one in positions:
        total += tidynamics.msd(one.astype(np.float64))
    return time.perf_counter() - start, float(total[10] / atoms)


def mdanalysis(atoms, frames):
    import MDAnalysis
    from MDAnalysis.analysis.msd import EinsteinMSD
    from MDAnalysis.coordinates.memory import MemoryReader

    universe = MDAnalysis.Universe.empty(atoms, trajectory=False)
    universe.load_new(walk(atoms, frames, np.float32), format=MemoryReader)
    start = time.perf_counter()
    result = EinsteinMSD(universe, select="all", msd_type="xyz", fft=True).run().results.timeseries
    return time.perf_counter() - start, float(result[10])


def kinisi(atoms, frames):
    """Displacements, variances and the posterior of D."""
    import scipp as sc
    from kinisi.analyze import DiffusionAnalyzer
    from MDAnalysis import Universe
    from MDAnalysis.coordinates.memory import MemoryReader

    ions = walk(atoms, frames, np.float32)
    ions -= ions.min() - 10.0
    rest = np.ones((frames, 2, 3), dtype=np.float32) * np.array([[1.0], [50.0]], dtype=np.float32)
    positions = np.concatenate([ions, rest], axis=1)
    universe = Universe.empty(atoms + 2, atom_resindex=[0] * (atoms + 2), trajectory=False)
    universe.add_TopologyAttr("type", ["Li"] * atoms + ["S"] * 2)
    edge = 4.0 * float(positions.max())
    box = np.tile([edge, edge, edge, 90.0, 90.0, 90.0], (frames, 1))
    universe.load_new(positions, format=MemoryReader, dimensions=box, dt=INTERVAL)
    start = time.perf_counter()
    analyzer = DiffusionAnalyzer.from_universe(
        universe,
        specie="Li",
        time_step=INTERVAL * sc.Unit("ps"),
        step_skip=1 * sc.Unit("dimensionless"),
        progress=False,
    )
    analyzer.diffusion(start_dt=INTERVAL * sc.Unit("ps"), progress=False)
    d = float(np.asarray(analyzer.D.values).mean())
    return time.perf_counter() - start, d


PEERS = {
    "freud": freud,
    "freud-batches": freud_in_batches,
    "tidynamics": tidynamics,
    "tidynamics-f32": lambda atoms, frames: tidynamics(atoms, frames, np.float32),
    "MDAnalysis": mdanalysis,
    "kinisi": kinisi,
}


def peer(name, atoms, frames):
    """Measured in this process."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    try:
        seconds, check = PEERS[name](atoms, frames)
    except MemoryError as error:
        return {"failed": f"more than {LIMIT >> 30} GiB: {error}"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak_mb": peak / 1e6, "check": check}


def vitrion(program, atoms, frames):
    command = [program, "bench", "transport", "--atoms", str(atoms), "--frames", str(frames), "--json", "--quiet"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "recording": found["recording_s"],
        "msd_every_lag": found["every_lag_s"],
        "msd_with_moments": found["msd_s"],
        "diffusion": found["msd_s"] + found["fit_s"],
        "peak_mb": found["peak_mb"],
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--atoms", type=int, default=5000)
    arguments.add_argument("--frames", type=int, default=20000)
    arguments.add_argument("--only", default="freud,tidynamics,MDAnalysis,kinisi,vitrion")
    arguments.add_argument("--vitrion", default="target/release/vitrion")
    arguments.add_argument("--peer", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.peer:
        print(json.dumps(peer(given.peer, given.atoms, given.frames)))
        return
    for name in given.only.split(","):
        if name == "vitrion":
            found = vitrion(given.vitrion, given.atoms, given.frames)
        else:
            command = [sys.executable, __file__, "--peer", name]
            command += ["--atoms", str(given.atoms), "--frames", str(given.frames)]
            done = subprocess.run(command, capture_output=True, text=True)
            last = done.stdout.strip().splitlines()[-1:] or [json.dumps({"failed": done.stderr[-300:]})]
            found = json.loads(last[0])
        shown = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items())
        print(f"{given.atoms} × {given.frames} {name}: {shown}", flush=True)


if __name__ == "__main__":
    main()
