"""Who is let in to the page: token, host, origin, paths."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("aiohttp", reason="the page's server needs aiohttp")

import aiohttp
from web_stand_in import StandInBridge, next_event, serving, with_client

from autrack_ros.tracking import ConfigurationError
from autrack_ros.web import messages as web
from autrack_ros.web.guard import Access, Guard, Refused, links

TOKEN = "a-token-of-20-letters"


@pytest.fixture
def bridge(tmp_path):
    return StandInBridge(bags=tmp_path)


def test_page_and_its_parts_come_with_a_policy_without_exceptions(bridge):
    async def act(client):
        names = ["", "assets/main.js", "assets/style.css", "assets/favicon.svg"]
        for name in names:
            async with client.session.get(f"{client.url}/{name}") as answer:
                assert answer.status == 200, name
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert not any(
                    hole in policy for hole in ("unsafe", "*", "http:", "data:", "blob:")
                )
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "Python" not in answer.headers["Server"]
                assert "Set-Cookie" not in answer.headers
                tag = answer.headers["ETag"]
            again = {"If-None-Match": tag}
            async with client.session.get(f"{client.url}/{name}", headers=again) as answer:
                assert answer.status == 304

    with serving(bridge) as server:
        with_client(server, act)


def test_page_and_assets_are_small_and_name_nothing_elsewhere(bridge):
    with serving(bridge) as server:
        assets = server._assets
        assert sum(len(asset.body) for asset in assets.values()) < 200_000
    import gzip

    for name, asset in assets.items():
        text = gzip.decompress(asset.body).decode()
        for word in ("https://", "http://", "//cdn"):
            found = text.replace("http://www.w3.org/2000/svg", "")
            assert word not in found, name


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/..%2fserver.py",
        "/assets/%2e%2e/server.py",
        "/assets/....//server.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/../../../../etc/passwd",
        "/bags/..",
        "/bags/%2e%2e",
        "/bags/..%2f..%2fetc",
        "/bags/absent",
        "/.env",
    ],
)
def test_path_that_leads_elsewhere_is_not_found(bridge, path):
    async def act(client):
        from yarl import URL

        url = URL(client.url + path, encoded=True)
        async with client.session.get(url) as answer:
            assert answer.status == 404
            assert "Content-Security-Policy" in answer.headers
            assert "root:" not in await answer.text()

    with serving(bridge) as server:
        with_client(server, act)


def test_other_methods_are_refused(bridge):
    async def act(client):
        for method in ("POST", "PUT", "DELETE"):
            async with client.session.request(method, f"{client.url}/") as answer:
                assert answer.status == 405

    with serving(bridge) as server:
        with_client(server, act)


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_without_the_token_nothing_is_served(bridge, address):
    async def act(client):
        for token in ("", "?token=wrong", f"?token={TOKEN}x", "?token=%00"):
            for path in ("", "assets/main.js", "bags/finished", "socket"):
                async with client.session.get(f"{client.url}/{path}{token}") as answer:
                    assert answer.status == 401
                    assert "token" in await answer.text()
                    assert "Set-Cookie" not in answer.headers
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await client.connect()

    with serving(bridge, Access(address, 0, TOKEN)) as server:
        with_client(server, act)
    assert bridge.commands == []


def test_link_with_the_token_gives_a_cookie_that_stays_on_this_site(bridge):
    async def act(client):
        async with client.session.get(f"{client.url}/?token={TOKEN}") as answer:
            assert answer.status == 200
            cookie = answer.headers["Set-Cookie"]
            assert "SameSite=Strict" in cookie
            assert "HttpOnly" in cookie
        headers = {"Cookie": f"autrack_token={TOKEN}"}
        async with client.session.get(f"{client.url}/assets/main.js", headers=headers) as answer:
            assert answer.status == 200
        socket = await client.connect(headers=headers)
        assert (await next_event(socket, "hello"))["version"] == web.VERSION

    with serving(bridge, Access("127.0.0.1", 0, TOKEN)) as server:
        with_client(server, act)


def test_token_is_made_where_others_can_reach_the_server():
    assert Guard(Access()).token == ""
    assert Guard(Access("::1")).token == ""
    assert len(Guard(Access("0.0.0.0")).token) >= 20
    assert Guard(Access("0.0.0.0")).token != Guard(Access("0.0.0.0")).token
    assert len(Guard(Access(origins=("https://robot.example",))).token) >= 20
    assert links(Access("0.0.0.0"), 80, "T", ["10.0.0.7"])[0] == "http://10.0.0.7:80/?token=T"
    proxied = Access(origins=("https://robot.example",))
    assert links(proxied, 80, "T", []) == ["https://robot.example/?token=T"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"port": 70000}, "port 70000"),
        ({"token": "short"}, "token: accepted are at least 16"),
        ({"token": "with spaces and ;semicolons"}, "token: accepted"),
        ({"origins": ("robot.example",)}, "origins: 'robot.example'"),
        ({"origins": ("https://robot.example/",)}, "accepted are such as"),
        ({"max_pages": 0}, "max_pages 0"),
    ],
)
def test_setting_that_is_wrong_is_named(values, named):
    with pytest.raises(ConfigurationError, match=named):
        Access(**values)


def test_port_that_is_taken_is_named(bridge):
    with (
        serving(bridge) as server,
        pytest.raises(ConfigurationError, match=f"port {server.port}: .*in use"),
        serving(StandInBridge(), Access(port=server.port)),
    ):
        pass


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""]
)
def test_foreign_name_for_this_machine_is_refused_without_a_token(host):
    with pytest.raises(Refused, match="accepted are localhost"):
        Guard(Access()).check_host(host)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"])
def test_own_names_of_this_machine_are_let_in(host):
    Guard(Access()).check_host(host)


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1", ""])
def test_page_of_another_origin_cannot_command(bridge, origin):
    async def act(client):
        headers = {} if origin is None else {"Origin": origin}
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.session.ws_connect(f"{client.url}/socket", headers=headers)

    with serving(bridge) as server:
        with_client(server, act)
    assert not bridge.watched


def test_origin_of_the_proxy_can_command(bridge):
    async def act(client):
        socket = await client.connect(
            headers={"Origin": "https://robot.example", "Cookie": f"autrack_token={TOKEN}"}
        )
        await next_event(socket, "hello")

    access = Access("127.0.0.1", 0, TOKEN, ("https://robot.example",))
    with serving(bridge, access) as server:
        with_client(server, act)


def test_logs_hold_no_token(bridge, caplog):
    async def act(client):
        async with client.session.get(f"{client.url}/?token={TOKEN}"):
            pass

    with caplog.at_level(logging.DEBUG), serving(bridge, Access("127.0.0.1", 0, TOKEN)) as server:
        with_client(server, act)
    assert TOKEN not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("aiohttp.access")
    )
