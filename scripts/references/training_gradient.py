#!/usr/bin/env python3
r"""Reference gradients of the training loss, by DeePMD-kit's PyTorch backend (autograd, float64).

    training_gradient.py OUTPUT_DIR

Writes two small se_e2_a models with random parameters (`one-side.dp`, `two-side.dp`) in
DeePMD-kit's native format, reads them back, and writes `NAME.expected.json` beside each: one batch
of two frames, what the model predicts, the loss, and its gradient with respect to every parameter.

The loss is DeePMD-kit's own class `deepmd.pt.loss.EnergyStdLoss` with its default options (squares,
`intensive_ener_virial` false) and prefactors that do not change (start = limit). For n frames of N
atoms each that is

    L = p_e / (n N)   sum_f (E_f - E_f^label)^2
      + p_f / (3 n N) sum_f sum_ia (F_fia - F_fia^label)^2
      + p_v / (9 n N) sum_f sum_ab (W_fab - W_fab^label)^2

so energy and virial squares are divided by N once, not twice. The script checks this formula
against the class, and the gradient against central differences of the loss. (The class gets 1/N
from the model's atom mask, which holds integers, so that in 3.2.0 it is a float32 number, about 1e-8
off for N = 14. Without the mask the class makes its own in float64; that is done here.)

The order of the nets is that of DeePMD-kit's NetworkCollection: the net of the key (d_0, d_1, ...)
has the index sum_k d_k ntypes^k. Embedding nets have the key (neighbour,) in a one-side model and
(centre, neighbour) in a two-side model, so there the centre runs fastest: index = centre +
ntypes * neighbour. Fitting nets have the key (centre,).

Needs: deepmd-kit[cpu,torch] 3.2.0 (torch 2.11), numpy, h5py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deepmd_models import base, build, neighbours_by_type, random_structure, save_native  # sets the environment

import numpy as np
import torch

import deepmd
from deepmd.dpmodel.utils.serialization import load_dp_model
from deepmd.pt.loss.ener import EnergyStdLoss
from deepmd.pt.model.model import BaseModel

TYPE_MAP = ["Li", "P", "S"]
RCUT = 5.0
PREFACTORS = {"energy": 0.3, "force": 20.0, "virial": 0.7}
MODEL = dict(
    type_map=TYPE_MAP, rcut=RCUT, rcut_smth=0.5, neuron=[4, 8, 16], axis=4, resnet_dt=False,
    fitting=[12, 12, 12], fit_resnet_dt=True, act="tanh", precision="float64",
    bias_atom_e=[-2.3, -6.1, -4.7], scale=1.8, round=None, format="dp",
)
DSTD = [(0.11, 0.08), (0.06, 0.05), (0.17, 0.12)]  # radial and angular columns of each centre
MODELS = {
    "one-side": (dict(one_side=True, davg_zero=True), 71, "one embedding net for each neighbour, davg 0"),
    "two-side": (dict(one_side=False, davg_zero=False), 72,
                 "one embedding net for each pair, davg not 0: empty slots contribute"),
}


# --------------------------------------------------------------------------- the batch
def make_frames():
    """Two frames of the same 14 atoms in different cells, with random labels."""
    rng = np.random.default_rng(20260210)
    cells = [
        [[7.2, 0.0, 0.0], [1.1, 6.9, 0.0], [-0.8, 1.4, 7.1]],
        [[7.0, 0.2, -0.1], [0.9, 7.2, 0.3], [-1.2, 0.8, 6.8]],
    ]
    frames = []
    for cell in cells:
        frame = random_structure(rng, cell, ["Li"] * 5 + ["P"] * 3 + ["S"] * 6, 1.65)
        frame["symbols"] = frames[0]["symbols"] if frames else frame["symbols"]
        frame["positions"][2] += frame["cell"][0] - frame["cell"][1]  # not wrapped into the cell
        frame["positions"] = np.round(frame["positions"], 4)
        assert shortest_distance(frame) > 1.6
        atoms = len(frame["symbols"])
        forces = rng.normal(0, 0.8, (atoms, 3))
        virial = rng.normal(0, 18.0, (3, 3))
        frame["energy"] = float(np.round(-42.0 + rng.normal(0, 3.0), 4))
        frame["forces"] = np.round(forces - forces.mean(0), 4)
        frame["virial"] = np.round((virial + virial.T) / 2, 4)
        frames.append(frame)
    return frames


def shortest_distance(frame):
    grid = np.stack(np.meshgrid(*[range(-3, 4)] * 3), -1).reshape(-1, 3) @ frame["cell"]
    pairs = frame["positions"][:, None, None] - frame["positions"][None, :, None] + grid
    distances = np.linalg.norm(pairs, axis=-1)
    return distances[distances > 1e-8].min()


# --------------------------------------------------------------------------- the loss
class Batch:
    """The loss of one model for the batch, by DeePMD-kit's own classes."""

    def __init__(self, tree, frames):
        self.model = BaseModel.deserialize(tree)
        self.model.train()  # forces with a graph
        self.atoms = len(frames[0]["symbols"])

        def stack(key, *shape):
            values = np.array([np.reshape(frame[key], shape) for frame in frames], dtype=float)
            return torch.tensor(values, dtype=torch.float64)

        types = [[TYPE_MAP.index(symbol) for symbol in frame["symbols"]] for frame in frames]
        self.input = {"coord": stack("positions", self.atoms, 3), "atype": torch.tensor(types), "box": stack("cell", 9)}
        self.label = {"energy": stack("energy", 1), "force": stack("forces", self.atoms, 3), "virial": stack("virial", 9)}
        self.label |= {f"find_{key}": 1.0 for key in list(self.label)}
        p = PREFACTORS
        self.loss = EnergyStdLoss(
            starter_learning_rate=1.0, start_pref_e=p["energy"], limit_pref_e=p["energy"], start_pref_f=p["force"],
            limit_pref_f=p["force"], start_pref_v=p["virial"], limit_pref_v=p["virial"],
        )

    def evaluate(self):
        return self.loss(dict(self.input), self.without_mask, dict(self.label), self.atoms, 1.0)

    def without_mask(self, **inputs):
        """The model's results, but the loss makes the (float64) mask, and 1/N from it."""
        return {key: value for key, value in self.model(**inputs).items() if key != "mask"}

    def nets(self):
        """Layers of all nets: {"embedding": [[layer, ..], ..], "fitting": [[layer, ..], ..]}."""
        atomic = self.model.atomic_model
        groups = {"embedding": atomic.descriptor.sea.filter_layers, "fitting": atomic.fitting_net.filter_layers}
        return {name: [list(net.layers) for net in group.networks] for name, group in groups.items()}

    def energy_bias(self):
        return self.model.atomic_model.fitting_net.bias_atom_e


