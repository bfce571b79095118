import pytest

from forearm import envs


@pytest.fixture(scope="module", params=sorted(envs.TASKS))
def env(request):
    made = envs.make(request.param)
    yield made
    made.close()
