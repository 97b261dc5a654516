"""The result of auditing the demo's account, got as ``keyaudit demo`` gets it."""

from __future__ import annotations

from functools import cache

from keyaudit.fetch import demo
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.model import AuditResult
from keyaudit.pipeline import Api, Judgement, Surroundings, judge, take_snapshot
from tests.render.conftest import NOW


@cache
def demo_result() -> AuditResult:
    """Asked of the demo's server on loopback, once for all tests of a process."""
    surroundings = Surroundings({}, lambda: NOW)
    with demo.DemoServer(NOW) as server:
        source = Api(RuntypeSettings(base_url=server.base_url), server.token)
        snapshot = take_snapshot(source, surroundings, now=NOW)
    return judge(snapshot, Judgement(demo.ACCOUNT, demo.demo_policy(), demo.demo_waivers(NOW)), surroundings)
