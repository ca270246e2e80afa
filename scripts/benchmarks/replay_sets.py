"""How much sets of a few glass frames teach, by what they were chosen for: the table beside scripts/benchmarks/replay.py.

    python scripts/benchmarks/replay_sets.py DATA OUT MODEL… --vitrion target/release/vitrion [--rules random deviation …]

OUT is a folder that replay.py has prepared (it holds pool/ and test/); MODEL… are the members of a committee trained on the
crystals of DATA alone. The first member is tuned on all crystals and the chosen frames, half of every batch each.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

ARRAYS = ["coord", "box", "energy", "force", "virial"]


class Pool:
    def __init__(self, out, vitrion, models):
        self.systems = sorted((out / "pool").glob("glass*"))
        self.frames = [(s, k) for s in self.systems for k in range(len(np.load(s / "set.000" / "energy.npy")))]
        self.deviation, self.worst, self.error, self.force, self.volume = [], [], [], [], []
        for system in self.systems:
            call = [vitrion, "predict", models[0], system, "--json", "--precision", "mixed"]
            for model in models[1:]:
                call += ["--with", model]
            found = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)["frames"]
            labels = np.load(system / "set.000" / "force.npy")
            cells = np.load(system / "set.000" / "box.npy").reshape(-1, 3, 3)
            for frame, label, cell in zip(found, labels, cells):
                deviation = np.array(frame["force_deviation"])
                self.deviation.append(np.sqrt((deviation**2).mean()))
                self.worst.append(deviation.max())
                self.error.append(np.sqrt(((np.array(frame["forces"]) - label.reshape(-1, 3)) ** 2).mean()))
                self.force.append(np.sqrt((label**2).mean()))
                self.volume.append(abs(np.linalg.det(cell)) / len(deviation))

    def by(self, score, count, balanced):
        order = np.argsort(-np.array(score))
        if not balanced:
            return [self.frames[k] for k in order[:count]]
        chosen = []
        for system, share in zip(self.systems, np.round(count * np.array([0.5, 0.36, 0.14])).astype(int)):
            chosen += [self.frames[k] for k in order if self.frames[k][0] == system][: max(share, 1)]
        return chosen[:count]


def tuned(a, name, chosen, crystals):
    """Force error of the held-out glasses after tuning on the chosen frames [meV/Å]."""
    folder = a.out / "sets" / name
    shutil.rmtree(folder, ignore_errors=True)
    for system in {s for s, _ in chosen}:
        target = folder / "frames" / system.name
        (target / "set.000").mkdir(parents=True)
        for file in ["type.raw", "type_map.raw"]:
            shutil.copy(system / file, target / file)
        rows = [k for s, k in chosen if s == system]
        for array in ARRAYS:
            np.save(target / "set.000" / f"{array}.npy", np.load(system / "set.000" / f"{array}.npy")[rows])
    names = json.dumps([c.name for c in crystals])
    (folder / "train.toml").write_text(
        f"""format = 1
name = "{name}"
species = ["Li", "P", "S"]
seed = 1
model = "{a.models[0].resolve()}"
[[data]]
path = "{a.data.resolve()}"
systems = {names}
[[data]]
path = "frames"
weight = {sum(len(np.load(s / "energy.npy")) for c in crystals for s in c.glob("set.*")) / len(chosen)}
[validation]
every = 0
[[stage]]
steps = 1500
optimizer = "muon"
start_lr = 2e-3
stop_lr = 1e-5
decay = "cosine"
warmup_steps = 50
limit_pref_e = 10
limit_pref_v = 0.5
average = 0.995
"""
    )
    subprocess.run([a.vitrion, "train", folder / "train.toml", "--out", folder / "run", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    tests = sorted((a.out / "test").iterdir())
    found = subprocess.run([a.vitrion, "eval", folder / "run/model.safetensors", *tests, "--json"], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)["total"]["force_mev_per_A"]["rmse"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("models", type=Path, nargs="+")
    arguments.add_argument("--vitrion", default="vitrion")
    arguments.add_argument("--count", type=int, default=8)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[11, 12, 13, 14, 15, 16])
    arguments.add_argument("--rules", nargs="*", default=["deviation", "worst", "force", "error", "dense", "known"])
    a = arguments.parse_args()
    crystals = [p for p in sorted(a.data.iterdir()) if (p / "type.raw").exists() and not p.name.startswith("glass")]
    pool = Pool(a.out, a.vitrion, a.models)
    correlation = lambda x, y: np.corrcoef(x, y)[0, 1]
    print("deviation and true error correlate to", round(correlation(pool.deviation, pool.error), 2), flush=True)
    print("deviation and volume per atom to", round(correlation(pool.deviation, pool.volume), 2), flush=True)
    for seed in a.seeds:
        order = np.random.default_rng(seed).permutation(len(pool.frames))
        print("random", seed, round(tuned(a, f"random-{seed}", [pool.frames[k] for k in order[: a.count]], crystals), 1), flush=True)
    scores = {
        "deviation": pool.deviation,
        "worst": pool.worst,
        "force": pool.force,
        "error": pool.error,
        "dense": -np.array(pool.volume),
        "known": -np.array(pool.deviation),
    }
    for rule in a.rules:
        for balanced in [False, True]:
            chosen = pool.by(scores[rule], a.count, balanced)
            name = rule + ("-balanced" if balanced else "")
            print(name, round(tuned(a, name, chosen, crystals), 1), flush=True)


main()
