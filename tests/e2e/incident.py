"""A service whose latency rises with a release, as a team has it: a cluster, a load, a Prometheus, an Alertmanager.

The service, its containers, the load, the scrapes, the rule, the alert and its way are real; spans of time are shorter.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import monitoring
from tests.world import images
from tests.world.controllers import ready
from tests.world.parts import BASE, Real, real_parts
from tests.world.users import READING, User

PASSWORD = "pass-0123456"
HASHED = "$2b$04$ZhKqpYsF4u0v9esmlRoPBO7x5e83CTdYZy5RRX1/G54IrVsesNiGq"
DOCKERFILE = f"""\
FROM {BASE}
COPY checkout metrics /www/cgi-bin/
COPY version /www/version
CMD exec httpd -f -p 127.0.0.1:$PORT -h /www
"""
CHECKOUT = """\
#!/bin/sh
now() { read -r up rest < /proc/uptime; echo "${up%.*}${up#*.}"; }
begun=$(now)
BEFORE
took=$(($(now) - begun))
echo "$took" >> /tmp/took
printf 'Content-Type: text/plain\\r\\n\\r\\nok\\n'
echo "INFO GET /checkout 200 in ${took}0 ms" >&2
"""
METRICS = """\
#!/bin/sh
printf 'Content-Type: text/plain; version=0.0.4\\r\\n\\r\\n'
touch /tmp/took
awk '{ s += $1; n++; b = 15; for (i = 0; i < 5; i++) { if ($1 <= b) c[i]++; b *= 2 } }
END { m = "http_request_duration_seconds"; print "# TYPE " m " histogram"; b = 15
for (i = 0; i < 5; i++) { print m "_bucket{le=\\"" b / 100 "\\"} " c[i] + 0; b *= 2 }
print m "_bucket{le=\\"+Inf\\"} " n + 0; print m "_sum " s / 100; print m "_count " n + 0 }' /tmp/took
"""
SLOW = 'echo "WARN waiting for a database connection, pool size 1" >&2\nsleep 1'
"""What the second release does before it answers."""
LATENCY = "sum(rate(http_request_duration_seconds_sum[4s])) / sum(rate(http_request_duration_seconds_count[4s]))"
BOUND = 0.5
PATIENCE = 60.0
USERS = 2
"""How many send requests, one after the other."""


class Pager(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        super().__init__(("127.0.0.1", 0), Page)


class Page(BaseHTTPRequestHandler):
    """Where the Alertmanager posts: keeps what comes, and hands it on where somebody is on call."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        assert isinstance(self.server, Pager)
        shop = self.server.shop
        shop.pages.append(body)
        if shop.on_call:
            request = urllib.request.Request(shop.on_call, body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=PATIENCE).close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        pass


