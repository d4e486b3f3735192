"""The page for everybody: phone and touch, keyboard alone, help, dark, accessibility rules."""

from __future__ import annotations

import pytest

pytest.importorskip("aiohttp", reason="the page's server needs aiohttp")

import numpy as np
from browser import chromium
from web_stand_in import StandInBridge, until
from web_tabs import SIZE, corners, follows, opened, picture_of

from autrack_ros.web import messages as web


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def bridge(tmp_path):
    return StandInBridge(*SIZE, bags=tmp_path)


def test_keyboard_alone_does_everything(browser, bridge):
    with opened(browser, bridge) as tab:
        keys = tab.page.keyboard
        for _ in range(12):
            keys.press("Tab")
            if tab.page.evaluate("document.activeElement.id") == "stage":
                break
        assert tab.page.evaluate("document.activeElement.id") == "stage"
        keys.press(" ")
        assert tab.page.locator("#frozen").is_visible()
        keys.press(" ")
        assert tab.page.locator("#frozen").is_hidden()
        keys.press("b")
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowRight", "Alt+ArrowDown"):
            keys.press(key)
        keys.press("ArrowLeft")
        keys.press("Control+z")
        keys.press("Enter")
        (sent,) = until(lambda: follows(bridge), "box")
        side, step = 0.16 * 240, 4
        left, top = 160 - side / 2 + 2 * step, 120 - side / 2 - step + 1
        assert corners(sent) == pytest.approx([left, top, left + side + step, top + side], abs=0.1)
        tab.wait_for_text("#targets", "target 1")
        assert tab.page.evaluate("document.activeElement.id") == "stage"
        keys.press("1")
        until(lambda: web.Select("target 1") in bridge.commands, "selection")
        keys.press("h")
        assert tab.page.locator("#help").is_visible()
        keys.press("Escape")
        keys.press("Delete")
        until(lambda: web.Remove("target 1") in bridge.commands, "removal")
        keys.press("b")
        keys.press("Escape")
        assert tab.page.locator("#draft").is_hidden()


PHONE = {"viewport": (390, 780), "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def touch(tab, kind, points) -> None:
    """Fingers on the screen, by the browser's own protocol."""
    shown = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
    tab.protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": shown})


def follows_after_a_tap(tab, bridge) -> list:
    """A tap that Chromium makes up after touches is lost now and then, and given again."""
    if tab.page.locator("#draft").is_visible():
        tab.page.tap("text=Follow")
        tab.page.wait_for_timeout(500)
    return follows(bridge)


def test_phone_draws_with_a_finger_and_zooms_with_two(browser, bridge):
    with opened(browser, bridge, **PHONE) as tab:
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        touch(tab, "touchStart", [tab.at(90, 70)])
        touch(tab, "touchMove", [tab.at(140, 100)])
        touch(tab, "touchMove", [tab.at(180, 150)])
        touch(tab, "touchEnd", [])
        (sent,) = until(lambda: follows_after_a_tap(tab, bridge), "box")
        assert corners(sent) == pytest.approx([90, 70, 180, 150], abs=3)
        tab.wait_for_text("#targets", "tracking")
        before = picture_of(tab)
        touch(tab, "touchStart", [tab.at(140, 120), tab.at(180, 120)])
        touch(tab, "touchMove", [tab.at(100, 120), tab.at(220, 120)])
        touch(tab, "touchEnd", [])
        until(lambda: np.abs(picture_of(tab).astype(int) - before).mean() > 3, "larger picture")
        assert tab.page.locator("#draft").is_hidden()
        tab.page.tap("#targets .pick")
        until(lambda: web.Select("target 1") in bridge.commands, "selection")
        for control in tab.page.locator("button:visible").all():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 24, control.inner_text()


def test_everything_explains_itself_on_hover_focus_and_long_press(browser, bridge):
    with opened(browser, bridge, has_touch=True) as tab:
        tab.page.hover("#freeze")
        tab.wait_for_text("#tip", "Holds the picture still")
        tab.page.mouse.move(2, 300)
        tab.page.wait_for_selector("#tip", state="hidden")
        tab.page.focus("#snapshot")
        tab.page.keyboard.press("Shift+Tab")
        tab.page.keyboard.press("Tab")
        tab.wait_for_text("#tip", "Saves the picture")
        box = tab.page.locator("#fit").bounding_box()
        touch(tab, "touchStart", [(box["x"] + 8, box["y"] + 8)])
        tab.wait_for_text("#tip", "The whole picture again")
        touch(tab, "touchEnd", [])
        unexplained = tab.page.evaluate(
            """() => [...document.querySelectorAll('header button, .bar button, .panel button')]
            .filter((b) => !b.dataset.help && !b.closest('.targets')).map((b) => b.id)"""
        )
        assert unexplained == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_rules_hold(browser, bridge, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    with opened(browser, bridge, color_scheme=scheme, bypass_csp=True) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#targets", "tracking")
        tab.drag((200, 170), (250, 220))
        bridge.hub.post(web.Problem("camera", "no image on /image for 3 s"))
        tab.wait_for_text("#banner", "no image")
        ground = tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (ground == "rgb(14, 19, 24)") == (scheme == "dark")
        found = axe.Axe().run(tab.page).response
        told = [
            (rule["id"], node["html"][:120], node.get("failureSummary", "")[:300])
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert told == []
        assert len(found["passes"]) > 20


def test_page_is_small_and_paints(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.page.wait_for_function(
            "performance.getEntriesByName('first-contentful-paint').length > 0"
        )
        sizes = tab.page.evaluate(
            "performance.getEntriesByType('resource').map((e) => e.encodedBodySize)"
        )
        assert sum(sizes) < 200_000
        assert len(sizes) > 10
