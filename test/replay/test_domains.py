"""Domains for processes that must not hear each other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autrack_ros.replay.domains import claim_domain, own_domain

CODE = (
    "import os; os.getpid = lambda: {pid}\n"
    "from autrack_ros.replay.domains import claim_domain; print(claim_domain())"
)


def test_a_process_has_one_domain():
    assert 1 <= own_domain() <= 100
    assert own_domain() == own_domain()


@pytest.mark.skipif(sys.platform != "linux", reason="names in the abstract space are Linux's")
def test_a_domain_that_is_claimed_is_no_other_process_s():
    mine = claim_domain()
    assert claim_domain() != mine

    def of_a_process() -> int:
        code = CODE.format(pid=mine - 1)  # whose first choice it would be
        return int(subprocess.check_output([sys.executable, "-c", code], env=os.environ, text=True))

    assert of_a_process() != mine
    assert of_a_process() == of_a_process(), "what a process claims is free after its end"
