"""Reference mean squared displacements and diffusion coefficients for crates/vitrion-analysis.

A small random walk, positions rounded to three decimals. The MSD of some lags comes
from numpy (all time origins), D and its error from kinisi's own Bayesian regression.

pip install kinisi numpy
usage: python msd.py > ../../crates/vitrion-analysis/tests/data/msd.json
"""

import importlib.metadata
import json
import sys

import numpy as np

FRAMES, IONS, INTERVAL, DIFFUSION = 160, 8, 50.0, 3.0e-4  # fs, Å²/fs

rng = np.random.default_rng(5)
steps = rng.normal(0.0, np.sqrt(2.0 * DIFFUSION * INTERVAL), (FRAMES, IONS, 3))
paths = np.round(np.cumsum(steps, axis=0), 3)

LAGS = [1, 2, 5, 10, 20, 40, 79]
components = []
for lag in LAGS:
    squares = (paths[lag:] - paths[:-lag]) ** 2
    components.append([float(f"{x:.12g}") for x in squares.mean(axis=(0, 1))])

reference = {
    "versions": {"numpy": np.__version__, "kinisi": importlib.metadata.version("kinisi")},
    "interval": INTERVAL,
    "true_diffusion": DIFFUSION,
    "paths": paths.tolist(),
    "lags": LAGS,
    "components": components,
}


def with_kinisi():
    """D [Å²/fs]: mean, standard deviation of the posterior, from the lag of the third frame on."""
    import scipp as sc
    from kinisi.diffusion import Diffusion

    lags = np.arange(1, FRAMES // 3)
    mean, variance, independent = [], [], []
    for lag in lags:
        r2 = ((paths[lag:] - paths[:-lag]) ** 2).sum(axis=2)
        n = IONS * (FRAMES - 1) / lag
        mean.append(r2.mean())
        variance.append(r2.var() / n)
        independent.append(n)
    data = sc.DataArray(
        data=sc.array(dims=["time interval"], values=mean, variances=variance, unit=sc.Unit("angstrom^2")),
        coords={
            "time interval": sc.array(dims=["time interval"], values=lags * INTERVAL, unit="fs"),
            "n_samples": sc.array(dims=["time interval"], values=independent),
            "dimensionality": sc.scalar(3.0),
        },
    )
    diffusion = Diffusion(sc.DataGroup({"da": data}))
    diffusion.bayesian_regression(
        start_dt=sc.scalar(3 * INTERVAL, unit="fs"),
        progress=False,
        random_state=np.random.RandomState(1),
    )
    samples = diffusion.gradient.values / 6.0
    return {"start": 3, "mean": float(samples.mean()), "standard_deviation": float(samples.std(ddof=1))}


if "--no-kinisi" not in sys.argv:
    reference["kinisi"] = with_kinisi()
json.dump(reference, sys.stdout)
print()
