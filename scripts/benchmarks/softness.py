"""Time of a logistic regression: scikit-learn beside vitrion, on the same samples.

    pip install numpy scikit-learn
    python scripts/benchmarks/softness.py --samples 1000000

vitrion writes its samples to a file; scikit-learn standardises them (not timed) and fits with lbfgs (SciPy) for several tolerances, so
that times can be compared where the objective is the same.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time

import numpy as np
from sklearn.linear_model import LogisticRegression


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--vitrion", default="target/release/vitrion")
    arguments.add_argument("--samples", type=int, default=1_000_000)
    arguments.add_argument("--features", type=int, default=150)
    arguments.add_argument("--c", type=float, default=1.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "samples.f64")
        command = [given.vitrion, "bench", "softness", "--samples", str(given.samples), "--features"]
        command += [str(given.features), "--c", str(given.c), "--json", "--quiet"]
        first = json.loads(subprocess.run([*command, "--data", file], check=True, capture_output=True, text=True).stdout)
        again = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"vitrion: {first['fit_s']:.2f} s, {again['fit_s']:.2f} s, objective {first['objective']!r}", flush=True)
        data = np.fromfile(file).reshape(given.samples, given.features + 1)
    x, y = data[:, :-1].copy(), data[:, -1] > 0.5
    del data
    x -= x.mean(axis=0)
    x /= x.std(axis=0)
    share = np.where(y, len(y) / (2 * y.sum()), len(y) / (2 * (~y).sum()))
    side = np.where(y, 1.0, -1.0)
    for solver, tol in [("lbfgs", 1e-4), ("lbfgs", 1e-6), ("lbfgs", 1e-8), ("newton-cholesky", 1e-8)]:
        model = LogisticRegression(C=given.c, class_weight="balanced", solver=solver, tol=tol, max_iter=10000)
        start = time.perf_counter()
        model.fit(x, y)
        seconds = time.perf_counter() - start
        margin = side * (x @ model.coef_[0] + model.intercept_[0])
        objective = given.c * np.sum(share * np.logaddexp(0.0, -margin)) + 0.5 * np.sum(model.coef_**2)
        print(
            f"scikit-learn {solver}, tol {tol:g}: {seconds:.2f} s, {model.n_iter_[0]} iterations, "
            f"objective {objective - first['objective']:+.3e} of vitrion's",
            flush=True,
        )


if __name__ == "__main__":
    main()
