#!/usr/bin/env python3
"""Make the small DeePMD-kit reference models and their expected results.

    deepmd_models.py OUTPUT_DIR [--only NAME[,NAME...]] [--skip-native] [--skip-tensorflow] [--skip-refused]

Every model is built through DeePMD-kit's own classes with random parameters
(fixed seeds), written in DeePMD-kit's native formats, and evaluated in double
precision by `deepmd.infer.DeepPot`:

* native models (.yaml, .dp): converted to TorchScript with DeePMD-kit's
  `convert_backend` and evaluated with the PyTorch backend; the energy is also
  computed by the NumPy backend straight from the committed file;
* TensorFlow graphs (.pb): converted from a native model, evaluated with the
  TensorFlow backend.

Nothing here is trained and no potential has any physical meaning.

Needs: deepmd-kit[cpu,torch] 3.2.0 (torch 2.11), numpy, h5py, PyYAML.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

for key, value in {
    "OMP_NUM_THREADS": "1",
    "DP_INTRA_OP_PARALLELISM_THREADS": "1",
    "DP_INTER_OP_PARALLELISM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "",
}.items():
    os.environ.setdefault(key, value)
warnings.filterwarnings("ignore")

import h5py
import numpy as np

import deepmd
from deepmd.dpmodel.model.model import get_model
from deepmd.dpmodel.utils.serialization import save_dp_model
from deepmd.entrypoints.convert_backend import convert_backend
from deepmd.infer import DeepPot

RCUT = 4.2
FIXED_TIME = "2026-01-01 00:00:00+00:00"  # written instead of the clock, so that files are reproducible


# --------------------------------------------------------------------------- structures
def random_structure(rng, cell, symbols, dmin):
    """Random atoms in `cell` (rows are the lattice vectors), no two images closer than `dmin`."""
    cell = np.array(cell)
    span = range(-2, 3)
    shifts = np.array([[i, j, k] for i in span for j in span for k in span]) @ cell
    for row in shifts:
        assert not 0 < np.linalg.norm(row) < dmin
    placed = []
    for _ in range(200000):
        if len(placed) == len(symbols):
            break
        trial = rng.random(3) @ cell
        if all(np.linalg.norm(trial - p + shifts, axis=1).min() > dmin for p in placed):
            placed.append(trial)
    assert len(placed) == len(symbols), "could not place the atoms"
    order = rng.permutation(len(symbols))
    return {"cell": cell, "symbols": [symbols[i] for i in order], "positions": np.array(placed)}


def make_structures():
    rng = np.random.default_rng(20260101)
    out = {}
    # 12 atoms, triclinic, edges of about 7 A: narrower than two cut-offs.
    s = random_structure(rng, [[7.1, 0.0, 0.0], [1.3, 6.8, 0.0], [-0.9, 1.6, 7.0]], ["Li"] * 5 + ["P"] * 2 + ["S"] * 5, 1.75)
    # Two atoms are moved to other images of the cell: positions are not wrapped.
    s["positions"][3] += s["cell"][0] - s["cell"][2]
    s["positions"][7] -= 2 * s["cell"][1]
    out["triclinic12"] = s
    # 30 atoms, strongly sheared, a general (not lower triangular) orientation.
    s = random_structure(rng, [[9.0, 0.4, -0.3], [4.1, 8.6, 0.5], [-2.7, 3.3, 8.9]], ["Li"] * 12 + ["P"] * 5 + ["S"] * 13, 1.75)
    out["sheared30"] = s
    # 2 atoms in a cell whose edges are shorter than the cut-off: many images of the same atom.
    out["tiny2"] = {
        "cell": np.array([[3.4, 0.0, 0.0], [0.5, 3.3, 0.0], [-0.4, 0.3, 3.6]]),
        "symbols": ["Li", "S"],
        "positions": np.array([[0.1, 0.2, 0.3], [1.6, 1.9, 1.75]]),
    }
    # A large box: an isolated atom without neighbours, a short dimer, a trimer.
    out["sparse6"] = {
        "cell": np.array([[16.0, 0.0, 0.0], [0.0, 15.0, 0.0], [0.0, 0.0, 17.0]]),
        "symbols": ["P", "Li", "S", "S", "P", "Li"],
        "positions": np.array([[1.0, 1.0, 1.0], [8.0, 7.5, 8.0], [8.9, 7.5, 8.4], [3.0, 12.0, 13.0], [4.7, 12.6, 12.4], [4.1, 13.9, 14.9]]),
    }
    for s in out.values():
        s["positions"] = np.round(s["positions"], 4)
    return out


STRUCTURES = make_structures()


def with_symbols(structure, mapping):
    s = copy.deepcopy(structure)
    s["symbols"] = [mapping(x) for x in s["symbols"]]
    return s


def neighbours_by_type(structure, type_map, rcut):
    """Largest number of neighbours of each type over all centres (brute force)."""
    cell, pos = structure["cell"], structure["positions"]
    volume = abs(np.linalg.det(cell))
    heights = [volume / np.linalg.norm(np.cross(cell[(a + 1) % 3], cell[(a + 2) % 3])) for a in range(3)]
    frac = pos @ np.linalg.inv(cell)
    pos = (frac - np.floor(frac)) @ cell
    n = [int(np.ceil(rcut / h)) + 1 for h in heights]
    grid = np.array([[i, j, k] for i in range(-n[0], n[0] + 1) for j in range(-n[1], n[1] + 1) for k in range(-n[2], n[2] + 1)])
    shifts = grid @ cell
    types = np.array([type_map.index(x) for x in structure["symbols"]])
    best = np.zeros(len(type_map), dtype=int)
    for i in range(len(pos)):
        count = np.zeros(len(type_map), dtype=int)
        for j in range(len(pos)):
            d = np.linalg.norm(pos[j] + shifts - pos[i], axis=1)
            count[types[j]] += int(((d < rcut) & (d > 1e-8)).sum())
        best = np.maximum(best, count)
    return best


# --------------------------------------------------------------------------- models
def base(**changes):
    """Options of the smallest model; `changes` override them."""
    options = dict(
        type_map=["Li", "P", "S"],
        rcut=RCUT,
        rcut_smth=1.0,
        sel=None,  # None: just enough for the structures, plus a few
        neuron=[2, 4, 4],
        axis=2,
        fitting=[4, 4],
        one_side=True,
        act="tanh",
        fit_act=None,  # None: same as act
        resnet_dt=False,
        fit_resnet_dt=False,
        davg_zero=False,
        precision="float64",
        fit_precision=None,
        env_protection=0.0,
        exclude_types=[],
        fit_exclude_types=[],
        atom_exclude_types=[],
        pair_exclude_types=[],
        mixed_types=False,
        atom_ener=None,
        out_bias=None,
        out_std=None,
        bias_atom_e=None,
        first_scale=1.0,
        scale=1.0,
        slots_differ=False,
        round=4,
        structures=("triclinic12", "sheared30", "tiny2", "sparse6"),
        map_symbols=None,
        format="yaml",
        overflow=False,
        note="",
    )
    unknown = set(changes) - set(options)
    assert not unknown, unknown
    options.update(changes)
    return options


SMALL = ("triclinic12", "tiny2", "sparse6")
WIDE = dict(neuron=[4, 8, 16], axis=4, fitting=[6, 6, 6])
TWO = dict(type_map=["Li", "S"], map_symbols={"P": "S"}, structures=SMALL, rcut=3.6)  # small files
PAIRS = dict(neuron=[2, 4])  # for two-side models, which have one net for each pair


def variants():
    v = {}
    v["one-side-tanh"] = base(**WIDE, format="dp", round=None, note="plain one-side model, davg and dstd different for each centre type")
    v["one-side-tanh-text"] = base(**TWO, round=None, note="as one-side, YAML, parameters with all digits")
    v["two-side-tanh"] = base(one_side=False, neuron=[2, 4, 8], fitting=[4, 4, 4], format="dp", round=None, note="one net for each ordered pair (centre, neighbour)")
    for act in ["gelu", "gelu_tf", "relu", "relu6", "silu", "softplus", "sigmoid", "linear", "silut", "custom_silu:2.0"]:
        name = "act-" + act.replace(":", "-").replace("_", "-")
        # Large enough to pass the corners of relu6 and silut; small for softplus, because
        # PyTorch's softplus is the identity above 20 and the other backends' is not.
        big = 6.0 if act in ("relu6", "silut", "custom_silu:2.0") else 1.0
        v[name] = base(**TWO, act=act, first_scale=big, scale=0.4 if act == "softplus" else 1.0, note=f"activation {act} in both nets")
    v["act-mixed"] = base(**TWO, act="softplus", scale=0.4, fit_act="gelu", note="different activations in embedding and fitting")
    v["resnet-dt"] = base(**{**WIDE, **TWO, "neuron": [4, 4, 8]}, resnet_dt=True, fit_resnet_dt=True, format="dp", note="idt in embedding and fitting where a skip exists")
    v["resnet-dt-two-side"] = base(**TWO, **PAIRS, one_side=False, resnet_dt=True, fit_resnet_dt=True, note="idt, two-side")
    v["davg-zero"] = base(**TWO, davg_zero=True, note="set_davg_zero: davg = 0, dstd != 1")
    v["exclude-one-side"] = base(**TWO, exclude_types=[[0, 1]], note="descriptor exclude_types: neighbours count as zero, padding still counts")
    v["exclude-two-side"] = base(**TWO, **PAIRS, one_side=False, act="sigmoid", exclude_types=[[0, 1]], note="descriptor exclude_types: the nets of excluded pairs are stored as zeros, and a zeroed net with sigmoid and skips is not zero")
    v["fitting-exclude"] = base(**TWO, fit_exclude_types=[1], bias_atom_e=[-1.25, 3.5], out_bias=[0.5, -2.0], note="fitting exclude_types: net and bias_atom_e vanish, out_bias stays")
    v["atom-exclude"] = base(**TWO, atom_exclude_types=[1], bias_atom_e=[-1.25, 3.5], out_bias=[0.5, -2.0], note="model atom_exclude_types: everything of that centre vanishes, out_bias too")
    v["pair-exclude"] = base(**TWO, pair_exclude_types=[[0, 1]], note="model pair_exclude_types: excluded neighbours become padding")
    v["pair-exclude-two-side"] = base(**TWO, **PAIRS, one_side=False, pair_exclude_types=[[0, 0]], note="model pair_exclude_types, two-side")
    v["out-bias-std"] = base(**TWO, out_bias=[-3.25, 1.5], out_std=[2.0, 0.5], note="out_bias is added; out_std is not used for energies")
    v["bias-atom-e"] = base(**TWO, bias_atom_e=[-10.5, 100.125], note="bias_atom_e of the fitting")
    v["atom-ener"] = base(**TWO, davg_zero=True, atom_ener=[-1.5, None], bias_atom_e=[-1.5, 2.0], note="atom_ener: F(D) - F(0) for types with a value")
    v["atom-ener-all"] = base(**TWO, atom_ener=[-1.5, 0.75], note="atom_ener given for all types but davg != 0: still F(D) - F(0), the zero vector")
    v["widths-1-2-4"] = base(**TWO, neuron=[1, 2, 4], note="skip: 1->1 equal, 1->2 double, 2->4 double")
    v["widths-1-1-2"] = base(**TWO, neuron=[1, 1, 2], resnet_dt=True, note="skip with idt: equal, equal, double")
    v["widths-2-2-6"] = base(**TWO, neuron=[2, 2, 6], note="skip: 1->2 double, equal, 2->6 none")
    v["widths-3-5-7"] = base(**TWO, neuron=[3, 5, 7], axis=3, resnet_dt=True, note="no skip anywhere, so no idt either")
    v["widths-one-layer"] = base(**TWO, neuron=[4], fitting=[5], axis=4, note="one layer each; axis_neuron equals the width")
    v["fitting-widths"] = base(**TWO, neuron=[2, 4, 4], axis=1, fitting=[4, 8, 8, 3], fit_resnet_dt=True, note="fitting: 4->4 (first layer) equal, 4->8 double, equal, none; axis 1")
    v["env-protection"] = base(**TWO, env_protection=0.15, note="env_protection in s(r) and in the angular rows")
    v["float32"] = base(**{**WIDE, **TWO}, precision="float32", fit_precision="float32", format="dp", round=None, note="all in float32 (coordinates are rounded to float32 too)")
    v["float32-fitting"] = base(**TWO, fit_precision="float32", round=None, note="float64 descriptor, float32 fitting")
    v["type-order"] = base(type_map=["S", "O", "Li"], map_symbols={"P": "S"}, one_side=False, neuron=[2, 4], fitting=[4, 4], format="dp", structures=SMALL, note="another order of the types; O is not in any structure")
    v["single-type"] = base(type_map=["Li"], map_symbols={"P": "Li", "S": "Li"}, structures=SMALL, note="one type; the structures hold Li only")
    v["single-type-two-side"] = base(type_map=["Li"], map_symbols={"P": "Li", "S": "Li"}, one_side=False, structures=SMALL, note="one type, two-side")
    v["mixed-types"] = base(**TWO, mixed_types=True, bias_atom_e=[-1.0, 2.0], note="one fitting net for all types, bias_atom_e per type")
    v["switch-2-4"] = base(**{**TWO, "rcut": 4.0}, rcut_smth=2.0, note="rcut 4.0, rcut_smth 2.0")
    v["switch-05-5"] = base(**{**TWO, "rcut": 5.0}, rcut_smth=0.5, format="dp", note="rcut 5.0, rcut_smth 0.5")
    v["large-sel"] = base(**TWO, sel=[40, 22], neuron=[2, 4], fitting=[4, 4], format="dp", note="much more room than neighbours: the padding term is large")
    v["overflow"] = base(**{**TWO, "structures": ("triclinic12", "sparse6")}, sel=[3, 3], overflow=True, note="more neighbours than sel: the farthest of each type are dropped; sparse6 has none too many")
    v["overflow-two-side"] = base(**{**TWO, "structures": ("triclinic12", "sparse6")}, **PAIRS, sel=[3, 2], one_side=False, overflow=True, note="more neighbours than sel, two-side")
    v["overflow-sel-zero"] = base(**{**TWO, "structures": ("triclinic12", "sparse6")}, sel=[8, 0], overflow=True, note="sel 0 for S: S neighbours are ignored by every centre")
    return v


def resolve(name, opt):
    """Fill in the sel and the structures, with the sel check."""
    structures = {}
    for key in opt["structures"]:
        s = STRUCTURES[key]
        if opt["map_symbols"]:
            s = with_symbols(s, lambda x: opt["map_symbols"].get(x, x))
        structures[key] = s
    need = {key: neighbours_by_type(s, opt["type_map"], opt["rcut"]) for key, s in structures.items()}
    largest = np.max(list(need.values()), axis=0)
    if opt["sel"] is None:
        opt["sel"] = [int(x) + 1 + k for k, x in enumerate(largest)]
    over = {key: bool((n > np.array(opt["sel"])).any()) for key, n in need.items()}
    assert any(over.values()) == opt["overflow"], (name, opt["sel"], need)
    return structures, over


def randomise(model, opt, seed):
    """Random parameters of a sensible size in the serialised model (a dict)."""
    rng = np.random.default_rng(seed)
    f = (lambda x: np.round(x, opt["round"])) if opt["round"] else (lambda x: x)

    def layers(net, first_scale=1.0, bias=0.5):
        for k, layer in enumerate(net["layers"]):
            var = layer["@variables"]
            n_in, n_out = var["w"].shape
            zero = not var["w"].any() and not (var["b"] is not None and var["b"].any())
            dtype = var["w"].dtype
            w = rng.normal(size=(n_in, n_out)) * 1.3 / np.sqrt(n_in + n_out) * (first_scale if k == 0 else 1.0) * opt["scale"]
            b = rng.normal(size=n_out) * bias
            if zero:  # a net that was cleared because its pair is excluded
                continue
            var["w"] = f(w).astype(dtype)
            if var["b"] is not None:
                var["b"] = f(b).astype(dtype)
            if var["idt"] is not None:
                var["idt"] = f(0.3 + 0.9 * rng.random(n_out)).astype(dtype)

    d = model["descriptor"]
    for net in d["embeddings"]["networks"]:
        layers(net, opt["first_scale"])
    for net in model["fitting"]["nets"]["networks"]:
        layers(net)
    nt, nnei, _ = d["@variables"]["davg"].shape
    dtype = d["@variables"]["davg"].dtype
    davg = np.zeros((nt, nnei, 4))
    dstd = np.ones((nt, nnei, 4))
    for t in range(nt):
        if not opt["davg_zero"]:
            davg[t, :, 0] = 0.05 + 0.04 * t + 0.02 * rng.random()
            if opt["slots_differ"]:
                davg[t, :, 0] += 0.02 * rng.random(nnei)
        dstd[t, :, 0] = 0.12 + 0.05 * t + 0.03 * rng.random()
        dstd[t, :, 1:] = 0.07 + 0.03 * t + 0.02 * rng.random()
    d["@variables"]["davg"] = np.round(davg, 4).astype(dtype)
    d["@variables"]["dstd"] = np.round(dstd, 4).astype(dtype)
    if opt["bias_atom_e"] is not None:
        var = model["fitting"]["@variables"]
        var["bias_atom_e"] = np.array(opt["bias_atom_e"]).reshape(var["bias_atom_e"].shape).astype(var["bias_atom_e"].dtype)
    for key in ("out_bias", "out_std"):
        if opt[key] is not None:
            model["@variables"][key] = np.array(opt[key], dtype=float).reshape(1, -1, 1)


def build(opt, seed):
    """The serialised model of a variant."""
    config = {
        "type_map": opt["type_map"],
        "descriptor": {
            "type": "se_e2_a",
            "rcut": opt["rcut"],
            "rcut_smth": opt["rcut_smth"],
            "sel": list(opt["sel"]),
            "neuron": opt["neuron"],
            "axis_neuron": opt["axis"],
            "type_one_side": opt["one_side"],
            "resnet_dt": opt["resnet_dt"],
            "activation_function": opt["act"],
            "precision": opt["precision"],
            "exclude_types": opt["exclude_types"],
            "set_davg_zero": opt["davg_zero"],
            "env_protection": opt["env_protection"],
            "seed": 1,
        },
        "fitting_net": {
            "type": "ener",
            "neuron": opt["fitting"],
            "resnet_dt": opt["fit_resnet_dt"],
            "activation_function": opt["fit_act"] or opt["act"],
            "precision": opt["fit_precision"] or "float64",
            "seed": 2,
        },
    }
    # Keys that DeePMD-kit's check of an input file does not know everywhere: only when used.
    if opt["fit_exclude_types"]:
        config["fitting_net"]["exclude_types"] = opt["fit_exclude_types"]
    for key in ("atom_exclude_types", "pair_exclude_types"):
        if opt[key]:
            config[key] = opt[key]
    if opt["mixed_types"]:
        config["fitting_net"]["mixed_types"] = True
    if opt["atom_ener"] is not None:
        config["fitting_net"]["atom_ener"] = opt["atom_ener"]
    built = copy.deepcopy(config)
    mixed = built["fitting_net"].get("mixed_types")
    if mixed:
        # The configuration route derives this flag from the descriptor; the class accepts it.
        built["fitting_net"].pop("mixed_types")
    model = get_model(built).serialize()
    if mixed:
        from deepmd.dpmodel.fitting.ener_fitting import EnergyFittingNet

        fit = model["fitting"]
        model["fitting"] = EnergyFittingNet(
            ntypes=fit["ntypes"], dim_descrpt=fit["dim_descrpt"], neuron=fit["neuron"], resnet_dt=fit["resnet_dt"],
            activation_function=fit["activation_function"], precision=fit["precision"], mixed_types=True, type_map=fit["type_map"], seed=2,
        ).serialize()
    randomise(model, opt, seed)
    return model, config


def save_native(path, model, config):
    """Write with DeePMD-kit's own writer, then replace the time stamp."""
    path = Path(path)
    save_dp_model(str(path), {"model": model, "model_def_script": config, "backend": "DPModel", "@variables": {"min_nbor_dist": np.array(0.9)}})
    if path.suffix == ".dp":
        with h5py.File(path, "r") as f:
            tree = json.loads(f.attrs["json"])
        tree["time"] = FIXED_TIME
        # A fresh file: rewriting the attribute in place would leave a hole.
        tmp = path.with_suffix(".tmp")
        with h5py.File(path, "r") as f, h5py.File(tmp, "w") as g:
            for key in sorted(f):
                g.create_dataset(key, data=f[key][()])
            g.attrs["json"] = json.dumps(tree, separators=(",", ":"))
        tmp.replace(path)
    else:
        text = path.read_text()
        text, n = re.subn(r"(?m)^time: .*$", f"time: '{FIXED_TIME}'", text)
        assert n == 1
        path.write_text(text)


