"""Outputs of CP2K for the tests of the reader, and what a second reader finds in them.

Runs small calculations with the cp2k.psmp in PATH (made with Debian's CP2K 2023.1; about a minute on one core), cuts the
statistics out of the outputs, replaces names of host, user and folder, and writes `expected.json` with numbers read by
regular expressions here and converted with scipy's CODATA constants.

    python scripts/references/cp2k.py crates/vitrion-core/tests/data/cp2k
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scipy
from scipy.constants import physical_constants

HARTREE = physical_constants["Hartree energy in eV"][0]
BOHR = 1e10 * physical_constants["Bohr radius"][0]
GPA = 1e9 / physical_constants["electron volt"][0] * 1e-30  # eV/Å³

H2S = """      S  0.10 0.05 -0.03
      H  1.02 0.93 0.11
      H -0.85 1.01 -0.20
"""


def text(project, run_type="ENERGY_FORCE", max_scf=60, scf=None, coordinates=H2S, basis="SZV-MOLOPT-SR-GTH", motion=""):
    scf = scf or "&DIAGONALIZATION\n&END\n&MIXING\nMETHOD BROYDEN_MIXING\nALPHA 0.4\n&END"
    return f"""&GLOBAL
  PROJECT {project}
  RUN_TYPE {run_type}
  PRINT_LEVEL LOW
&END GLOBAL
{motion}&FORCE_EVAL
  METHOD QUICKSTEP
  STRESS_TENSOR ANALYTICAL
  &PRINT
    &FORCES ON
    &END FORCES
    &STRESS_TENSOR ON
    &END STRESS_TENSOR
  &END PRINT
  &DFT
    BASIS_SET_FILE_NAME BASIS_MOLOPT
    POTENTIAL_FILE_NAME GTH_POTENTIALS
    &MGRID
      CUTOFF 150
      REL_CUTOFF 40
    &END MGRID
    &QS
      EPS_DEFAULT 1.0E-10
    &END QS
    &SCF
      SCF_GUESS ATOMIC
      EPS_SCF 1.0E-7
      MAX_SCF {max_scf}
      {scf}
      &PRINT
        &RESTART OFF
        &END RESTART
      &END PRINT
    &END SCF
    &XC
      &XC_FUNCTIONAL PBE
      &END XC_FUNCTIONAL
      &VDW_POTENTIAL
        POTENTIAL_TYPE PAIR_POTENTIAL
        &PAIR_POTENTIAL
          TYPE DFTD3
          PARAMETER_FILE_NAME dftd3.dat
          REFERENCE_FUNCTIONAL PBE
        &END PAIR_POTENTIAL
      &END VDW_POTENTIAL
    &END XC
  &END DFT
  &SUBSYS
    &CELL
      A 4.6 0.0 0.0
      B 0.3 4.4 0.0
      C -0.2 0.4 4.5
    &END CELL
    &COORD
{coordinates}    &END COORD
    &KIND H
      BASIS_SET {basis}
      POTENTIAL GTH-PBE-q1
    &END KIND
    &KIND S
      BASIS_SET SZV-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE-q6
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""


def motion(steps, restart=None):
    before = f"&EXT_RESTART\n  RESTART_FILE_NAME {restart}\n&END EXT_RESTART\n" if restart else ""
    return (
        before
        + f"""&MOTION
  &MD
    ENSEMBLE NVT
    STEPS {steps}
    TIMESTEP 0.5
    TEMPERATURE 3000
    &THERMOSTAT
      TYPE NOSE
      &NOSE
        TIMECON 50
      &END NOSE
    &END THERMOSTAT
  &END MD
  &PRINT
    &TRAJECTORY
      FORMAT XYZ
    &END TRAJECTORY
    &FORCES ON
    &END FORCES
    &CELL ON
    &END CELL
    &RESTART
      &EACH
        MD 1
      &END EACH
    &END RESTART
  &END PRINT
&END MOTION
"""
    )


def run(folder, name, content, kill_when=None, limit=None):
    """One calculation; `kill_when` is a word in the output after which the process is killed."""
    (folder / f"{name}.inp").write_text(content)
    command = ["cp2k.psmp", f"{name}.inp"]
    if limit:
        command = ["prlimit", f"--as={limit}", *command]
    with open(folder / f"{name}.out", "w") as out, open(folder / f"{name}.err", "w") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env={**os.environ, "OMP_NUM_THREADS": "1"})
        while process.poll() is None:
            time.sleep(0.01)
            if kill_when and kill_when in (folder / f"{name}.out").read_text():
                process.send_signal(signal.SIGKILL)
                kill_when = None
    return process.returncode


