"""What a page is sent, by how quickly it draws."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from autrack_ros.web.page_link import MAX_WAITING, PageLink


class Data(tuple):
    """What stands for a picture: its number and level."""

    size = 50_000

    def __len__(self) -> int:
        return self.size


class Page:
    """A link whose sends are kept, with a clock that stands."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list = []
        self.link = PageLink(1, "here", self._encode, lambda: self.now)

    async def _encode(self, picture, level):
        return None if picture.number < 0 else Data((picture.number, level))

    async def settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)

    def picture(self, number: int) -> None:
        self.link.put_picture(SimpleNamespace(number=number))

    @property
    def pictures(self) -> list[int]:
        return [item[0] for item in self.sent if isinstance(item, tuple)]

    def run(self, act) -> None:
        async def keep(message):
            self.sent.append(message)

        async def both():
            sending = asyncio.create_task(self.link.send(keep))
            try:
                await act()
            finally:
                sending.cancel()

        asyncio.run(both())


def test_page_that_does_not_draw_gets_the_newest_picture_later():
    page = Page()

    async def act():
        for number in range(1, 6):
            page.picture(number)
            await page.settle()
        assert page.pictures == [1]
        page.now += 0.5
        page.link.drawn(1)
        await page.settle()
        assert page.pictures == [1, 5]

    page.run(act)
    assert '"skipped":3' in page.link.state()


def test_quick_page_has_two_pictures_under_way():
    page = Page()

    async def act():
        page.picture(1)
        await page.settle()
        page.now += 0.01
        page.link.drawn(1)
        for number in (2, 3, 4):
            page.picture(number)
            await page.settle()
        assert page.pictures == [1, 2, 3]

    page.run(act)


def test_slow_page_gets_smaller_pictures_and_a_quick_one_sharper_ones():
    levels = {}
    for name, round_trip in (("slow", 0.5), ("quick", 0.02)):
        page = Page()

        async def act(page=page, round_trip=round_trip):
            for number in range(1, 120):
                page.picture(number)
                await page.settle()
                page.now += round_trip
                page.link.drawn(number)

        page.run(act)
        levels[name] = [item[1] for item in page.sent]
    assert levels["slow"][0] == levels["quick"][0]
    assert levels["slow"][-1] == 5
    assert levels["quick"][-1] == 0


def test_small_pictures_are_not_made_smaller(monkeypatch):
    monkeypatch.setattr(Data, "size", 10_000)
    page = Page()

    async def act():
        for number in range(1, 20):
            page.picture(number)
            await page.settle()
            page.now += 0.5
            page.link.drawn(number)

    page.run(act)
    assert page.sent[0][1] == page.sent[-1][1]


def test_tracks_wait_with_a_link_that_is_full_and_only_the_newest_does():
    page = Page()

    async def act():
        page.picture(1)
        await page.settle()
        page.now += 1.0
        for text in ("old", "newest"):
            page.link.put_newest("tracks", text)
            await page.settle()
        assert "old" not in page.sent
        page.link.put("answer")
        await page.settle()
        page.link.drawn(1)
        await page.settle()
        assert page.sent[1:] == ["answer", "newest"]

    page.run(act)


def test_picture_that_cannot_be_encoded_does_not_hold_the_next():
    page = Page()

    async def act():
        page.picture(-1)
        await page.settle()
        page.picture(2)
        await page.settle()
        assert page.pictures == [2]

    page.run(act)


def test_numbers_that_were_never_sent_change_nothing():
    page = Page()

    async def act():
        page.picture(1)
        await page.settle()
        for number in range(1000, 2000):
            page.link.drawn(number)
        page.picture(2)
        await page.settle()
        assert page.pictures == [1]

    page.run(act)


def test_page_that_lets_everything_wait_is_given_up():
    page = Page()
    for _ in range(MAX_WAITING + 1):
        page.link.put("line")
    assert page.link.overrun


def test_picture_goes_before_what_may_be_large_and_old():
    page = Page()

    async def act():
        page.link.put_newest("template", "template")
        page.picture(1)
        await page.settle()
        assert [item if isinstance(item, str) else item[0] for item in page.sent] == [1, "template"]

    page.run(act)