# --------------------------------------------------------------------------- evaluation
def eval_frame(pot, structure, type_map, atomic=True):
    n = len(structure["symbols"])
    types = [type_map.index(x) for x in structure["symbols"]]
    out = pot.eval(structure["positions"].reshape(1, n, 3), structure["cell"].reshape(1, 9), types, atomic=atomic)
    energy, force, virial = out[:3]
    res = {
        "energy": float(energy.reshape(-1)[0]),
        "forces": np.array(force, dtype=float).reshape(n, 3),
        "virial": np.array(virial, dtype=float).reshape(3, 3),
    }
    if atomic:
        res["atom_energy"] = np.array(out[3], dtype=float).reshape(n)
        res["atom_virial"] = np.array(out[4], dtype=float).reshape(n, 3, 3)
    return res


class EagerTorch:
    """The PyTorch model without TorchScript, behind the same `eval` as DeepPot.

    TorchScript stops with "a view of a leaf Variable that requires grad is being
    used in an in-place operation" for models with `atom_ener` (3.2.0, torch 2.11).
    """

    def __init__(self, model):
        from deepmd.pt.model.model import BaseModel

        self.model = BaseModel.deserialize(copy.deepcopy(model)).eval()

    def eval(self, coords, cells, types, atomic=True):
        import torch

        coord = torch.tensor(coords, dtype=torch.float64, requires_grad=True)
        box = torch.tensor(cells, dtype=torch.float64)
        atype = torch.tensor([types], dtype=torch.long)
        out = self.model(coord, atype, box=box, do_atomic_virial=True)
        return [out[k].detach().numpy() for k in ("energy", "force", "virial", "atom_energy", "atom_virial")]


