"""Tables for structure factors: coherent neutron scattering lengths and X-ray form factors.

Neutron: bound coherent lengths [fm], real part, of elements and isotopes. Lithium is taken from Sears, Neutron News
3, 26 (1992), as most published structure factors did; all others from periodictable, which follows Rauch and Waschkowski
(2003) and later corrections. X-ray: neutral atoms of Waasmaier and Kirfel, Acta Cryst. A 51, 416 (1995).

pip install periodictable==2.1.0
usage: python scattering.py FOLDER
"""

import pathlib
import sys

import periodictable

SEARS = {"Li": -1.90, "6Li": 2.00, "7Li": -2.22}


def main():
    folder = pathlib.Path(sys.argv[1])
    head = f"# made by scripts/tables/scattering.py, periodictable {periodictable.__version__}\n"
    with open(folder / "neutron_lengths.csv", "w") as out:
        out.write(head + "# element or isotope, coherent scattering length [fm]\n")
        for element in periodictable.elements:
            if element.number == 0:
                continue
            atoms = [(element.symbol, element)]
            atoms += [(f"{n}{element.symbol}", element[n]) for n in element.isotopes]
            for name, atom in atoms:
                b = SEARS.get(name, atom.neutron.b_c)
                if b is not None:
                    out.write(f"{name},{b:.6g}\n")
    source = pathlib.Path(periodictable.__file__).parent / "f0_WaasKirf.dat"
    with open(folder / "xray_form_factors.csv", "w") as out:
        out.write(head + "# element, a1..a5, c, b1..b5: f0 = c + sum a exp(-b (Q/4pi)^2)\n")
        symbol = None
        for line in source.read_text().splitlines():
            if line.startswith("#S"):
                symbol = line.split()[2]
            elif not line.startswith("#") and line.strip() and symbol:
                if symbol.isalpha():
                    out.write(symbol + "," + ",".join(line.split()) + "\n")
                symbol = None


main()
