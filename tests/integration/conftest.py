"""Real brokers, workers and exporters, started by the tests that need them."""

from contextlib import closing

import pytest

from tests.integration.broker_server import BrokerServer
from tests.integration.site import Site

# What each kind of broker must prove in every run of the tests, however long it takes.
EVERY_BROKER = pytest.mark.parametrize("broker", ["valkey", "redis"], indirect=True, scope="session")


@pytest.fixture(scope="session", params=["valkey", pytest.param("redis", marks=pytest.mark.matrix)])
def broker(request, tmp_path_factory):
    """A broker that runs during all tests; each site has a database of its own in it."""
    server = BrokerServer(request.param, tmp_path_factory.mktemp(request.param)).start()
    yield server
    server.stop()


@pytest.fixture
def mortal_broker(broker, tmp_path):
    """A broker of the same kind that is the test's own, to stop and start; it is not running yet."""
    folder = tmp_path / "broker"
    folder.mkdir()
    server = BrokerServer(broker.kind, folder)
    yield server
    server.stop()


@pytest.fixture
def site(broker, tmp_path):
    """A site with nothing running on it yet."""
    with closing(Site(broker, tmp_path)) as one:
        yield one


@pytest.fixture
def mortal_site(mortal_broker, tmp_path):
    """A site on the broker that can be stopped."""
    with closing(Site(mortal_broker, tmp_path)) as one:
        yield one
