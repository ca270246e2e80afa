"""Reference values of analyses of motion, from freud, tidynamics, MDAnalysis, pymatgen, kinisi and plain numpy.

Makes crates/vitrion-analysis/tests/data/transport/{hopping.xyz.gz,reference.json}: 24 Li that rattle and hop among
resting P and S that rattle, 250 frames in a skewed cell, written wrapped. Sums over all time origins are double loops
in numpy here; packages that compute the same are checked against them before anything is written.

    pip install numpy freud-analysis tidynamics MDAnalysis pymatgen pymatgen-analysis-diffusion kinisi
    python scripts/references/transport.py
"""

import gzip
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "crates/vitrion-analysis/tests/data/transport"
INTERVAL = 100.0  # fs
FRAMES = 250
MASSES = {"Li": 6.94, "P": 30.973761998, "S": 32.06}
CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.0}
SYMBOLS = ["Li"] * 24 + ["P"] * 4 + ["S"] * 22
CELL = np.array([[11.0, 0.0, 0.0], [2.5, 10.5, 0.0], [-1.5, 3.0, 12.0]])


def trajectory():
    """Unwrapped positions [frame, atom, xyz], as the wrapped file gives them back."""
    rng = np.random.default_rng(20261127)
    sites = rng.uniform(size=(len(SYMBOLS), 3)) @ CELL
    positions = []
    mobile = np.array([symbol == "Li" for symbol in SYMBOLS])
    drift = np.zeros(3)
    for _ in range(FRAMES):
        hops = (rng.uniform(size=len(SYMBOLS)) < 0.03) & mobile
        directions = rng.normal(size=(len(SYMBOLS), 3))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        sites = sites + 2.0 * hops[:, None] * directions
        drift = drift + rng.normal(scale=0.02, size=3)
        rattle = np.where(mobile, 0.25, 0.12)[:, None] * rng.normal(size=sites.shape)
        positions.append(sites + rattle + drift)
    positions = np.array(positions)
    fractions = positions @ np.linalg.inv(CELL)
    images = np.floor(fractions)
    wrapped = np.round((fractions - images) @ CELL, 3)
    return wrapped, wrapped + images @ CELL


