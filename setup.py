"""Build the native kernels; everything else is in pyproject.toml.

`TWINSDK_SANITIZE=address,undefined` or `thread` builds them for the sanitizer tests.
"""

import os
from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import setup

# No -march: a wheel runs anywhere, each kernel picks its instruction set at run time.
GNU_FLAGS = [
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
    "-Wno-psabi",
]
MSVC_FLAGS = ["/O2", "/fp:contract"]


def found(pattern):
    """Return the matching files, as setuptools wants them: relative, with slashes, in order."""
    return sorted(path.as_posix() for path in Path().glob(pattern))


class BuildKernels(build_ext):
    """Add the flags of the compiler at hand."""

    def build_extensions(self):
        sanitizers = os.environ.get("TWINSDK_SANITIZE")
        for extension in self.extensions:
            if self.compiler.compiler_type == "msvc":
                extension.extra_compile_args += MSVC_FLAGS
            else:
                extension.extra_compile_args += GNU_FLAGS
            if sanitizers:
                checks = [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-g", "-UNDEBUG"]
                extension.extra_compile_args += checks
                extension.extra_link_args += checks[:1]
        super().build_extensions()


setup(
    ext_modules=[
        Pybind11Extension(
            "twinsdk.core._kernel",
            [*found("csrc/bindings/*.cpp"), *found("csrc/src/*.cpp")],
            include_dirs=["csrc/include"],
            depends=[
                header
                for folder in ("bindings", "include/twinsdk", "src")
                for header in found(f"csrc/{folder}/*.hpp")
            ],
            cxx_std=17,
        )
    ],
    cmdclass={"build_ext": BuildKernels},
)
