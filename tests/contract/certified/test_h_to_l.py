import pytest

from tests.contract.certified import expect_gold, named

pytestmark = pytest.mark.certified


@pytest.mark.parametrize("name", named("h", "l"))
async def test_it_is_certified(name: str) -> None:
    await expect_gold(name)
