"""One base and one default avatar for all avatar tests; the first run on a machine bakes them."""

import pytest

from twinsdk.avatar import AvatarSpec, generate_avatar
from twinsdk.avatar.base import load_base
from twinsdk.errors import DependencyError


@pytest.fixture(scope="session")
def base():
    try:
        return load_base()
    except DependencyError as error:
        pytest.skip(f"no body data and no network: {error}")


@pytest.fixture(scope="session")
def avatar(base):
    return generate_avatar(AvatarSpec(), progress=False)
