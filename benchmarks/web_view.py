"""What the page costs the robot, and how old the pictures on it are.

    python -m benchmarks.web_view [--seconds 30]

It needs ROS 2, the built messages, the extra [web], and for the last two rows Debian's Chromium
with playwright.

A made scene of 640x480 at 15 pictures a second, one target; node, ``web_view`` and browser are
processes of their own. The node's latency is from the call of publish to the callback with the
track of that image; spells with and without a page alternate in one run. Processor time is that of
the process over the time it ran, as a part of one core. Glass to glass is from the call of publish
to the moment at which the browser has drawn the picture, both by the clock of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import numpy as np
from autrack_ros.srv import Initialize

from autrack_ros.memory import reuse_large_blocks
from benchmarks.machine import describe_machine
from benchmarks.node_latency import (
    Camera,
    Case,
    processor_seconds,
    spinning_node,
    wait_for,
)
from benchmarks.node_process import node_process, use_own_domain

CASE = Case("VGA, 1 target", 640, 480, 1)
RATE_HZ = 15.0
SPELL_S = 10.0
SLOW_BYTES_S = 100_000
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


class Stream:
    """Publishes the scene without a pause, in a thread; knows when each picture was published."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.published: dict[str, float] = {}  # by stamp, seconds since 1970
        self.clock = 100.0

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.perf_counter()
        while not self._ended.is_set():
            self.clock += 1 / RATE_HZ
            self.published[str(round((1 + self.clock) * 1e9))] = time.time()
            self._camera.send(self.clock)
            due = max(due, time.perf_counter() - 1 / RATE_HZ) + 1 / RATE_HZ
            time.sleep(max(0.0, due - time.perf_counter()))


class Page(threading.Thread):
    """A page without a browser that draws at once; how old each picture was when it came, s."""

    def __init__(self, port: int, stream: Stream, seconds: float) -> None:
        super().__init__()
        self._url, self._stream, self._seconds = f"http://127.0.0.1:{port}", stream, seconds
        self.ages: list[float] = []

    def run(self) -> None:
        """Read for the seconds."""
        asyncio.run(self._read())

    async def _read(self) -> None:
        end = time.monotonic() + self._seconds
        async with aiohttp.ClientSession() as session:
            origin = {"Origin": self._url}
            page = await session.ws_connect(f"{self._url}/socket", headers=origin, max_msg_size=0)
            while (left := end - time.monotonic()) > 0:
                try:
                    message = await page.receive(timeout=left)
                except asyncio.TimeoutError:
                    return
                if message.type is not aiohttp.WSMsgType.BINARY:
                    continue
                (length,) = struct.unpack_from("<I", message.data)
                head = json.loads(message.data[4 : 4 + length])
                if head["type"] != "shot":
                    continue
                self.ages.append(time.time() - self._stream.published[head["stamp"]])
                await page.send_json({"type": "seen", "number": head["number"]})


class Attack(threading.Thread):
    """Pages that flood and never draw, and connections that say nothing, one after the other."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__()
        self._url, self._port, self._seconds = f"http://127.0.0.1:{port}", port, seconds

    def run(self) -> None:
        """Attack for the seconds."""
        asyncio.run(self._attack())

    async def _attack(self) -> None:
        tasks = [asyncio.create_task(self._flood(number)) for number in range(4)]
        tasks += [asyncio.create_task(self._say_nothing()) for _ in range(60)]
        await asyncio.wait(tasks, timeout=self._seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flood(self, number: int) -> None:
        garbage = ("{", json.dumps({"type": "remove", "n": 1, "id": "nobody"}))
        async with aiohttp.ClientSession(headers={"Origin": self._url}) as session:
            while True:
                page = await session.ws_connect(f"{self._url}/socket", max_msg_size=0)
                for index in range(300):
                    if page.closed:
                        break
                    await page.send_str(garbage[(index + number) % 2])
                    await asyncio.sleep(0.001)
                await page.close()

    async def _say_nothing(self) -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            await reader.read()
            writer.close()
            await asyncio.sleep(0.2)


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


@contextmanager
def web_view() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program and its port."""
    with tempfile.NamedTemporaryFile() as log:
        words = ["--ros-args", "-p", "port:=0"]
        process = subprocess.Popen(
            [sys.executable, "-m", "autrack_ros.web.web_view", *words], stdout=log
        )
        try:
            text = Path(log.name)
            wait_for(lambda: b"web page" in text.read_bytes(), "the page")
            yield process, int(re.findall(rb"127.0.0.1:(\d+)", text.read_bytes())[0])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


