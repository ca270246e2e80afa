"""Deviations of a committee by DeePMD-kit, for random forces and virials.

    python scripts/references/model_deviation.py crates/vitrion-model/tests/data/deepmd/model_deviation.json
"""

import importlib.metadata
import json
import sys

import numpy as np
from deepmd.infer.model_devi import calc_model_devi_f, calc_model_devi_v

random = np.random.default_rng(20)
members, atoms = 4, 6
forces = random.normal(size=(members, 1, atoms, 3))
virials = random.normal(size=(members, 1, 9))
# `dp model-devi` and pair_style deepmd divide virials by the number of atoms first
maximum, smallest, mean = (float(x[0]) for x in calc_model_devi_f(forces))
v_maximum, v_smallest, v_mean = (float(x[0]) for x in calc_model_devi_v(virials / atoms))
result = {
    "made_with": {"deepmd-kit": importlib.metadata.version("deepmd-kit"), "numpy": np.__version__},
    "forces": forces[:, 0].tolist(),
    "virials": virials[:, 0].reshape(members, 3, 3).tolist(),
    "devi_f": {"max": maximum, "min": smallest, "avg": mean},
    "devi_v": {"max": v_maximum, "min": v_smallest, "avg": v_mean},
}
with open(sys.argv[1], "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
