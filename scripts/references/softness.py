"""Reference values of softness: D²min, classifiers and scores.

D²min of a random structure that is deformed and shaken, by OVITO (AtomicStrainModifier) and matscipy; planes by
scikit-learn with features it standardises; scores by scikit-learn and SciPy.

    pip install numpy scipy scikit-learn ovito matscipy ase
    python scripts/references/softness.py > crates/vitrion-analysis/tests/data/softness.json
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")
import matscipy  # noqa: E402
import numpy as np  # noqa: E402
import ovito  # noqa: E402
import scipy  # noqa: E402
import sklearn  # noqa: E402
from ase import Atoms  # noqa: E402
from matscipy.atomic_strain import atomic_strain  # noqa: E402
from matscipy.neighbours import neighbour_list  # noqa: E402
from ovito.io.ase import ase_to_ovito  # noqa: E402
from ovito.modifiers import AtomicStrainModifier  # noqa: E402
from ovito.pipeline import Pipeline, StaticSource  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402
from sklearn import metrics  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

CUTOFF = 4.2


def non_affine(rng):
    cell = np.round(np.array([[11.0, 0, 0], [2.5, 10.0, 0], [-1.5, 2.0, 12.0]]), 3)
    symbols = (["Li", "P", "S", "S"] * 12)[:48]
    before = np.round(rng.random((48, 3)) @ cell, 5)
    strain = np.array([[1.02, 0.01, 0.0], [0.0, 0.985, 0.015], [-0.01, 0.0, 1.01]])
    after_cell = np.round(cell @ strain, 6)
    after = np.round(before @ strain + 0.15 * rng.normal(size=before.shape), 5)
    first = Atoms(symbols, positions=before, cell=cell, pbc=True)
    last = Atoms(symbols, positions=after, cell=after_cell, pbc=True)
    pipeline = Pipeline(source=StaticSource(data=ase_to_ovito(last)))
    modifier = AtomicStrainModifier(
        cutoff=CUTOFF, output_nonaffine_squared_displacements=True, minimum_image_convention=True
    )
    modifier.reference = StaticSource(data=ase_to_ovito(first))
    pipeline.modifiers.append(modifier)
    by_ovito = pipeline.compute().particles["Nonaffine Squared Displacement"][...]
    i, j = neighbour_list("ij", first, CUTOFF)
    by_matscipy = atomic_strain(last, first, neighbours=(i, j))[1]
    return {
        "cutoff": CUTOFF,
        "symbols": symbols,
        "cells": [cell.tolist(), after_cell.tolist()],
        "positions": [before.tolist(), after.tolist()],
        "ovito": np.asarray(by_ovito).tolist(),
        "matscipy": np.asarray(by_matscipy).tolist(),
    }


def planes(rng):
    n, d = 160, 7
    x = np.zeros((n, d))
    before = np.zeros(n)
    for k in range(d):
        before = 0.8 * before + rng.normal(size=n)
        x[:, k] = 2.0 * k + (1 + k) * before
    x = np.round(x, 4)
    z = (x[:, 0] - x[:, 0].mean()) - 0.2 * (x[:, 3] - x[:, 3].mean()) + 0.5
    y = rng.random(n) < 1.0 / (1.0 + np.exp(-z))
    scaled = StandardScaler().fit_transform(x)
    out = []
    for c in [1e-3, 0.1, 30.0]:
        for balanced in [True, False]:
            weight = "balanced" if balanced else None
            common = {"C": c, "class_weight": weight}
            l2 = LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000, **common)
            l1 = LogisticRegression(solver="saga", l1_ratio=1.0, tol=1e-12, max_iter=200000, **common)
            svm = LinearSVC(dual=False, tol=1e-12, max_iter=1000000, intercept_scaling=3e3, **common)
            for loss, penalty, model in [("logistic", "l2", l2), ("logistic", "l1", l1), ("squared_hinge", "l2", svm)]:
                if penalty == "l1" and c < 0.01:
                    continue  # all weights are zero, and saga stops before the intercept is right
                model.fit(scaled, y)
                out.append(
                    {
                        "loss": loss,
                        "penalty": penalty,
                        "c": c,
                        "balanced": balanced,
                        "weights": model.coef_[0].tolist(),
                        "intercept": float(model.intercept_[0]),
                    }
                )
    return {"features": x.tolist(), "mobile": y.tolist(), "fits": out}


def scores(rng):
    y = rng.random(80) < 0.3
    s = np.round(1.2 * rng.normal(size=80) + 1.5 * y - 0.5, 1)  # with ties
    p = 1.0 / (1.0 + np.exp(-s))
    other = np.round(s + rng.normal(size=80), 1)
    return {
        "mobile": y.tolist(),
        "softness": s.tolist(),
        "other": other.tolist(),
        "auc": metrics.roc_auc_score(y, s),
        "accuracy": metrics.accuracy_score(y, s > 0),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, s > 0),
        "mcc": metrics.matthews_corrcoef(y, s > 0),
        "brier": metrics.brier_score_loss(y, p),
        "log_loss": metrics.log_loss(y, p),
        "spearman": float(spearmanr(s, other)[0]),
    }


rng = np.random.default_rng(8)
result = {
    "versions": {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "ovito": ".".join(map(str, ovito.version)),
        "matscipy": matscipy.__version__,
    },
    "non_affine": non_affine(rng),
    "planes": planes(rng),
    "scores": scores(rng),
}
json.dump(result, sys.stdout)