def numpy_energy(pot, structure, type_map, positions=None, cell=None):
    """Energy and atomic energies from the NumPy backend."""
    n = len(structure["symbols"])
    types = [type_map.index(x) for x in structure["symbols"]]
    pos = structure["positions"] if positions is None else positions
    cell = structure["cell"] if cell is None else cell
    out = pot.deep_eval.eval(pos.reshape(1, n, 3), cell.reshape(1, 9), types, atomic=True)
    return float(out["energy_redu"].reshape(-1)[0]), np.array(out["energy"]).reshape(n)


def frames_json(results, structures, over):
    frames = []
    for key, s in structures.items():
        r = results[key]
        frames.append(
            {
                "name": key,
                "overflow": over.get(key, False),
                "symbols": s["symbols"],
                "cell": s["cell"].tolist(),
                "positions": s["positions"].tolist(),
                "energy": r["energy"],
                "forces": r["forces"].tolist(),
                "virial": r["virial"].tolist(),
                "atom_energy": r["atom_energy"].tolist(),
                "atom_virial": r["atom_virial"].tolist(),
            }
        )
    return frames


def write_expected(folder, name, file, opt, frames, backend):
    data = {
        "name": name,
        "file": file,
        "note": opt["note"],
        "backend": backend,
        "precision": "float32" if "float32" in (opt["precision"], opt["fit_precision"]) else "float64",
        "overflow": opt["overflow"],
        "type_map": opt["type_map"],
        "structures": frames,
    }
    # One line for each structure: short enough to diff, small enough to commit.
    head = json.dumps({k: v for k, v in data.items() if k != "structures"}, separators=(",", ":"))[:-1]
    body = ",\n".join(json.dumps(f, separators=(",", ":")) for f in frames)
    (folder / f"{name}.expected.json").write_text(f'{head},"structures":[\n{body}\n]}}\n')


