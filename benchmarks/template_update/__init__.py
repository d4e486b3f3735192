"""The study of the template update: what it is worth, beside what could be done instead.

    python -m benchmarks.template_update config/study/template_update.yaml

An *arm* is a way to adapt to a target's first frame; a *case* is a sequence. Every arm follows the
target of every case with the same weights, in torch, so that each difference from
"no update" is a paired one. ``settings`` (what is compared), ``cases``, ``arms``, ``rows`` (an arm
through all cases, kept when done), ``cost``, ``page``.
"""
