"""What pages may send, and that nothing they do stops the others."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import resource
import socket as sockets
import tarfile

import pytest

pytest.importorskip("aiohttp", reason="the page's server needs aiohttp")

import aiohttp
import numpy as np
from web_stand_in import FOLLOW, StandInBridge, event_of, next_event, serving, until, with_client

from autrack_ros.tracking import InvalidImageError
from autrack_ros.web import limits
from autrack_ros.web import messages as web
from autrack_ros.web.guard import Access
from autrack_ros.web.picture import LEVELS, Picture, to_jpeg

TOKEN = "a-token-of-20-letters"


@pytest.fixture
def bridge(tmp_path):
    return StandInBridge(bags=tmp_path)


def test_command_is_done_and_answered_by_number(bridge):
    async def act(client):
        socket = await client.connect()
        hello = await next_event(socket, "hello")
        assert hello["can"] == list(bridge.can)
        await socket.send_json(FOLLOW)
        assert await next_event(socket, "answer") == {
            "type": "answer", "n": 1, "accepted": True, "text": "done",
        }  # fmt: skip

    with serving(bridge) as server:
        with_client(server, act)
    assert bridge.commands == [web.Follow("cup", 10, 10, 40, 40, "0")]
    assert not bridge.watched


def test_pages_that_command_at_once_are_told_of_each_other(bridge):
    async def act(client):
        pages = [await client.connect() for _ in range(2)]
        for number, page in enumerate(pages):
            await page.send_json({**FOLLOW, "x": number})
        for page in pages:
            lines = [await next_event(page, "log") for _ in range(4)]
            assert {line["page"] for line in lines if "starts 'cup'" in line["text"]} == {1, 2}

    with serving(bridge) as server:
        with_client(server, act)
    assert {command.x for command in bridge.commands} == {0, 1}


def test_page_that_comes_late_is_told_what_is(bridge):
    async def act(client):
        first = await client.connect()
        await first.send_json(FOLLOW)
        await next_event(first, "answer")
        bridge.show()
        second = await client.connect()
        kinds = set()
        while not {"hello", "log", "template", "adaptation", "tracks", "shot"} <= kinds:
            kinds.add(event_of(await second.receive())["type"])

    with serving(bridge) as server:
        with_client(server, act)


@pytest.mark.parametrize("garbage", ["", "{", "null", "[]", '{"type":"rm -rf"}', "\x00" * 100])
def test_garbage_is_answered_and_the_page_goes_on(bridge, garbage):
    async def act(client):
        page = await client.connect()
        await page.send_str(garbage)
        answer = await next_event(page, "answer")
        assert not answer["accepted"]
        assert answer["text"].startswith("not understood: ")
        await page.send_json({"type": "reset", "n": 2})
        assert (await next_event(page, "answer"))["accepted"]

    with serving(bridge) as server:
        with_client(server, act)


@pytest.mark.parametrize("way", ["binary", "large", "not utf-8"])
def test_frame_that_no_page_sends_ends_the_connection(bridge, way):
    async def act(client):
        page = await client.connect()
        if way == "binary":
            await page.send_bytes(b"\x00" * 10)
        elif way == "large":
            await page.send_str("x" * 100_000)
        else:
            await page._writer.send_frame(b"\xff\xfe", aiohttp.WSMsgType.TEXT)
        while not page.closed:
            message = await page.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                break
        other = await client.connect()
        await next_event(other, "hello")

    with serving(bridge) as server:
        with_client(server, act)
        until(lambda: server.hub.count == 0, "end of the connections")


def test_ten_thousand_boxes_reach_the_tracker_as_a_few(bridge):
    async def act(client):
        page = await client.connect()
        other = await client.connect()
        for number in range(10_000):
            try:
                await page.send_json({**FOLLOW, "n": number, "id": f"box {number}"})
            except (ConnectionError, aiohttp.ClientError):
                break
        codes = []
        while not page.closed:
            message = await page.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                codes.append(message.data)
        assert page.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
        await other.send_json({"type": "reset", "n": 5})
        assert (await next_event(other, "answer"))["accepted"]

    with serving(bridge) as server:
        with_client(server, act)
    assert len([c for c in bridge.commands if isinstance(c, web.Follow)]) < 40


def test_half_a_frame_is_given_up_and_the_others_go_on(bridge):
    async def act(client):
        page = await client.connect()
        other = await client.connect()
        page._writer.transport.write(b"\x81\xfe\x0f")  # of a frame: its first bytes
        page._reader  # noqa: B018  (nobody reads: no pong goes back)
        loop = asyncio.get_running_loop()
        end = loop.time() + 10
        while server.hub.count > 1 and loop.time() < end:
            await other.receive(timeout=5)
        assert server.hub.count == 1
        await other.send_json({"type": "reset", "n": 1})
        assert (await next_event(other, "answer"))["accepted"]

    with serving(bridge, heartbeat_s=0.4) as server:
        with_client(server, act)


def test_hundred_connections_leave_the_page_that_is_there_alone(bridge, monkeypatch):
    monkeypatch.setattr(limits, "REQUEST_WITHIN_S", 2.0)

    async def act(client):
        page = await client.connect()
        await next_event(page, "hello")
        silent = []
        for _ in range(100):
            silent.append(await asyncio.open_connection("127.0.0.1", server.port))
        refused = 0
        for reader, _ in silent:
            data = await asyncio.wait_for(reader.read(100), 5)
            refused += data.startswith(b"HTTP/1.1 503")
        assert 0 < refused < 100  # the rest was ended in silence, as time passed
        await page.send_json({"type": "reset", "n": 1})
        assert (await next_event(page, "answer"))["accepted"]
        await client.connect()
        for _, writer in silent:
            writer.close()

    with serving(bridge) as server:
        with_client(server, act)


def test_page_too_many_is_told_so(bridge):
    async def act(client):
        two = [await client.connect() for _ in range(2)]
        for page in two:
            await next_event(page, "hello")
        third = await client.connect()
        await third.receive()
        assert third.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER

    with serving(bridge, Access(port=0, max_pages=2)) as server:
        with_client(server, act)


def test_request_that_never_ends_is_given_up(bridge, monkeypatch):
    monkeypatch.setattr(limits, "REQUEST_WITHIN_S", 0.3)
    with serving(bridge) as server, sockets.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        half.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert half.recv(10) == b""


def test_slow_reader_gets_fewer_pictures_none_of_them_old(bridge):
    """One that takes 100 kB a second, beside one that takes all."""
    bridge.size, bridge.grain = (640, 480), 120
    seen = {}

    async def read(client, rate, name):
        page = await client.connect()
        ages, loop = [], asyncio.get_running_loop()
        end = loop.time() + 4
        while loop.time() < end:
            event = await next_event(page, "shot")
            if rate:
                await asyncio.sleep(len(event["payload"]) / rate)
            ages.append((bridge.stamp - int(event["stamp"])) / 66_000_001 / 15)
            await page.send_json({"type": "seen", "number": event["number"]})
        seen[name] = ages

    async def act(client):
        await asyncio.gather(read(client, 100_000, "slow"), read(client, 0, "quick"))

    with serving(bridge) as server, bridge.playing():
        with_client(server, act)
    assert 3 <= len(seen["slow"]) < 0.8 * len(seen["quick"])
    assert max(seen["slow"]) < 1.0


def test_pages_that_never_read_hold_no_memory(bridge):
    bridge.size = (640, 480)

    async def act(client):
        silent = [await client.connect() for _ in range(5)]
        for number in range(40):
            bridge.show()
            if number % 10 == 0:
                await asyncio.sleep(0.05)
        before = memory_mb()
        for number in range(400):
            bridge.show()
            if number % 10 == 0:
                await asyncio.sleep(0.05)
        assert memory_mb() - before < 30
        assert len(silent) == 5

    with serving(bridge) as server:
        with_client(server, act)


def memory_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def test_bag_is_downloaded_as_a_tar_file(bridge, tmp_path):
    (tmp_path / "finished").mkdir()
    content = {"metadata.yaml": b"version: 8\n", "bag.db3": os.urandom(700_001)}
    for name, data in content.items():
        (tmp_path / "finished" / name).write_bytes(data)

    async def act(client):
        async with client.session.get(f"{client.url}/bags/finished") as answer:
            assert answer.status == 200
            assert "finished.tar" in answer.headers["Content-Disposition"]
            data = io.BytesIO(await answer.read())
        with tarfile.open(fileobj=data) as bag:
            got = {info.name: bag.extractfile(info).read() for info in bag.getmembers()}
        assert got == {f"finished/{name}": data for name, data in content.items()}

    with serving(bridge) as server:
        with_client(server, act)


# Pictures.


def test_what_no_jpeg_can_hold_is_told_and_the_next_picture_shown(bridge):
    wide = np.zeros((2, 70_000, 3), np.uint8)

    async def act(client):
        page = await client.connect()
        bridge.hub.post_picture(Picture(1, 5, 70_000, 2, lambda: wide))
        problem = await next_event(page, "problem")
        assert (problem["what"], "70000x2" in problem["text"]) == ("picture", True)
        assert "no JPEG" in problem["text"]
        bridge.show()
        while (await next_event(page, "problem"))["text"]:
            pass

    with serving(bridge) as server:
        with_client(server, act)


def test_picture_is_read_and_encoded_once_for_all_pages():
    reads = []

    def read():
        reads.append(1)
        return np.zeros((480, 640, 3), np.uint8)

    picture = Picture(1, 5, 640, 480, read)
    frames = [picture.frame(1) for _ in range(5)]
    assert all(frame is frames[0] for frame in frames)
    picture.frame(3)
    assert len(reads) == 1


def test_large_picture_is_made_smaller_and_says_how_large_it_was():
    import cv2

    image = np.zeros((3000, 4000, 3), np.uint8)
    data = Picture(1, 5, 4000, 3000, lambda: image).frame(0)
    length = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + length])
    assert (head["width"], head["height"]) == (4000, 3000)
    pixels = cv2.imdecode(np.frombuffer(data[4 + length :], np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape[:2] == (960, 1280)


def test_jpeg_of_the_camera_passes_as_it_is():
    jpeg = to_jpeg(np.full((48, 64, 3), 90, np.uint8), LEVELS[0])

    def read():
        raise InvalidImageError("not needed")

    assert Picture(1, 5, 64, 48, read, jpeg).frame(1).endswith(jpeg)
