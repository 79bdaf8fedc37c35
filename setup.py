"""Build the native kernels; everything else is in pyproject.toml."""

from glob import glob

from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import setup

setup(
    ext_modules=[
        Pybind11Extension(
            "twinsdk.core._kernel",
            sorted(["csrc/bindings.cpp", *glob("csrc/src/*.cpp")]),
            include_dirs=["csrc/include"],
            cxx_std=17,
            extra_compile_args=["-O3"],
        )
    ],
    cmdclass={"build_ext": build_ext},
)
