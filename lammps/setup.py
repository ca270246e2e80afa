"""Builds the plugin into the wheel; everything else is in pyproject.toml.

VITRION_CAPI_LIBRARY names a libvitrion_capi.a that is built already.
"""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildPlugin(build_py):
    def run(self):
        super().run()
        package = Path(self.build_lib).resolve() / "vitrion_lammps"
        command = ["bash", str(HERE / "build.sh"), "--python", sys.executable, "--out", str(package)]
        if library := os.environ.get("VITRION_CAPI_LIBRARY"):
            command += ["--library", library]
        subprocess.run(command, check=True)


class PlatformWheel(bdist_wheel):
    """Any Python 3, this platform: the plugin is not a Python extension."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


setup(cmdclass={"build_py": BuildPlugin, "bdist_wheel": PlatformWheel})