def check_sums(results, loose):
    """Relations that hold whatever the model."""
    for r in results.values():
        tol = 1e-4 if loose else 1e-9
        assert abs(r["atom_energy"].sum() - r["energy"]) < tol * max(1, abs(r["energy"]))
        assert np.abs(r["atom_virial"].sum(axis=0) - r["virial"]).max() < tol
        assert np.abs(r["forces"].sum(axis=0)).max() < tol


def finite_differences(path, structure, results, type_map):
    """Check the signs and layouts against energies of the NumPy backend."""
    pot = DeepPot(str(path))
    h = 1e-4
    pos, cell = structure["positions"], structure["cell"]
    n = len(pos)
    worst = {"force": 0.0, "virial": 0.0, "atom_virial": 0.0}
    d_atom = np.zeros((n, n, 3))  # d E_i / d r_j
    for j in range(n):
        for a in range(3):
            values = []
            for sign in (1, -1):
                p = pos.copy()
                p[j, a] += sign * h
                values.append(numpy_energy(pot, structure, type_map, positions=p))
            d_atom[:, j, a] = (values[0][1] - values[1][1]) / (2 * h)
            worst["force"] = max(worst["force"], abs(-(values[0][0] - values[1][0]) / (2 * h) - results["forces"][j, a]))
    for a in range(3):
        for b in range(3):
            values = []
            for sign in (1, -1):
                # r_a -> r_a + eps * r_b: the gradient with respect to eps_ab is -W[a][b]
                strain = np.eye(3)
                strain[a, b] += sign * h
                values.append(numpy_energy(pot, structure, type_map, positions=pos @ strain.T, cell=cell @ strain.T)[0])
            worst["virial"] = max(worst["virial"], abs(-(values[0] - values[1]) / (2 * h) - results["virial"][a, b]))
    # Atomic virial, for a structure in which no atom sees an image of itself or two images of another.
    shift = lambda d: d - np.round(d @ np.linalg.inv(cell)) @ cell
    for j in range(n):
        v = np.zeros((3, 3))
        for i in range(n):
            v -= np.outer(d_atom[i, j], shift(pos[j] - pos[i]))
        worst["atom_virial"] = max(worst["atom_virial"], np.abs(v - results["atom_virial"][j]).max())
    return worst


