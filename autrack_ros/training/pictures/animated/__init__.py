"""Cut-outs of people, riders and animals that move, rendered from two games' free models.

One concept a file, from the bytes to the cut-outs: ``binary`` and ``archive`` read files;
``skeleton``, ``mesh``, ``animation`` and ``actors`` are the formats of 0 A.D., ``glest`` is that of
MegaGlest; ``surface`` is what a renderer sees of either. ``zero_ad`` and ``mega_glest`` pick and
pose a figure, ``renderer`` draws it, ``scene`` decides how, and ``making`` writes the cut-outs.
"""