PARAMETERS = {"weight": "matrix", "bias": "bias", "timestep": "idt"}  # ours: PyTorch backend's


def check_order(nets, tree):
    """The nets of the PyTorch model are those of the file, in the order of the file."""
    stored = {"embedding": tree["descriptor"]["embeddings"], "fitting": tree["fitting"]["nets"]}
    for name, group in stored.items():
        assert len(group["networks"]) == len(nets[name]) == group["ntypes"] ** group["ndim"]
        for net, layers in zip(group["networks"], nets[name]):
            assert len(net["layers"]) == len(layers)
            for one, layer in zip(net["layers"], layers):
                for key, attribute in {"w": "matrix", "b": "bias", "idt": "idt"}.items():
                    value, found = one["@variables"][key], getattr(layer, attribute)
                    assert (value is None) == (found is None)
                    assert value is None or np.array_equal(value, found.detach().numpy())


def check_differences(batch, named, seed):
    """Worst error of two entries of every array against differences of fourth order.

    The error is relative to the largest entry of the same array.
    """
    rng = np.random.default_rng(seed)
    worst, checked = (0.0, ""), 0
    for name, value in named:
        gradient = value.grad.detach().numpy().reshape(-1)
        flat = value.data.view(-1)
        for k in {int(np.abs(gradient).argmax()), int(rng.integers(gradient.size))}:
            centre, losses = float(flat[k]), {}
            h = 4e-4 * max(1.0, abs(centre))
            for step in (-2, -1, 1, 2):
                flat[k] = centre + step * h
                losses[step] = float(batch.evaluate()[1].detach())
            flat[k] = centre
            slope = (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * h)
            error = abs(slope - gradient[k]) / np.abs(gradient).max()
            worst, checked = max(worst, (error, f"{name}[{k}]")), checked + 1
    return worst, checked


# --------------------------------------------------------------------------- output
def numbers(tensor):
    return None if tensor is None else tensor.detach().numpy().tolist()


def flat(tensor):
    return None if tensor is None else tensor.detach().numpy().reshape(-1).tolist()