def make_native(folder, names):
    report = []
    for number, (name, opt) in enumerate(variants().items()):
        if names and name not in names:
            continue
        structures, over = resolve(name, opt)
        model, config = build(opt, 1000 + number)
        file = f"{name}.{opt['format']}"
        path = folder / file
        save_native(path, model, config)
        if opt["atom_ener"] is not None:
            backend, pot = "pytorch-eager", EagerTorch(model)
        else:
            with tempfile.TemporaryDirectory() as tmp:
                script = os.path.join(tmp, "model.pth")
                convert_backend(INPUT=str(path), OUTPUT=script)
                backend, pot = "pytorch", DeepPot(script)
        results = {key: eval_frame(pot, s, opt["type_map"]) for key, s in structures.items()}
        single = "float32" in (opt["precision"], opt["fit_precision"])
        check_sums(results, single)
        numpy_pot = DeepPot(str(path))
        gap = 0.0
        for key, s in structures.items():
            e, ae = numpy_energy(numpy_pot, s, opt["type_map"])
            gap = max(gap, np.abs(ae - results[key]["atom_energy"]).max())
        line = f"{name:28s} {path.stat().st_size:7d} B  sel {opt['sel']}  numpy vs torch atom energies {gap:.1e}"
        if gap > (1e-4 if single else 1e-10):
            line += "  <-- BACKENDS DIFFER"
        if name in ("one-side-tanh", "two-side-tanh", "env-protection"):
            worst = finite_differences(path, structures["sparse6"], results["sparse6"], opt["type_map"])
            line += "  finite differences " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items())
            assert max(worst.values()) < 1e-6, worst
        write_expected(folder, name, file, opt, frames_json(results, structures, over), backend)
        report.append(line)
        print(line, flush=True)
    return report


