"""The public names are promises: what is listed exists, and nothing is lost without notice."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import twinsdk

PROMISED = json.loads(Path(__file__).with_name("test_public_api.json").read_text())


def test_listed_names_are_the_promised_ones():
    assert sorted(twinsdk.__all__) == sorted(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_promised_name_is_there_and_documented(name):
    value = getattr(twinsdk, name)
    assert value is not None
    if isinstance(value, type) or callable(value):
        assert (value.__doc__ or "").strip(), f"{name} has no docstring"


def test_star_import_works():
    scope = {}
    exec("from twinsdk import *", scope)
    assert set(PROMISED) <= set(scope)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Kapture'"):
        twinsdk.Kapture  # noqa: B018


def test_importing_twinsdk_loads_nothing_heavy():
    heavy = "{'torch', 'mediapipe', 'cv2', 'zmq', 'scipy', 'open3d', 'anny', 'trimesh', 'numpy'}"
    code = f"import sys, twinsdk; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in ("[]", "['numpy']")


def test_every_module_says_what_it_is():
    root = Path(twinsdk.__file__).parent
    for path in root.rglob("*.py"):
        if "_generated" in path.parts:
            continue
        name = ".".join(("twinsdk", *path.relative_to(root).with_suffix("").parts))
        source = path.read_text(encoding="utf-8")
        assert source.lstrip().startswith('"""') or not source.strip(), f"{name}: no docstring"


def test_exports_of_every_package_exist():
    root = Path(twinsdk.__file__).parent
    for path in root.glob("*/__init__.py"):
        module = importlib.import_module(f"twinsdk.{path.parent.name}")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__}.{name} is listed and missing"


@pytest.mark.skipif("TWINSDK_TEST_INSTALLED" not in os.environ, reason="a checkout on the path")
def test_the_installed_package_is_what_is_tested():
    assert "site-packages" in twinsdk.__file__
    from twinsdk.core import kernel

    assert kernel.is_native(), "the compiled kernel is not in the installed package"
