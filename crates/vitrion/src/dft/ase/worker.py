"""Computes labels with an ASE calculator for vitrion: one JSON request a line in, one answer a line out.

Written by vitrion into its job folders; started as `python worker.py SETTINGS.json`. Whatever the calculator
prints goes to standard error, so that the answers stay clean.
"""

import importlib
import json
import os
import platform
import sys
import time
import traceback

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def say(**fields):
    answers.write(json.dumps(fields, allow_nan=True) + "\n")
    answers.flush()


def make(settings):
    """The calculator: `module:Class` with arguments, or what `calculator()` of a script returns."""
    if settings.get("script"):
        scope = {"__name__": "vitrion_calculator", "__file__": settings["script"]}
        with open(settings["script"]) as file:
            exec(compile(file.read(), settings["script"], "exec"), scope)
        if "calculator" not in scope:
            raise RuntimeError(f"{settings['script']} defines no function calculator()")
        return scope["calculator"]()
    module, _, name = settings["calculator"].partition(":")
    return getattr(importlib.import_module(module), name)(**settings["arguments"])


def label(calculator, request):
    from ase import Atoms
    from ase.calculators.calculator import PropertyNotImplementedError

    atoms = Atoms(
        symbols=request["symbols"], positions=request["positions"], cell=request["cell"], pbc=request["periodic"]
    )
    atoms.calc = calculator
    try:
        # the energy whose derivatives the forces are, where electrons have a temperature
        energy = atoms.get_potential_energy(force_consistent=True)
    except (PropertyNotImplementedError, TypeError, NotImplementedError):
        energy = atoms.get_potential_energy()
    forces = atoms.get_forces()
    stress = None
    if request["want_stress"]:
        try:
            stress = atoms.get_stress(voigt=False).tolist()
        except (PropertyNotImplementedError, NotImplementedError):
            pass
    converged = getattr(calculator, "converged", True)
    return {
        "energy": float(energy),
        "forces": forces.tolist(),
        "stress": stress,
        "converged": converged if isinstance(converged, bool) else True,
    }


def main():
    with open(sys.argv[1]) as file:
        settings = json.load(file)
    try:
        import ase

        calculator = make(settings)
    except Exception as error:
        say(ready=False, error=f"{type(error).__name__}: {error}")
        traceback.print_exc()
        return
    module = sys.modules.get(type(calculator).__module__.split(".")[0])
    version = getattr(module, "__version__", "unknown version")
    say(
        ready=True,
        program=f"ASE {ase.__version__}, {type(calculator).__name__} ({type(calculator).__module__} {version}), "
        f"Python {platform.python_version()}",
    )
    for line in sys.stdin:
        request = json.loads(line)
        started = time.time()
        try:
            answer = label(calculator, request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        say(id=request["id"], seconds=time.time() - started, **answer)


main()