# --------------------------------------------------------------------------- TensorFlow graphs
def tensorflow_variants():
    three = ("triclinic12", "tiny2", "sparse6")
    two = dict(type_map=["S", "Li"], map_symbols={"P": "S"}, structures=three)
    tf = {}
    tf["tf-one-side-resnet-dt"] = base(neuron=[4, 4, 8], axis=3, fitting=[5, 5, 5], resnet_dt=True, fit_resnet_dt=True, bias_atom_e=[-1.0, 2.0, 0.5], structures=three, note="one-side, idt in both nets, davg != 0; rcut 4.2 is rounded to float32 inside the graph")
    tf["tf-two-side-exclude"] = base(one_side=False, neuron=[2, 4], fitting=[4], rcut=4.0, exclude_types=[[0, 0]], **two, note="two-side, exclude_types: the block of an excluded pair is zero with its padding, and the graph has no net for it")
    tf["tf-exclude-one-side"] = base(rcut=4.0, exclude_types=[[0, 1]], **two, note="one-side, exclude_types: the block of an excluded pair is zero with its padding")
    tf["tf-fitting-widths"] = base(act="gelu", fit_act="softplus", scale=0.4, neuron=[2, 4], axis=1, fitting=[4, 8, 8], rcut=4.0, rcut_smth=2.0, out_bias=[1.0, -2.0], **two, note="gelu embedding, softplus fitting, out_bias; fitting 4 -> 4 -> 8 -> 8: only equal widths after the first layer have a skip here")
    tf["tf-float32"] = base(neuron=[2, 4, 4], precision="float32", fit_precision="float32", rcut=4.0, round=None, **two, note="float32 nets")
    tf["tf-compressed"] = base(neuron=[2, 4], rcut=4.0, first_scale=0.5, **two, note="tabulated embedding (dp compress, stride 0.1)")
    return tf