def write(wrapped):
    lines = []
    lattice = " ".join(f"{x}" for x in CELL.ravel())
    for number, frame in enumerate(wrapped):
        lines.append(str(len(SYMBOLS)))
        lines.append(f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 time_fs={number * INTERVAL} pbc="T T T"')
        lines += [f"{s} {x:.3f} {y:.3f} {z:.3f}" for s, (x, y, z) in zip(SYMBOLS, frame)]
    with gzip.GzipFile(FOLDER / "hopping.xyz.gz", "wb", mtime=0) as out:
        out.write(("\n".join(lines) + "\n").encode())


def atoms(symbol):
    return [k for k, s in enumerate(SYMBOLS) if s == symbol]


def center(positions, symbols):
    chosen = [k for k, s in enumerate(SYMBOLS) if s in symbols]
    weights = np.array([MASSES[SYMBOLS[k]] for k in chosen])
    return np.einsum("a,tax->tx", weights, positions[:, chosen]) / weights.sum()


def at_rest(positions, symbols):
    """The same with the centre of mass of some elements at rest."""
    moved = center(positions, symbols)
    return positions - (moved - moved[0])[:, None, :]


def displacements(positions, lag):
    return positions[lag:] - positions[:-lag]


def msd(positions, lags):
    return [float((displacements(positions, lag) ** 2).sum(-1).mean()) for lag in lags]


def peers(li, lags):
    """Largest relative differences between numpy and packages that compute the same."""
    import freud
    import tidynamics

    exact = np.array(msd(li, lags))
    shifted = li - li.mean(axis=0)
    found = {}
    freud_msd = freud.msd.MSD(mode="window").compute(shifted).msd
    found["freud"] = float(np.abs(freud_msd[lags] / exact - 1).max())
    mean = np.mean([tidynamics.msd(np.ascontiguousarray(shifted[:, k])) for k in range(li.shape[1])], axis=0)
    found["tidynamics"] = float(np.abs(mean[lags] / exact - 1).max())

    import MDAnalysis
    from MDAnalysis.analysis.msd import EinsteinMSD
    from MDAnalysis.coordinates.memory import MemoryReader

    universe = MDAnalysis.Universe.empty(li.shape[1], trajectory=False)
    universe.load_new(shifted.astype(np.float32), format=MemoryReader)
    analysis = EinsteinMSD(universe, select="all", msd_type="xyz", fft=True).run()
    found["MDAnalysis"] = float(np.abs(analysis.results.timeseries[lags] / exact - 1).max())

    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Lattice, Structure

    kept = atoms("Li") + atoms("S")
    wrapped, _ = trajectory()
    structures = [
        Structure(Lattice(CELL), [SYMBOLS[k] for k in kept], frame[kept], coords_are_cartesian=True)
        for frame in wrapped
    ]
    analyzer = DiffusionAnalyzer.from_structures(
        structures, "Li", 900, time_step=INTERVAL, step_skip=1, smoothed="max", min_obs=len(atoms("Li")) * 3
    )
    steps = np.rint(np.array(analyzer.dt) / INTERVAL).astype(int)
    ours = dict(zip(lags, msd(at_rest(trajectory()[1], ["S"])[:, atoms("Li")], lags)))
    shared = [k for k, step in enumerate(steps) if step in ours and step > 0]
    assert len(shared) > 20, "too few lags in common with pymatgen"
    found["pymatgen"] = float(max(abs(analyzer.msd[k] / ours[steps[k]] - 1) for k in shared))
    return found


def kinisi_diffusion(li):
    """Posterior of D [Å²/fs]: its mean and standard deviation."""
    import scipp as sc
    from kinisi.analyze import DiffusionAnalyzer
    from MDAnalysis import Universe
    from MDAnalysis.coordinates.memory import MemoryReader

    rest = np.zeros((li.shape[0], 2, 3)) + [[1.0, 1.0, 1.0], [30.0, 40.0, 50.0]]
    everything = np.concatenate([li - li.min(axis=(0, 1)) + 100.0, rest], axis=1)
    universe = Universe.empty(everything.shape[1], atom_resindex=[0] * everything.shape[1], trajectory=False)
    universe.add_TopologyAttr("type", ["Li"] * li.shape[1] + ["S"] * 2)
    box = np.tile([900.0, 900.0, 900.0, 90.0, 90.0, 90.0], (li.shape[0], 1))
    universe.load_new(everything.astype(np.float64), format=MemoryReader, dimensions=box, dt=INTERVAL * 1e-3)
    analyzer = DiffusionAnalyzer.from_universe(
        universe, specie="Li", time_step=INTERVAL * 1e-3 * sc.Unit("ps"), step_skip=1 * sc.Unit("dimensionless"), progress=False
    )
    analyzer.diffusion(start_dt=1.0 * sc.Unit("ps"), random_state=np.random.RandomState(1), progress=False)
    samples = np.asarray(analyzer.D.values) * 1e16 / 1e15  # cm²/s to Å²/fs
    return {"mean": float(samples.mean()), "standard_deviation": float(samples.std()), "start": 1000.0}


def distinct(wrapped, li, lag, bin_width, bins):
    """G_d/ρ from the 32 origins that the analysis would take, nearest images by a search of 125."""
    origins = origins_of(lag)
    inverse = np.linalg.inv(CELL)
    shifts = np.array([[i, j, k] for i in range(-2, 3) for j in range(-2, 3) for k in range(-2, 3)]) @ CELL
    counts = np.zeros(bins)
    count = len(atoms("Li"))
    for t in origins:
        here = wrapped[t][atoms("Li")]
        there = here + li[t + lag] - li[t]
        for i in range(count):
            for j in range(count):
                if i == j:
                    continue
                d = there[j] - here[i]
                d = d - np.rint(d @ inverse) @ CELL
                for r in np.linalg.norm(d + shifts, axis=1):
                    if r < bins * bin_width:
                        counts[int(r / bin_width)] += 1
    edges = np.arange(bins + 1) * bin_width
    shells = 4 / 3 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
    density = (count - 1) / np.linalg.det(CELL)
    return (counts / (len(origins) * count * density * shells)).tolist()


LONGEST = 40


def origins_of(_lag):
    """Frames kept by halving, those followed for the longest lag, 32 of them."""
    every, kept = 1, []
    for frame in range(FRAMES):
        if frame % every == 0:
            if len(kept) == 64:
                kept = kept[::2]
                every *= 2
            if frame % every == 0:
                kept.append(frame)
    whole = [frame for frame in kept if frame + LONGEST < FRAMES]
    count = min(32, len(whole))
    return [whole[k * len(whole) // count] for k in range(count)]


def main():
    warnings.filterwarnings("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrapped, positions = trajectory()
    write(wrapped)
    rest = at_rest(positions, ["P", "S"])
    li = rest[:, atoms("Li")]
    lags = list(range(1, (FRAMES - 1) // 3 + 1))
    tensor = {}
    for name, (a, b) in {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}.items():
        tensor[name] = [float((d[..., a] * d[..., b]).mean()) for d in (displacements(li, lag) for lag in lags)]
    along = {}
    for name, vector in zip("abc", CELL):
        unit = vector / np.linalg.norm(vector)
        along[name] = [float(((displacements(li, lag) @ unit) ** 2).mean()) for lag in lags]
    moments = [(displacements(li, lag) ** 2).sum(-1) for lag in lags]
    alpha2 = [float(3 * (r2**2).mean() / (5 * r2.mean() ** 2) - 1) for r2 in moments]
    bin_width, bins = 0.1, 80
    van_hove = {}
    for lag in (1, 10, 40):
        r = np.linalg.norm(displacements(li, lag), axis=-1).ravel()
        counts, _ = np.histogram(r, bins=bins, range=(0, bins * bin_width))
        van_hove[lag] = {"self": (counts / (r.size * bin_width)).tolist(), "beyond": float((r >= bins * bin_width).mean())}
    for lag in (0, 10, 40):
        van_hove.setdefault(lag, {})["distinct"] = distinct(wrapped, li, lag, 0.5, 16)
    scattering = {
        str(q): {str(lag): np.cos(q * displacements(li, lag)).mean(axis=(0, 1)).tolist() for lag in (1, 5, 20)}
        for q in (0.5, 1.0, 2.0)
    }
    dipole = sum(CHARGES[SYMBOLS[k]] * rest[:, k] for k in range(len(SYMBOLS)))
    in_mass_frame = at_rest(positions, ["Li", "P", "S"])
    dipole_mass = sum(CHARGES[SYMBOLS[k]] * in_mass_frame[:, k] for k in range(len(SYMBOLS)))
    reference = {
        "versions": {
            name: version(name)
            for name in ("numpy", "freud-analysis", "tidynamics", "MDAnalysis", "pymatgen-analysis-diffusion", "kinisi")
        },
        "interval": INTERVAL,
        "lags": lags,
        "msd": {
            "Li": msd(li, lags),
            "P": msd(rest[:, atoms("P")], lags),
            "S": msd(rest[:, atoms("S")], lags),
            "Li_mass": msd(in_mass_frame[:, atoms("Li")], lags),
        },
        "tensor": tensor,
        "along": along,
        "alpha2": alpha2,
        "van_hove": van_hove,
        "scattering": scattering,
        "charge_msd": [x / len(atoms("Li")) for x in msd(dipole[:, None], lags)],
        "charge_msd_mass": [x / len(atoms("Li")) for x in msd(dipole_mass[:, None], lags)],
        "differences": peers(li, lags),
        "kinisi": kinisi_diffusion(li),
    }
    print(json.dumps(reference["differences"], indent=1), reference["kinisi"])
    assert all(difference < 2e-4 for difference in reference["differences"].values())
    (FOLDER / "reference.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main()