def shortened(output):
    """Without statistics and without names of this machine."""
    head, mark, tail = output.partition(" -------------------------------------------------------------------------------\n -                                                                             -\n -                                DBCSR STATISTICS")
    if mark:
        end = tail.find(" The number of warnings for this run is")
        output = head + (tail[end:] if end >= 0 else "")
    lines = []
    for line in output.splitlines(keepends=True):
        line = re.sub(r"(PROGRAM (STARTED|RAN) ON\s+).*", r"\1HOST", line)
        line = re.sub(r"(PROGRAM (STARTED|RAN) BY\s+).*", r"\1USER", line)
        line = re.sub(r"(PROGRAM (STARTED|STOPPED) IN\s+).*", r"\1FOLDER", line)
        line = re.sub(r"(PROGRAM PROCESS ID\s+).*", r"\1PID", line)
        if not re.match(r" (MEMORY\||GLOBAL\| CPU model|DBCSR\| )", line) or line.startswith(" DBCSR| CPU"):
            lines.append(line)
    return "".join(lines)


def numbers(output, symbols):
    """Energies, forces and stress by regular expressions."""
    found = []
    for block in re.split(r"(?=ENERGY\| Total FORCE_EVAL)", output)[1:]:
        energy = float(re.match(r"ENERGY\| .*?\]:\s+(\S+)", block).group(1)) * HARTREE
        rows = re.findall(r"^\s+\d+\s+\d+\s+[A-Z][a-z]?\s+(\S+)\s+(\S+)\s+(\S+)$", block, re.M)
        rows = rows[: len(symbols)]
        if any("*" in x for row in rows for x in row):
            forces = None  # too large for the format
        else:
            forces = [[float(x) * HARTREE / BOHR for x in row] for row in rows]
        stress = re.findall(r"STRESS\|\s+[xyz]\s+(\S+)\s+(\S+)\s+(\S+)$", block, re.M)[:3]
        stress = [[float(x) * GPA for x in row] for row in stress]
        found.append({"energy_ev": energy, "forces_ev_per_a": forces, "pressure_ev_per_a3": stress})
    return found


def main(target):
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    expected = {"made_with": {"scipy": scipy.__version__}}
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        version = subprocess.run(["cp2k.psmp", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
        expected["made_with"]["cp2k"] = version.strip()
        ot = "&OT\nMINIMIZER DIIS\nPRECONDITIONER FULL_ALL\n&END\n&OUTER_SCF\nEPS_SCF 1.0E-7\nMAX_SCF 2\n&END"
        close = H2S.replace("0.10 0.05 -0.03", "1.02 0.93 0.12")
        cases = {
            "converged": dict(content=text("converged")),
            "unconverged": dict(content=text("unconverged", max_scf=2)),
            "ot_outer": dict(content=text("ot_outer", max_scf=8, scf=ot.replace("MAX_SCF 2", "MAX_SCF 20"))),
            "ot_unconverged": dict(content=text("ot_unconverged", max_scf=2, scf=ot)),
            "killed": dict(content=text("killed"), kill_when="Broy./Diag."),
            "no_basis": dict(content=text("no_basis", basis="NO-SUCH-BASIS")),
            "too_close": dict(content=text("too_close", coordinates=close)),
            "walltime": dict(content=text("walltime", max_scf=400, scf=ot).replace("&GLOBAL\n", "&GLOBAL\n  WALLTIME 1\n")),
            "out_of_memory": dict(content=text("out_of_memory").replace("CUTOFF 150", "CUTOFF 4000"), limit=1_000_000_000),
            "md": dict(content=text("md", run_type="MD", motion=motion(3))),
            "md_unconverged": dict(content=text("md_unconverged", run_type="MD", motion=motion(2), max_scf=5)),
            "md_more": dict(content=text("md_more", run_type="MD", motion=motion(2, "md-1.restart"))),
        }
        for name, case in cases.items():
            code = run(place, name, **case)
            output = (place / f"{name}.out").read_text()
            expected[name] = {"exit": code, "evaluations": numbers(output, "SHH")}
            (target / f"{name}.inp").write_text((place / f"{name}.inp").read_text())
            (target / f"{name}.out").write_text(shortened(output))
            for ending in ["-pos-1.xyz", "-frc-1.xyz", "-1.cell"]:
                if (place / f"{name}{ending}").exists():
                    (target / f"{name}{ending}").write_text((place / f"{name}{ending}").read_text())
            print(name, code, len(expected[name]["evaluations"]), "evaluations")
        error = (place / "out_of_memory.err").read_text()
        (target / "out_of_memory.err").write_text("\n".join(error.splitlines()[:4]) + "\n")
    (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main(sys.argv[1])