@contextmanager
def slow_link(port: int) -> Iterator[int]:
    """A port that leads to the server's, with so many bytes a second to the page."""
    loop = asyncio.new_event_loop()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: bool) -> None:
        while data := await reader.read(SLOW_BYTES_S // 50):
            writer.write(data)
            await writer.drain()
            if slow:
                await asyncio.sleep(len(data) / SLOW_BYTES_S)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before it connects
        end.setblocking(False)
        await loop.sock_connect(end, ("127.0.0.1", port))
        there, back = await asyncio.open_connection(sock=end, limit=4096)
        await asyncio.gather(copy(there, writer, True), copy(reader, back, False))

    server = loop.run_until_complete(asyncio.start_server(accept, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def latencies(camera: Camera, seconds: float) -> list[float]:
    """The node's, ms, over the next seconds."""
    camera.latencies_ms.clear()
    time.sleep(seconds)
    return list(camera.latencies_ms.values())


def percentiles(values: list[float]) -> str:
    """The 50th, 95th and 99th, in columns."""
    return " | ".join(f"{value:.1f}" for value in np.percentile(values, (50, 95, 99)))


def measure_cost(camera: Camera, stream: Stream, seconds: float) -> None:
    """Spells without a page, with one, and attacked, in turn: latency, processor time, memory."""
    spells: dict[str, list[float]] = {"without a page": [], "with a page": [], "attacked": []}
    ages: list[float] = []
    memory: list[float] = []
    used = lasted = 0.0
    with web_view() as (process, port):
        for _ in range(max(1, round(seconds / SPELL_S))):
            idle = processor_seconds(process.pid)
            spells["without a page"] += latencies(camera, SPELL_S)
            idle = processor_seconds(process.pid) - idle
            page = Page(port, stream, SPELL_S)
            before, began = processor_seconds(process.pid), time.perf_counter()
            page.start()
            spells["with a page"] += latencies(camera, SPELL_S)
            page.join()
            used += processor_seconds(process.pid) - before
            lasted += time.perf_counter() - began
            ages += page.ages[1:]  # the first waits for the subscription
            attack = Attack(port, SPELL_S)
            attack.start()
            spells["attacked"] += latencies(camera, SPELL_S)
            attack.join()
            memory.append(memory_mb(process.pid))
    for name, values in spells.items():
        print(f"| node, {name}: publish to track | {len(values)} | {percentiles(values)} |")
    print(f"| publish to the picture at the page | {len(ages)} | {percentiles(in_ms(ages))} |")
    shown = ", ".join(f"{value:.0f}" for value in memory)
    print(
        f"\nweb_view, of one core: {100 * used / lasted:.1f} % with a page, "
        f"{100 * idle / SPELL_S:.1f} % without; its memory after each attack: {shown} MB\n"
    )


def in_ms(seconds: list[float]) -> list[float]:
    """Milliseconds."""
    return [1e3 * value for value in seconds]


def measure_slow(stream: Stream, seconds: float) -> None:
    """Two pages, one behind a slow link."""
    with web_view() as (_, port), slow_link(port) as narrow:
        pages = [Page(narrow, stream, seconds), Page(port, stream, seconds)]
        for page in pages:
            page.start()
        for page in pages:
            page.join()
    slow, quick = (page.ages[1:] for page in pages)
    print(
        f"| page behind {SLOW_BYTES_S / 1000:g} kB/s | {len(slow)} | {percentiles(in_ms(slow))} |"
    )
    print(f"| page beside it | {len(quick)} | {percentiles(in_ms(quick))} |")
    print(f"\noldest picture behind the slow link: {1e3 * max(slow):.0f} ms\n")


def measure_browser(stream: Stream, seconds: float) -> None:
    """Chromium with the page."""
    from playwright.sync_api import sync_playwright

    with web_view() as (_, port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(CHROMIUM)
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.add_init_script(
            "window.drawn = []; window.addEventListener('autrack-drawn', (event) => "
            "window.drawn.push([event.detail, performance.timeOrigin + performance.now()]));"
        )
        tab.goto(f"http://127.0.0.1:{port}/")
        tab.wait_for_selector("#stage-empty", state="hidden")
        tab.evaluate("window.drawn.length = 0")
        tab.wait_for_timeout(1e3 * seconds)
        drawn = tab.evaluate("window.drawn")
        paint = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        size = tab.evaluate(
            "[...performance.getEntriesByType('navigation'), "
            "...performance.getEntriesByType('resource')]"
            ".reduce((sum, entry) => sum + entry.encodedBodySize, 0)"
        )
        browser.close()
    ages = [at - 1e3 * stream.published[stamp] for stamp, at in drawn]
    print(f"| publish to drawn in Chromium | {len(ages)} | {percentiles(ages)} |")
    print(f"\nfirst paint {paint:.0f} ms; page and assets {size / 1000:.1f} kB\n")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="with and without a page each")
    seconds = parser.parse_args().seconds
    reuse_large_blocks()
    use_own_domain()
    print(f"{describe_machine()}; load {os.getloadavg()[0]:.1f}; {RATE_HZ:g} pictures a second\n")
    head = "| what | pictures | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|"
    with node_process([]), spinning_node() as node:
        camera = Camera(node, CASE)
        wait_for(lambda: camera.ready, "the node")
        client = node.create_client(Initialize, "tracker/initialize")
        wait_for(client.service_is_ready, "its service")
        with Stream(camera) as stream:
            time.sleep(1)
            (box,) = camera.boxes(stream.clock)
            call = client.call_async(Initialize.Request(box=box))
            wait_for(call.done, "the target")
            assert call.result().accepted, call.result().reason
            print(head)
            measure_cost(camera, stream, seconds)
            for measure in (measure_slow, measure_browser):
                print(head)
                measure(stream, seconds)


if __name__ == "__main__":
    main()