def reference(folder, name, changes, seed, note, frames):
    opt = base(**(MODEL | changes))
    need = np.max([neighbours_by_type(frame, TYPE_MAP, RCUT) for frame in frames], axis=0)
    opt["sel"] = [int(n) + 4 + 2 * k for k, n in enumerate(need)]
    tree, config = build(opt, seed)
    variables = tree["descriptor"]["@variables"]
    for t, (radial, angular) in enumerate(DSTD):
        variables["dstd"][t] = [radial, angular, angular, angular]
    save_native(folder / f"{name}.dp", tree, config)

    stored = load_dp_model(str(folder / f"{name}.dp"))["model"]
    batch = Batch(load_dp_model(str(folder / f"{name}.dp"))["model"], frames)
    nets = batch.nets()
    check_order(nets, stored)
    batch.energy_bias().requires_grad_(True)  # not trained by DeePMD-kit, but the loss depends on it
    predicted, loss, more = batch.evaluate()
    loss.backward()

    parts = {key: float(more[f"l2_{short}_loss"]) for key, short in
             {"energy": "ener", "force": "force", "virial": "virial"}.items()}
    weights = {"energy": 1 / batch.atoms, "force": 1.0, "virial": 1 / batch.atoms}
    formula = sum(PREFACTORS[key] * weights[key] * parts[key] for key in parts)
    assert abs(formula - float(loss)) < 1e-13 * float(loss), (formula, float(loss))

    named = [(f"{group}[{i}][{k}].{ours}", getattr(layer, theirs)) for group, all_nets in nets.items()
             for i, layers in enumerate(all_nets) for k, layer in enumerate(layers)
             for ours, theirs in PARAMETERS.items() if getattr(layer, theirs) is not None]
    assert {id(value) for _, value in named} == {id(value) for value in batch.model.parameters() if value.numel()}
    gradient = {group: [[{ours: flat(getattr(layer, theirs) if getattr(layer, theirs) is None else getattr(layer, theirs).grad)
                          for ours, theirs in PARAMETERS.items()} for layer in layers] for layers in all_nets]
                for group, all_nets in nets.items()}
    gradient["energy_bias"] = flat(batch.energy_bias().grad)
    named.append(("energy_bias", batch.energy_bias()))

    out = {
        "name": name, "file": f"{name}.dp", "note": note, "type_map": TYPE_MAP, "sel": opt["sel"],
        "neighbours": need.tolist(),
        "versions": {"deepmd-kit": deepmd.__version__, "torch": torch.__version__.split("+")[0], "numpy": np.__version__},
        "prefactors": PREFACTORS, "loss": float(loss), "mean_squares": parts,
        "frames": [{
            "symbols": frame["symbols"], "cell": frame["cell"].tolist(), "positions": frame["positions"].tolist(),
            "labels": {"energy": frame["energy"], "forces": frame["forces"].tolist(), "virial": frame["virial"].tolist()},
            "predicted": {"energy": float(predicted["energy"][f]), "forces": numbers(predicted["force"][f]),
                          "virial": numbers(predicted["virial"][f].reshape(3, 3))},
        } for f, frame in enumerate(frames)],
        "gradient": gradient,
    }
    path = folder / f"{name}.expected.json"
    path.write_text(layout(out))

    (error, place), checked = check_differences(batch, named, seed)
    share = {key: f"{PREFACTORS[key] * weights[key] * parts[key] / float(loss):.2f}" for key in parts}
    print(f"{name}: sel {opt['sel']}, neighbours {need.tolist()}, loss {float(loss):.6f}, shares {share}, "
          f"{sum(value.numel() for _, value in named)} numbers; "
          f"differences: {checked} entries of {len(named)} arrays, worst relative error {error:.1e} at {place}")
    assert error < 1e-8


def layout(out):
    """JSON with one line for every frame and every net."""
    def compact(value):
        return json.dumps(value, separators=(",", ":"))

    def rows(values):
        return "[\n" + ",\n".join(map(compact, values)) + "\n]"

    head = compact({key: value for key, value in out.items() if key not in ("frames", "gradient")})
    gradient = out["gradient"]
    tail = ",\n".join(f'"{key}":' + (rows(value) if isinstance(value[0], list) else compact(value)) for key, value in gradient.items())
    return head[:-1] + ',\n"frames":' + rows(out["frames"]) + ',\n"gradient":{\n' + tail + "\n}}\n"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: training_gradient.py OUTPUT_DIR")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    frames = make_frames()
    for name, (changes, seed, note) in MODELS.items():
        reference(folder, name, changes, seed, note, frames)


if __name__ == "__main__":
    main()
