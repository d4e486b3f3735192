"""The page in Chromium: every control, and a connection that breaks."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("aiohttp", reason="the page's server needs aiohttp")

import cv2
import numpy as np
from browser import Tab, chromium
from web_stand_in import START_NS, StandInBridge, serving, until
from web_tabs import SIZE, corners, follows, opened, picture_of

from autrack_ros.web import messages as web
from autrack_ros.web.guard import Access

TOKEN = "a-token-of-20-letters"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def bridge(tmp_path):
    return StandInBridge(*SIZE, bags=tmp_path)


def test_box_that_is_dragged_is_sent_for_its_picture_and_the_target_is_followed(browser, bridge):
    with opened(browser, bridge) as tab:
        began = bridge.stamp
        tab.drag((90, 70), (180, 150))
        held = bridge.stamp
        tab.page.wait_for_timeout(
            400
        )  # the picture moves on; the box is for the one it was drawn on
        tab.page.fill("#name", "cup")
        tab.page.click("text=Follow")
        tab.wait_for_text("#targets", "cup")
        (sent,) = follows(bridge)
        assert sent.id == "cup"
        assert corners(sent) == pytest.approx([90, 70, 180, 150], abs=1.5)
        assert began - 10 * 66_000_001 <= int(sent.stamp) <= held
        assert int(sent.stamp) < bridge.stamp - 4 * 66_000_001
        assert (int(sent.stamp) - START_NS) % 66_000_001 == 0  # not rounded by the page's numbers
        tab.wait_for_text("#targets", "tracking")
        tab.wait_for_text("#timeline-text", "cup: tracking, score 0.90, second peak 0.20")
        tab.wait_for_text("#loss-text", "cup: loss 2.000 to 1.200 at step 2, 80 ms, bim")
        tab.wait_for_text("#log", "this page: starts 'cup'")
        tab.page.wait_for_selector("#template:not(.none)")
        tab.wait_for_text("#latency-text", "12 ms")
        tab.wait_for_text("#rate-text", "Hz")
        assert tab.page.locator("#frozen").is_hidden()


def test_tap_makes_a_box_that_corners_and_inside_adjust_and_undo_takes_back(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.page.mouse.click(*tab.at(160, 120))
        assert tab.page.locator("#frozen").is_visible()
        side = 0.16 * 240 / 2
        tab.drag((160 + side, 120 + side), (220, 200))
        tab.drag((180, 160), (170, 150))
        tab.page.click("#undo")
        tab.drag((180, 160), (160, 140))
        tab.page.click("text=Follow")
        (sent,) = until(lambda: follows(bridge), "box")
        expected = [160 - side - 20, 120 - side - 20, 200, 180]
        assert corners(sent) == pytest.approx(expected, abs=2)
        assert sent.id == "target 1"


def test_box_is_cancelled_and_the_picture_goes_on(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.click("#cancel")
        assert tab.page.locator("#draft").is_hidden()
        assert tab.page.locator("#frozen").is_hidden()
        assert follows(bridge) == []


def test_several_targets_are_selected_removed_and_reset(browser, bridge):
    with opened(browser, bridge) as tab:
        for x, name in ((20, "left"), (200, "right")):
            tab.drag((x, 20), (x + 60, 70))
            tab.page.fill("#name", name)
            tab.page.keyboard.press("Enter")
            tab.wait_for_text("#targets", name)
        tab.page.click("#targets >> text=right")
        until(lambda: web.Select("right") in bridge.commands, "selection")
        tab.wait_for_text("#timeline-text", "right: tracking")
        tab.page.click("[aria-label='Remove left']")
        until(lambda: web.Remove("left") in bridge.commands, "removal")
        tab.page.wait_for_selector("#targets >> text=left", state="detached")
        tab.page.click("#reset")
        tab.page.wait_for_selector("#targets-empty")
        assert bridge.commands[-1] == web.Reset()
        tab.page.click("#enable")
        tab.wait_for_text("#enable", "Tracking off")
        tab.page.click("#enable")
        tab.wait_for_text("#enable", "Tracking on")
        assert bridge.commands[-2:] == [web.Enable(False), web.Enable(True)]


def test_target_that_was_started_is_undone(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.page.click("#toast >> text=Undo")
        until(lambda: web.Remove("target 1") in bridge.commands, "removal")


def test_box_that_is_refused_says_why_and_is_sent_for_the_live_picture(browser, bridge):
    bridge.refusal = "no image of that stamp is kept"
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#toast", "no image of that stamp is kept")
        tab.wait_for_text("#log", "no image of that stamp is kept")
        tab.page.click("text=Send for the live picture")
        tab.wait_for_text("#targets", "target 1")
        assert [command.stamp == "0" for command in follows(bridge)] == [False, True]


def test_zoom_keeps_the_point_below_the_pointer_and_boxes_stay_true(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.page.mouse.move(*tab.at(160, 120))
        tab.page.mouse.wheel(0, -400 * np.log(2))  # twice as large around the middle
        scale = tab.page.locator("#stage").bounding_box()["height"] / 240
        x, y = tab.at(160, 120)
        tab.page.mouse.move(x - 40 * scale, y - 40 * scale)
        tab.page.mouse.down()
        tab.page.mouse.move(x, y)
        tab.page.mouse.move(x + 40 * scale, y + 40 * scale)
        tab.page.mouse.up()
        tab.page.keyboard.press("Enter")
        (sent,) = until(lambda: follows(bridge), "box")
        assert corners(sent) == pytest.approx([140, 100, 180, 140], abs=1.5)
        tab.page.click("#fit")
        tab.drag((90, 70), (180, 150))
        tab.page.fill("#name", "whole")
        tab.page.keyboard.press("Enter")
        until(lambda: len(follows(bridge)) == 2, "box")
        assert corners(follows(bridge)[1]) == pytest.approx([90, 70, 180, 150], abs=1.5)


def test_response_map_covers_the_picture_at_the_slider(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#targets", "tracking")
        tab.page.wait_for_timeout(300)
        before = picture_of(tab)
        tab.page.locator("#heat").fill("100")
        tab.page.wait_for_timeout(300)
        covered = np.abs(picture_of(tab).astype(int) - before).max(axis=2) > 40
        assert 0.01 < covered.mean() < 0.6


def test_snapshot_is_the_camera_s_picture_with_the_boxes(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#targets", "tracking")
        with tab.page.expect_download() as download:
            tab.page.click("#snapshot")
        with open(download.value.path(), "rb") as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == SIZE[::-1]
    sky_blue = np.abs(image.astype(int) - (233, 180, 86)).max(axis=2) < 40
    assert sky_blue.sum() > 200


def test_recording_is_started_stopped_and_downloaded(browser, bridge, tmp_path):
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "metadata.yaml").write_text("version: 8\n")
    with opened(browser, bridge) as tab:
        tab.page.click("#record")
        tab.wait_for_text("#record", "Stop")
        tab.page.click("#record")
        tab.wait_for_text("#record", "Record")
        with tab.page.expect_download() as download:
            tab.page.click("#bags a")
        assert download.value.suggested_filename == "finished.tar"
        with open(download.value.path(), "rb") as file:
            assert b"version: 8" in io.BytesIO(file.read()).getvalue()
    assert bridge.commands == [web.Record(True), web.Record(False)]


def test_lost_connection_is_told_and_comes_back_with_all_that_was(browser, bridge):
    with serving(bridge) as server:
        port = server.port
        tab = Tab(browser, f"http://127.0.0.1:{port}/", SIZE)
        with bridge.playing():
            tab.wait_for_picture()
    tab.wait_for_text("#banner", "No connection to the robot")
    tab.wait_for_text("#link", "no connection")
    tab.drag((90, 70), (180, 150))
    tab.page.keyboard.press("Enter")
    tab.wait_for_text("#toast", "no connection to the robot")
    with serving(bridge, Access(port=port)), bridge.playing():
        tab.wait_for_text("#link", "connected")
        tab.page.wait_for_selector("#banner", state="hidden")
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#targets", "tracking")
    assert tab.faults == []
    tab.context.close()


def test_two_pages_are_told_of_each_other(browser, bridge):
    with opened(browser, bridge) as tab:
        other = tab.context.new_page()
        other.goto(tab.page.url)
        tab.wait_for_text("#link", "2 pages")
        tab.page.click("#reset")
        other.locator("#log").filter(has_text="page 1: resets").wait_for()
        tab.wait_for_text("#log", "this page: resets")


def test_what_is_wrong_with_the_camera_is_told_until_it_ends(browser, bridge):
    with opened(browser, bridge) as tab:
        bridge.hub.post(web.Problem("camera", "no image on /image for 3 s"))
        tab.wait_for_text("#banner", "no image on /image for 3 s")
        bridge.hub.post(web.Problem("camera", ""))
        tab.page.wait_for_selector("#banner", state="hidden")


def test_camera_that_changes_its_size_is_shown_and_boxes_fit_it(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        bridge.size = tab.size = (160, 240)
        tab.wait_for_text("#toast", "The camera's picture has another size now")
        assert tab.page.locator("#draft").is_hidden()
        tab.drag((10, 20), (100, 220))
        tab.page.keyboard.press("Enter")
        (sent,) = until(lambda: follows(bridge), "box")
        assert corners(sent) == pytest.approx([10, 20, 100, 220], abs=2)


def test_lost_target_is_shown_where_it_was(browser, bridge):
    with opened(browser, bridge) as tab:
        tab.drag((90, 70), (180, 150))
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#targets", "tracking")
        bridge.lost.add("target 1")
        tab.wait_for_text("#targets", "lost")
        tab.page.wait_for_timeout(200)
        vermillion = np.abs(picture_of(tab).astype(int) - (0, 94, 213)).max(axis=2) < 30
        assert vermillion.sum() > 100


def test_token_is_asked_for_and_leaves_the_address(browser, bridge):
    access = Access("127.0.0.1", 0, TOKEN)
    with opened(browser, bridge, access, f"?token={TOKEN}") as tab:
        assert TOKEN not in tab.page.evaluate("location.href")
        assert TOKEN not in tab.page.evaluate("document.cookie")
        tab.page.reload()
        tab.wait_for_picture()
