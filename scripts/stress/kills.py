"""Kills a run at random instants, again and again, and compares the end with an undisturbed run.

    python kills.py VITRION [KILLS] [SEED]

Needs nothing but the program: a Lennard-Jones crystal, two temperatures, every method with memory (chains,
csvr with cell rescaling, frozen atoms, ramps), correlations and g(r) on the fly, three trajectory formats.
Each life of a process lasts a random time and ends with SIGKILL (or, one time in four, SIGTERM); runs that
finish are started anew. Every finished run must have the bytes of the undisturbed one: thermo tables,
trajectories, final states, analyses.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = """\
format = 1
name = "stress"
seed = 11
[potential]
kind = "lennard_jones"
species = { Ar = { epsilon = "10.3 meV", sigma = "3.4 A" } }
cutoff = "7 A"
[system]
structure = "argon.extxyz"
repeat = [3, 3, 3]
[sweep]
temperature = ["60 K", "80 K"]
[[group]]
name = "low"
z = ["0 A", "4 A"]
[[stage]]
name = "heat"
kind = "nvt"
temperature = { start = "120 K", end = "60 K", plateaus = 4 }
thermostat = "csvr"
timestep = "4 fs"
steps = 900
freeze = ["low"]
checkpoint = { every = "100 fs" }
trajectory = { every = "40 fs", format = "amber-netcdf", velocities = true }
[[stage]]
name = "press"
kind = "npt"
temperature = "sweep"
pressure = { start = "0 GPa", end = "0.05 GPa" }
timestep = "4 fs"
steps = 900
checkpoint = { every = "100 fs" }
trajectory = { every = "40 fs", format = "extxyz" }
[[stage]]
name = "production"
kind = "npt"
temperature = "sweep"
pressure = "0.05 GPa"
thermostat = "csvr"
barostat = "stochastic_cell_rescaling"
timestep = "4 fs"
steps = 900
checkpoint = { every = "100 fs" }
trajectory = { every = "40 fs", format = "lammps-dump" }
correlations = { every = "20 fs", longest = "1 ps" }
radial_distribution = { every = "100 fs", r_max = "6 A" }
"""
CRYSTAL = """\
4
Lattice="5.4 0 0 0 5.4 0 0 0 5.4" Properties=species:S:1:pos:R:3 pbc="T T T"
Ar 0 0 0
Ar 0 2.7 2.7
Ar 2.7 0 2.7
Ar 2.7 2.7 0
"""
KEPT = ("thermo.csv", "final.extxyz", "initial.extxyz", "trajectory.nc", "trajectory.extxyz", "trajectory.lammpstrj")


def physics(results):
    files = [f for f in Path(results).rglob("*") if f.name in KEPT or f.parent.name == "analysis"]
    return {str(f.relative_to(results)): f.read_bytes() for f in files}


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    vitrion = str(Path(sys.argv[1]).resolve())
    kills, seed = (int(word) for word in (sys.argv[2:] + ["1000", "1"][len(sys.argv) - 2:]))
    choose = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.toml").write_text(RUN)
        Path(folder, "argon.extxyz").write_text(CRYSTAL)
        start = time.time()
        subprocess.run([vitrion, "run", "run.toml", "--out", "whole", "-q"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        length = time.time() - start
        whole = physics(Path(folder, "whole"))
        print(f"undisturbed: {length:.2f} s, {len(whole)} files compared", flush=True)
        done, terms, finished = 0, 0, 0
        while done < kills or not finished:
            child = subprocess.Popen(
                [vitrion, "run", "run.toml", "--out", "killed", "-q"], cwd=folder, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True)
            try:
                # many short lives: also within the first milliseconds
                _, message = child.communicate(timeout=choose.choice([0.02, 0.1, 0.3]) * length * choose.random() if done < kills else None)
                assert child.returncode == 0, f"after {done} kills: {message}"
                found = physics(Path(folder, "killed"))
                assert found.keys() == whole.keys(), sorted(found.keys() ^ whole.keys())
                different = [name for name in whole if whole[name] != found[name]]
                assert not different, f"after {done} kills: {different}"
                finished += 1
                shutil.rmtree(Path(folder, "killed"))
            except subprocess.TimeoutExpired:
                term = choose.random() < 0.25
                os.kill(child.pid, signal.SIGTERM if term else signal.SIGKILL)
                _, message = child.communicate()
                assert child.returncode in (-signal.SIGKILL, -signal.SIGTERM, 2, 0), (child.returncode, message)
                assert "panicked" not in message, message
                done, terms = done + 1, terms + term
                if done % 100 == 0:
                    print(f"{done} kills ({terms} by SIGTERM), {finished} runs finished alike", flush=True)
        print(f"{done} kills ({terms} by SIGTERM), {finished} runs finished, every byte as undisturbed")


main()