def make_tensorflow(folder, names):
    for number, (name, opt) in enumerate(tensorflow_variants().items()):
        if names and name not in names:
            continue
        structures, over = resolve(name, opt)
        model, config = build(opt, 5000 + number)
        path = folder / f"{name}.pb"
        with tempfile.TemporaryDirectory() as tmp:
            native = os.path.join(tmp, "model.dp")
            save_native(native, model, config)
            plain = os.path.join(tmp, "plain.pb") if name == "tf-compressed" else str(path)
            convert_backend(INPUT=native, OUTPUT=plain)
            script = os.path.join(tmp, "model.pth")
            convert_backend(INPUT=native, OUTPUT=script)
            torch_pot = DeepPot(script)
            torch_results = {key: eval_frame(torch_pot, s, opt["type_map"]) for key, s in structures.items()}
            if name == "tf-compressed":
                compress_graph(plain, path, tmp)
        pot = DeepPot(str(path))
        results = {key: eval_frame(pot, s, opt["type_map"]) for key, s in structures.items()}
        check_sums(results, "float32" in opt["precision"])
        gap = {key: np.abs(results[key]["atom_energy"] - torch_results[key]["atom_energy"]).max() for key in results}
        gap_f = {key: np.abs(results[key]["forces"] - torch_results[key]["forces"]).max() for key in results}
        print(f"{name:28s} {path.stat().st_size:7d} B  sel {opt['sel']}  TensorFlow vs PyTorch atom energies "
              + ", ".join(f"{k} {v:.1e}" for k, v in gap.items()) + "; forces " + ", ".join(f"{k} {v:.1e}" for k, v in gap_f.items()), flush=True)
        write_expected(folder, name, path.name, opt, frames_json(results, structures, over), "tensorflow")


