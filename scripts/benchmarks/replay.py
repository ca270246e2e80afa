"""Active learning replayed without DFT: labels needed for a force error of glasses, by selection.

    python scripts/benchmarks/replay.py DATA OUT --vitrion target/release/vitrion [--pool glass|mixed] [--rounds 6]

DATA holds deepmd/npy systems of crystals and of glasses (names that begin with "glass"). Every fourth glass frame is held
out for the error; the others are the pool, whose labels the loop sees only when it asks for them. With `--pool mixed` the
pool also holds crystal frames, as exploration meets what is known and what is not: every tenth frame of each crystal is
initial data and as many between them join the pool; with `--pool glass` all crystal frames are initial data.
Each method runs through the same loop; only `[selection] method` and the seed differ.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

ARRAYS = ["coord", "box", "energy", "force", "virial"]


def read(system):
    sets = sorted(system.glob("set.*"))
    frames = [len(np.load(s / "coord.npy")) for s in sets]
    return {a: np.concatenate([np.load(s / f"{a}.npy").reshape(n, -1) for s, n in zip(sets, frames)]) for a in ARRAYS}


def write(source, target, data, chosen):
    shutil.rmtree(target, ignore_errors=True)
    (target / "set.000").mkdir(parents=True)
    for name in ["type.raw", "type_map.raw"]:
        shutil.copy(source / name, target / name)
    for array in ARRAYS:
        values = data[array][chosen]
        np.save(target / "set.000" / f"{array}.npy", values.reshape(-1) if array == "energy" else values)


def prepare(data, out, mixed):
    for part in ["initial", "pool", "test"]:
        shutil.rmtree(out / part, ignore_errors=True)
    sizes = {"initial": 0, "pool": 0, "test": 0}
    for system in sorted(p for p in data.iterdir() if (p / "type.raw").exists()):
        frames = read(system)
        k = np.arange(len(frames["coord"]))
        if system.name.startswith("glass"):
            parts = {"pool": k[k % 4 != 3], "test": k[k % 4 == 3]}
        elif mixed:
            parts = {"initial": k[::10], "pool": k[5::10]}
        else:
            parts = {"initial": k}
        for part, chosen in parts.items():
            write(system, out / part / system.name, frames, chosen)
            sizes[part] += len(chosen)
    return sizes


def learn_file(out, name, method, seed, labels, rounds, steps, retrain):
    text = f"""format = 1
name = "{name}"
seed = {seed}
species = ["Li", "P", "S"]
committee = 3

[engine]
kind = "known"
level = "pool"
path = "pool"

[[data]]
path = "initial"
level = "trusted"

[network]
embedding = [24, 48]
axis = 6
fitting = [96, 96, 96]

[validation]
every = 0

[[stage]]
steps = {steps}
optimizer = "muon"
start_lr = 5e-3
stop_lr = 1e-4
decay = "cosine"
warmup_steps = 200
limit_pref_e = 10
limit_pref_v = 0.5
average = 0.998

[[retrain]]
steps = {retrain}
optimizer = "muon"
start_lr = 2e-3
stop_lr = 1e-5
decay = "cosine"
warmup_steps = 50
limit_pref_e = 10
limit_pref_v = 0.5
average = 0.995

[train]
new_share = 0.5

[trust]
force = ["0 eV/A", "100 eV/A"]

[selection]
labels = {labels}
method = "{method}"

[[explore]]
kind = "pool"
path = "pool"
iterations = {rounds}

[stop]
iterations = {rounds}
"""
    path = out / f"{name}.toml"
    path.write_text(text)
    return path


def error(vitrion, model, out):
    tests = sorted(str(p) for p in (out / "test").iterdir())
    found = subprocess.run([vitrion, "eval", model, *tests, "--json"], capture_output=True, text=True, check=True).stdout
    return json.loads(found)["total"]["force_mev_per_A"]["rmse"]


def plot(curves, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0))
    for (name, curve), marker in zip(curves.items(), "osd^v"):
        labels, errors, spread = np.array([row for row in curve if row[0] > 0]).T
        axes.errorbar(labels, errors, spread, marker=marker, capsize=3, label=name.rpartition("-")[0] + ", seed " + name.rpartition("-")[2])
    axes.set_xlabel("labels of glasses")
    axes.set_ylabel("force error of held-out glass frames [meV/Å]")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--vitrion", default="vitrion")
    arguments.add_argument("--pool", choices=["glass", "mixed"], default="glass")
    arguments.add_argument("--methods", nargs="+", default=["farthest:1", "random:1", "random:2"])
    arguments.add_argument("--labels", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=6)
    arguments.add_argument("--steps", type=int, default=3000)
    arguments.add_argument("--retrain", type=int, default=1000)
    arguments.add_argument("--plot", type=Path, help="write the curves as SVG (needs matplotlib)")
    a = arguments.parse_args()
    out = a.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    print("frames:", prepare(a.data, out, a.pool == "mixed"), flush=True)
    curves = {}
    for entry in a.methods:
        method, seed = entry.split(":")
        name = f"{method}-{seed}"
        shutil.rmtree(out / name, ignore_errors=True)
        path = learn_file(out, name, method, seed, a.labels, a.rounds, a.steps, a.retrain)
        subprocess.run([a.vitrion, "learn", path, "--quiet", "--json"], check=True, stdout=subprocess.DEVNULL)
        curve = []
        for k in range(a.rounds + 1):
            models = sorted((out / name / f"iteration-{k:03}" / "train").glob("member-*/model.safetensors"))
            errors = [error(a.vitrion, m, out) for m in models]
            curve.append([k * a.labels, float(np.mean(errors)), float(np.std(errors))])
            print(name, "labels", k * a.labels, "force error", " ".join(f"{e:.1f}" for e in errors), "meV/Å", flush=True)
        curves[name] = curve
    (out / "curves.json").write_text(json.dumps(curves, indent=1) + "\n")
    if a.plot:
        plot(curves, a.plot)


main()
