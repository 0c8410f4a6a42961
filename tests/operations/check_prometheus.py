"""The rules and the dashboard of `deploy/`, asked of a real Prometheus that scrapes real processes."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from app import Client
from operations.processes import ROOT, Processes, answers, eventually, processes, program
from receivers import receiver
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port

RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/zstack-mgmt.json").read_text())
ALERTS = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
QUERIES = {
    panel["title"]: target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
}
TOKEN = "t0ken"
KINDS = (("serve",), ("worker", "jobs"), ("worker", "webhooks"), ("console",))


class Watched:
    """The processes with their operations ports, and the Prometheus that watches them."""

    def __init__(self, running: Processes, http: aiohttp.ClientSession, ports: list[int], url: str) -> None:
        self.running = running
        self.http = http
        self.ports = ports
        self.url = url

    async def ask(self, query: str) -> list[Any]:
        """The series that a query has now."""
        async with self.http.get(f"{self.url}/api/v1/query", params={"query": query}) as reply:
            body = await reply.json()
            assert body["status"] == "success", (query, body)
            return body["data"]["result"]


@pytest.fixture
async def watched(settings: Settings, tmp_path: Path) -> AsyncIterator[Watched]:
    await prepare_database(settings)
    ports, api, prometheus = [free_port() for _ in KINDS], free_port(), free_port()
    (tmp_path / "token").write_text(TOKEN)
    shipped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = shipped["scrape_configs"]
    del job["dns_sd_configs"]
    job["authorization"]["credentials_file"] = str(tmp_path / "token")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    shipped["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    shipped["rule_files"] = [str(RULES)]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(shipped))
    async with processes(settings, tmp_path) as running, aiohttp.ClientSession() as http:
        running.env |= {"METRICS_TOKEN": TOKEN, "PORT": str(api), "CONSOLE_PORT": str(free_port())}
        for kind, port in zip(KINDS, ports, strict=True):
            process = await running.service(*kind, OPERATIONS_PORT=str(port))
            await answers(f"http://127.0.0.1:{port}/healthz", process)
        await answers(f"http://127.0.0.1:{api}/readyz", running.started[0])
        server = await running.run(
            program("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            log="prometheus",
        )
        await answers(f"http://127.0.0.1:{prometheus}/-/ready", server)
        admin = await Client(http, f"http://127.0.0.1:{api}/zstack/v1").log_in()
        async with receiver() as hook:
            for _ in range(3):
                await admin.job("POST", "/zones", {"params": {"name": "z"}}, headers={"X-Web-Hook": hook.url})
            zone = (await admin.get("/zones?limit=1")).body["inventories"][0]["uuid"]
            cluster = await admin.create("/clusters", name="c", zoneUuid=zone, hypervisorType="Simulator")
            await admin.create(
                "/hosts/simulators", name="h", managementIp="10.9.9.9", clusterUuid=cluster["uuid"]
            )
        yield Watched(running, http, ports, f"http://127.0.0.1:{prometheus}")


async def test_every_query_has_an_answer(watched: Watched) -> None:
    async def all_scraped() -> bool:
        return len(await watched.ask('rate(process_cpu_seconds_total{job="zstack-mgmt"}[5m])')) == len(KINDS)

    await eventually(all_scraped, "each process has been scraped twice")
    await asyncio.sleep(1.5)  # a round after the last call
    for title, query in QUERIES.items():
        found = await watched.ask(query)
        assert found, f"{title}: {query} finds nothing"
    for alert in ALERTS:
        await watched.ask(alert["expr"])
    names = set(
        re.findall(r"\bzstack_\w+", " ".join([*QUERIES.values(), *(rule["expr"] for rule in ALERTS)]))
    )
    for name in names:
        assert await watched.ask(name), f"{name} is of no process"
    by_kind = {
        found["metric"]["kind"]: found["value"][1] for found in await watched.ask(QUERIES["Workers by kind"])
    }
    assert by_kind == {"jobs": "1", "webhooks": "1"}
    async with watched.http.get(f"{watched.url}/api/v1/rules") as reply:
        groups = (await reply.json())["data"]["groups"]
    assert {rule["name"]: rule["state"] for group in groups for rule in group["rules"]} == {
        rule["alert"]: "inactive" for rule in ALERTS
    }


async def test_a_dead_worker_is_seen_by_readyz_and_by_its_alert(watched: Watched) -> None:
    assert (await status(watched, watched.ports[0]))[0] == 200
    await watched.running.stop(watched.running.started[1])

    async def noticed() -> Any:
        code, body = await status(watched, watched.ports[0])
        return code == 503 and body

    body = await eventually(noticed, "/readyz of another process says so")
    assert body["status"] == body["parts"]["workers"] == "no worker runs jobs"
    assert (body["parts"]["database"], body["parts"]["webhooks"]) == ("ok", "ok")
    (rule,) = [rule for rule in ALERTS if rule["alert"] == "ZStackNoWorker"]

    async def alarming() -> bool:
        return [found["metric"] for found in await watched.ask(rule["expr"])] == [{"kind": "jobs"}]

    await eventually(alarming, "the alert's query finds it")


async def status(watched: Watched, port: int) -> tuple[int, Any]:
    async with watched.http.get(f"http://127.0.0.1:{port}/readyz") as reply:
        return reply.status, await reply.json()


async def test_the_figures_are_for_who_has_the_token_and_promtool_finds_no_fault(watched: Watched) -> None:
    url = f"http://127.0.0.1:{watched.ports[1]}/metrics"
    async with watched.http.get(url) as reply:
        assert reply.status == 403
    async with watched.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as reply:
        text = await reply.read()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_promtool_accepts_the_rules_and_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    for name in ("prometheus.yml", "rules.yml"):
        text = (ROOT / "deploy/prometheus" / name).read_text()
        (folder / name).write_text(text.replace("/run/secrets/metrics_token", str(folder / "rules.yml")))
    done = subprocess.run(
        [program("promtool"), "check", "config", str(folder / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


CASES = {
    "ZStackDatabaseAway": ("zstack_database_up", "0x10", "5m"),
    "ZStackQueueOld": ('zstack_jobs_oldest_queued_seconds{class="tenant"}', "90x10", "5m"),
    "ZStackRedisAway": ("zstack_redis_up", "0x10", "5m"),
    "ZStackSchedulerLate": ("zstack_scheduler_late_seconds", "61x10", "5m"),
    "ZStackWebhooksGivenUp": ("zstack_webhooks_dead", "0+10x70", "61m"),
    "ZStackErrors": ('zstack_http_requests_total{api="CreateZone",status="500"}', "0+60x20", "15m"),
    "ZStackStandbyBehind": ("zstack_database_replay_lag_seconds", "31x20", "10m"),
}


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should(alert: str, tmp_path: Path) -> None:
    series, values, at = CASES[alert]
    fired = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": values}],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                        "eval_time": at,
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(fired))
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(tmp_path / "test.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