def compress_graph(plain, path, folder):
    """`dp compress`, in its own process because it writes to its working folder.

    A graph made by convert-backend holds only the model section of the input, and the
    compression of 3.2.0 insists on a learning rate: add the sections that training stores.
    """
    import subprocess

    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(Path(plain).read_bytes())
    for node in graph.node:
        if node.name == "train_attr/training_script":
            script = json.loads(node.attr["value"].tensor.string_val[0])
            script["learning_rate"] = {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8, "decay_steps": 5000}
            script["loss"] = {"type": "ener"}
            script["training"] = {"training_data": {"systems": []}, "numb_steps": 1}
            node.attr["value"].tensor.string_val[0] = json.dumps(script).encode()
    Path(plain).write_bytes(graph.SerializeToString())

    program = os.path.join(os.path.dirname(sys.executable), "dp")
    done = subprocess.run(
        # Relative names: the graph keeps the name of its source.
        [program, "--tf", "compress", "-i", os.path.basename(plain), "-o", "compressed.pb", "-s", "0.1", "-e", "2"],
        cwd=folder, capture_output=True, text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    Path(path).write_bytes((Path(folder) / "compressed.pb").read_bytes())


# --------------------------------------------------------------------------- models to be refused
def pair_table(path, ntypes):
    """A short, smooth pair table in the layout of a pairtab model: r, then the upper triangle."""
    r = np.arange(1, 21) * 0.2
    columns = [r] + [np.exp(-2.0 * r) * (1 + 0.3 * k) / r for k in range(ntypes * (ntypes + 1) // 2)]
    np.savetxt(path, np.array(columns).T)


def make_refused(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    type_map = ["Li", "S"]
    sea = {"type": "se_e2_a", "rcut": 4.0, "rcut_smth": 1.0, "sel": [3, 3], "neuron": [2, 2], "axis_neuron": 2, "seed": 1}
    ener = {"type": "ener", "neuron": [2, 2], "seed": 2}
    with tempfile.TemporaryDirectory() as tmp:
        table = os.path.join(tmp, "table.txt")
        pair_table(table, 2)
        # zbl and linear models need a descriptor with mixed types.
        mixed = {"type": "se_atten", "rcut": 4.0, "rcut_smth": 1.0, "sel": 12, "neuron": [2, 2], "axis_neuron": 2, "tebd_dim": 2, "attn_layer": 0, "seed": 1}
        configs = {
            "se-atten": {"descriptor": {"type": "se_atten", "rcut": 4.0, "rcut_smth": 1.0, "sel": 8, "neuron": [2, 2], "axis_neuron": 2, "tebd_dim": 2, "attn": 4, "attn_layer": 1, "seed": 1}, "fitting_net": ener},
            "se-e3": {"descriptor": {"type": "se_e3", "rcut": 4.0, "rcut_smth": 1.0, "sel": [3, 3], "neuron": [2, 2], "seed": 1}, "fitting_net": ener},
            "se-e2-r": {"descriptor": {"type": "se_e2_r", "rcut": 4.0, "rcut_smth": 1.0, "sel": [3, 3], "neuron": [2, 2], "seed": 1}, "fitting_net": ener},
            "hybrid": {"descriptor": {"type": "hybrid", "list": [sea, {"type": "se_e2_r", "rcut": 3.0, "rcut_smth": 1.0, "sel": [2, 2], "neuron": [2, 2], "seed": 1}]}, "fitting_net": ener},
            "fparam": {"descriptor": sea, "fitting_net": {**ener, "numb_fparam": 1}},
            "aparam": {"descriptor": sea, "fitting_net": {**ener, "numb_aparam": 2}},
            "dipole": {"descriptor": sea, "fitting_net": {"type": "dipole", "neuron": [2, 2], "seed": 2}},
            "polar": {"descriptor": sea, "fitting_net": {"type": "polar", "neuron": [2, 2], "seed": 2}},
            "dos": {"descriptor": sea, "fitting_net": {"type": "dos", "numb_dos": 3, "neuron": [2, 2], "seed": 2}},
            "zbl": {"descriptor": mixed, "fitting_net": ener, "use_srtab": table, "sw_rmin": 0.6, "sw_rmax": 1.2},
            "linear": {"type": "linear_ener", "weights": "mean", "models": [{"descriptor": mixed, "fitting_net": ener}, {"type": "pairtab", "tab_file": table, "rcut": 4.0, "sel": 12}]},
            "spin": {"descriptor": {**sea, "sel": [2, 2]}, "fitting_net": ener, "spin": {"use_spin": [True, False], "virtual_scale": [0.3, 0.0]}},
        }
        for name, config in configs.items():
            if names and name not in names:
                continue
            try:
                model = get_model({"type_map": list(type_map), **copy.deepcopy(config)})
                # The YAML writer of 3.2.0 cannot represent a pair table (numpy scalars).
                path = folder / (f"{name}.dp" if name in ("zbl", "linear") else f"{name}.yaml")
                script = json.loads(json.dumps({"type_map": type_map, **config}).replace(tmp + os.sep, ""))
                save_native(path, model.serialize(), script)
                print(f"refused/{path.name:20s} {path.stat().st_size:7d} B", flush=True)
            except Exception as error:  # the report must show what this version cannot make
                print(f"refused/{name}: not made: {type(error).__name__}: {str(error)[:300]}", flush=True)
        # A se_e2_a model whose davg differs between the slots of one type: legal in the
        # format, never made by training; a program without slots cannot represent it.
        opt = base(type_map=type_map, sel=[3, 3], neuron=[2, 2], fitting=[2], slots_differ=True)
        model, config = build(opt, 9000)
        if not names or "slots-differ" in names:
            save_native(folder / "slots-differ.yaml", model, config)
        # TorchScript, PyTorch checkpoint, and a compressed native model.
        opt = base(type_map=["Li"], sel=[6], neuron=[2], fitting=[2], axis=1)
        model, config = build(opt, 9001)
        native = os.path.join(tmp, "tiny.dp")
        save_native(native, model, config)
        if not names or "torchscript" in names:
            convert_backend(INPUT=native, OUTPUT=str(folder / "torchscript.pth"))
            repack(folder / "torchscript.pth")
        if not names or "compressed" in names:
            from deepmd.dpmodel.model.base_model import BaseModel

            tiny = BaseModel.deserialize(copy.deepcopy(model))
            tiny.min_nbor_dist = 0.9
            tiny.enable_compression(2, 0.1, 1.0)
            save_native(folder / "compressed.dp", tiny.serialize(), config)
        for file in ("slots-differ.yaml", "torchscript.pth", "compressed.dp"):
            if (folder / file).exists():
                print(f"refused/{file:20s} {(folder / file).stat().st_size:7d} B", flush=True)


def repack(path):
    """Compress a TorchScript archive and drop the debug entries (still a TorchScript zip)."""
    import zipfile

    with zipfile.ZipFile(path) as z:
        entries = [(i.filename, z.read(i)) for i in z.infolist() if not i.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name, data in entries:
            z.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--skip-native", action="store_true")
    parser.add_argument("--skip-tensorflow", action="store_true")
    parser.add_argument("--skip-refused", action="store_true")
    args = parser.parse_args()
    import torch

    print(f"deepmd-kit {deepmd.__version__}, numpy {np.__version__}, torch {torch.__version__}, h5py {h5py.__version__}, Python {sys.version.split()[0]}")
    args.output.mkdir(parents=True, exist_ok=True)
    names = set(filter(None, args.only.split(",")))
    if not args.skip_native:
        make_native(args.output, names)
    if not args.skip_tensorflow:
        make_tensorflow(args.output, names)
    if not args.skip_refused:
        make_refused(args.output / "refused", names)


if __name__ == "__main__":
    main()
