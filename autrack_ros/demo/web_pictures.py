"""``python -m autrack_ros.demo.web_pictures FOLDER``: pictures of the page, for the docs.

The whole demo runs (node, clip, ``web_view``), and Chromium with the page in it. Needs the extra
[test] and Debian's chromium. Writes web_desktop.jpg, web_dark.jpg, web_phone.jpg and web_clip.webp,
in which a box is drawn and followed.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from autrack_ros.demo.web import CLIP, showing
from autrack_ros.evaluation.frames import open_frames

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
SIZE = (640, 272)  # of the clip, pixels
BICYCLE, POST = (290, 2, 560, 215), (244, 97, 312, 270)  # x, y of two corners on its first frame
QUALITY = 85
CLIP_WIDTH, CLIP_STEP_S = 800, 0.2


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Where to write the pictures.")],
    rate: Annotated[float, typer.Option(min=1, max=100, help="Frames a second.")] = 15.0,
    watch: Annotated[float, typer.Option(help="Seconds to follow before the pictures.")] = 25.0,
) -> None:
    """Draw two boxes on the page of the demo and take its pictures."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with (
        showing(CLIP, rate, "127.0.0.1", 0) as (processes, log),
        sync_playwright() as playwright,
    ):
        while not (link := re.search(r"http://\S+", log.read_text())):
            for process in processes:
                process.check_running()
            time.sleep(0.2)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        with opened(browser, link[0], width=1280, height=860) as page:
            # The tracker is there later than the page.
            page.locator("#rate-text").filter(has_text="Hz").wait_for(timeout=180_000)
            frames = [page.screenshot()]
            frames += draw(page, BICYCLE, "bicycle")
            frames += draw(page, POST, "post")
            page.locator("#heat").fill("55")
            for _ in range(20):
                page.wait_for_timeout(1e3 * CLIP_STEP_S)
                frames.append(page.screenshot())
            save_clip(frames, folder / "web_clip.webp")
            page.wait_for_timeout(1e3 * watch)
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=folder / "web_desktop.jpg", quality=QUALITY)
            page.emulate_media(color_scheme="dark")
            page.wait_for_timeout(1000)
            page.screenshot(path=folder / "web_dark.jpg", quality=QUALITY)
        phone = {"device_scale_factor": 2, "is_mobile": True, "has_touch": True}
        with opened(browser, link[0], width=390, height=844, **phone) as page:
            page.locator("#heat").fill("40")
            page.evaluate("document.activeElement.blur()")
            page.wait_for_timeout(6000)
            page.screenshot(path=folder / "web_phone.jpg", quality=QUALITY)
        browser.close()


@contextmanager
def opened(browser: Any, link: str, width: int, height: int, **options: Any) -> Iterator[Any]:
    """A tab with the page, once a picture is there."""
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.goto(link)
    page.wait_for_selector("#stage-empty", state="hidden", timeout=120_000)
    yield page
    page.close()


def draw(page: Any, corners: tuple[int, int, int, int], name: str) -> list[bytes]:
    """Drag a box around what lies in these corners of the clip's first frame, have it followed.

    Returns:
        pictures of that, PNG.
    """
    page.click("#freeze")
    stage = page.locator("#stage").bounding_box()
    scale = min(stage["width"] / SIZE[0], stage["height"] / SIZE[1])
    left = stage["x"] + (stage["width"] - SIZE[0] * scale) / 2
    top = stage["y"] + (stage["height"] - SIZE[1] * scale) / 2
    frames, steps = [], 5
    shown = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    shown = shown[round(top) : round(top + SIZE[1] * scale), round(left) :]
    shown = cv2.resize(shown[:, : round(SIZE[0] * scale)], SIZE, interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = corners
    first = next(iter(open_frames(CLIP)))[y0:y1, x0:x1]
    _, _, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(shown, first, cv2.TM_CCOEFF_NORMED))
    x0, y0, x1, y1 = x, y, x + x1 - x0, y + y1 - y0  # it has moved
    page.mouse.move(left + x0 * scale, top + y0 * scale)
    page.mouse.down()
    for step in range(1, steps + 1):
        x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
        page.mouse.move(left + x * scale, top + y * scale)
        frames.append(page.screenshot())
    page.mouse.up()
    page.fill("#name", name)
    frames += 3 * [page.screenshot()]
    page.keyboard.press("Enter")
    page.click("#freeze")
    page.locator("#targets").filter(has_text=name).wait_for(timeout=60_000)
    return frames


def save_clip(frames: list[bytes], path: Path) -> None:
    """An animation that repeats."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in frames]
    width, height = pictures[0].size
    size = (CLIP_WIDTH, round(CLIP_WIDTH * height / width))
    small = [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    small[0].save(
        path,
        save_all=True,
        append_images=small[1:],
        duration=round(1e3 * CLIP_STEP_S),
        loop=0,
        quality=70,
    )


if __name__ == "__main__":
    app(prog_name="python -m autrack_ros.demo.web_pictures")