class Shop:
    """`shop/web` and all that watches it; `pay/web` is another team's."""

    def __init__(self, real: Real, folder: Path) -> None:
        self.real, self.folder, self.cluster = real, folder, real.cluster
        self.first, self.second = self._built("1.0", ":"), self._built("2.0", SLOW)
        self.prometheus = ""
        self.pages: list[bytes] = []
        """What the Alertmanager has posted."""
        self.on_call = ""
        """The address that pages are handed on to."""
        self.before = ""
        """What the first release's log says, as a log store would keep it."""
        self._over = threading.Event()
        for space in ("shop", "pay"):
            self.cluster.namespace(space)
            self.cluster.apply(images.deployment(space, "web", self.first), images.service(space, "web"))
        for space in ("shop", "pay"):
            self.cluster.settled(space, "web")
        self.address = self.cluster.address_of("shop", "web")
        may = User("system:serviceaccount:shop:on-call", ("shop",), (*READING, "patch", "update"))
        self.kubeconfig = self.cluster.kubeconfig("on-call", may, "shop")
        """Of the run: it may look and change in this namespace, and delete nothing."""

    def _built(self, version: str, before: str) -> str:
        tag, place = f"{self.real.registry.name}/web:{version}", self.folder / f"web-{version}"
        place.mkdir()
        files = {"Dockerfile": DOCKERFILE, "checkout": CHECKOUT.replace("BEFORE", before), "metrics": METRICS,
                 "version": version}  # fmt: skip
        for name, text in files.items():
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        images.docker(self.real.socket, "build", "-t", tag, str(place))
        images.docker(self.real.socket, "push", tag)
        return tag

    # --- its life

    @contextmanager
    def watched(self, rules: str) -> Generator[None]:
        """Under load, scraped, with these rules of Prometheus."""
        threads = [threading.Thread(target=self._load, daemon=True) for _n in range(USERS)]
        threads.append(threading.Thread(target=self._discover, daemon=True))
        with ExitStack() as stack:
            alerts = stack.enter_context(monitoring.alertmanager(self.folder, alerting(self._pager(stack))))
            users = monitoring.put(self.folder, "web.yml", {"basic_auth_users": {"ops": HASHED}})
            (self.folder / "rules.yml").write_text(rules)
            config = scraping(self.folder, alerts.removeprefix("http://"))
            words = f"--web.config.file={users}"
            self.prometheus = stack.enter_context(monitoring.prometheus(self.folder, config, words))
            for thread in threads:
                thread.start()
            try:
                self.becomes(slow=False)
                self.before = self.cluster.kubectl("-n", "shop", "logs", "deployment/web").stdout
                yield
            finally:
                self._over.set()
                for thread in threads:
                    thread.join(PATIENCE)

    def _pager(self, stack: ExitStack) -> str:
        server = Pager(self)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/"

    def _load(self) -> None:
        while not self._over.wait(0.25):
            with suppress(OSError):
                urllib.request.urlopen(f"http://{self.address}/cgi-bin/checkout", timeout=PATIENCE).close()

    def _discover(self) -> None:
        """Each ready pod is a target, as a cluster's own discovery has it."""
        known: list[Any] = []
        while not self._over.wait(0.1):
            found = [
                {
                    "targets": [f"127.0.0.1:{pod['metadata']['annotations']['tests/port']}"],
                    "labels": {"namespace": "shop", "pod": pod["metadata"]["name"]},
                }
                for pod in self.cluster.pods("shop", app="web")
                if ready(pod)
            ]
            if found != known:
                known = found
                new = monitoring.put(self.folder, "targets.new", found)
                new.replace(self.folder / "targets.json")

    # --- what tests do with it, and ask it

    def release(self, image: str) -> None:
        done = self.cluster.kubectl("-n", "shop", "set", "image", "deployment/web", f"app={image}")
        assert done.returncode == 0, done.stderr
        self.cluster.settled("shop", "web")

    def becomes(self, *, slow: bool) -> None:
        """Release what makes it so, where it does not run already, and wait until the metric shows it."""
        wanted = self.second if slow else self.first
        if self.cluster.image("shop", "web") != wanted:
            self.release(wanted)
        self.until(lambda: (value := self.latency()) is not None and (value > BOUND) is slow, "the metric shows it")

    def page(self) -> bytes:
        """An alert, as the Alertmanager posts it."""
        if not self.pages:
            self.becomes(slow=True)
            self.until(lambda: bool(self.pages), "the alert fires")
        return self.pages[0]

    def latency(self) -> float | None:
        """What Prometheus says now."""
        request = urllib.request.Request(f"{self.prometheus}/api/v1/query?query={quote(LATENCY)}")
        request.add_header("Authorization", f"Basic {base64.b64encode(f'ops:{PASSWORD}'.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def answers(self) -> str:
        with urllib.request.urlopen(f"http://{self.address}/version", timeout=PATIENCE) as answer:
            return answer.read().decode()

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"it did not come to this: {what}"
            time.sleep(0.1)


@contextmanager
def shop(folder: Path, rules: str) -> Generator[Shop]:
    """Skips the test where a part is missing."""
    if why := monitoring.lacking():
        pytest.skip(why)
    with real_parts(folder) as real:
        made = Shop(real, folder)
        with made.watched(rules):
            yield made


def alerting(address: str) -> dict[str, Any]:
    hook = {"url": address, "send_resolved": False}
    return {
        "route": {"receiver": "run", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "run", "webhook_configs": [hook]}],
    }


def scraping(folder: Path, alertmanager: str) -> dict[str, Any]:
    targets = {"files": [str(folder / "targets.json")], "refresh_interval": "1s"}
    return {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [{"job_name": "web", "metrics_path": "/cgi-bin/metrics", "file_sd_configs": [targets]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }
