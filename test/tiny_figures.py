"""Writes tiny files in the formats of 0 A.D. and MegaGlest, and games made of them."""

import io
import struct
import zipfile

import numpy as np
from PIL import Image

UPRIGHT = (0, 0, 0, 1)  # quaternions x y z w
QUARTER_TURN = (0, 0, np.sqrt(0.5), np.sqrt(0.5))  # about z: x becomes y
NO_BONE = 255


def text(words):
    return struct.pack("<I", len(words)) + words.encode()


def bone(position, quaternion=UPRIGHT):
    return struct.pack("<7f", *position, *quaternion)


def pmd(vertices, triangles, bones=(), points=(), version=4):
    """A mesh; a vertex is (position, uv, numbers of bones, weights), a point (name, bone(), 1)."""
    body = struct.pack("<II", len(vertices), 1)
    for position, uv, numbers, weights in vertices:
        numbers = [*numbers, *[NO_BONE] * (4 - len(numbers))]
        weights = [*weights, *[0] * (4 - len(weights))]
        body += struct.pack("<3f3f2f4B4f", *position, 0, 0, 1, *uv, *numbers, *weights)
    body += struct.pack("<I", len(triangles))
    body += b"".join(struct.pack("<3H", *triangle) for triangle in triangles)
    body += struct.pack("<I", len(bones)) + b"".join(bones) + struct.pack("<I", len(points))
    body += b"".join(text(name) + at + bytes([number]) for name, at, number in points)
    return b"PSMD" + struct.pack("<II", version, len(body)) + body


def psa(*frames, version=1):
    """An animation; a frame is a list of bone()."""
    body = text("") + struct.pack("<fII", 33.3, len(frames[0]), len(frames))
    body += b"".join(b"".join(bones) for bones in frames)
    return b"PSSA" + struct.pack("<II", version, len(body)) + body


def g3d(frames, uv, triangles, texture="", team_color=0, color=(0, 0, 1), version=4):
    """A model of one mesh; a frame is a list of positions."""
    count = 3 * len(triangles)
    data = b"G3D" + struct.pack("<BHB", version, 1, 0) + b"body".ljust(64, b"\0")
    data += struct.pack("<III", len(frames), len(frames[0]), count)
    data += struct.pack("<8f", *color, 0, 0, 0, 0, 1)
    data += struct.pack("<II", team_color, int(bool(texture)))
    if texture:
        data += texture.encode().ljust(64, b"\0")
    data += np.array(frames, "<f4").tobytes()
    data += np.broadcast_to(np.float32([0, 0, 1]), np.shape(frames)).tobytes()
    if texture:
        data += np.array(uv, "<f4").tobytes()
    return data + np.array(triangles, "<u4").tobytes()


def picture_bytes(image, file_format):
    """HxWx4 uint8 RGBA as a file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, file_format)
    return file.getvalue()


def checkers(first, second):
    """16x16 RGBA of two colours."""
    squares = np.indices((16, 16)).sum(axis=0) % 2
    return np.uint8([first, second])[squares]


# An arm of two bones: one stays, the other, from (0, 1, 0) on, turns about z.
ARM = pmd(
    vertices=[
        ((-0.4, 0, 0), (0, 0), [0], [1]),
        ((0.4, 0, 0), (1, 0), [0], [1]),
        ((0.4, 1, 0), (1, 0.5), [0, 1], [0.5, 0.5]),
        ((-0.4, 1, 0), (0, 0.5), [0, 1], [0.5, 0.5]),
        ((0.4, 2, 0), (1, 1), [1], [1]),
        ((-0.4, 2, 0), (0, 1), [1], [1]),
        ((0, 0, -0.4), (0, 0), [0], [1]),  # a second sheet across the first
        ((0, 0, 0.4), (1, 0), [0], [1]),
        ((0, 2, 0.4), (1, 1), [1], [1]),
        ((0, 2, -0.4), (0, 1), [1], [1]),
    ],
    triangles=[(0, 1, 2), (0, 2, 3), (3, 2, 4), (3, 4, 5), (6, 7, 8), (6, 8, 9)],
    bones=[bone((0, 0, 0)), bone((0, 1, 0))],
    points=[("hand", bone((0, 1, 0)), 1), ("root", bone((0, 0, 0)), NO_BONE)],
)
WAVE = psa([bone((0, 0, 0)), bone((0, 1, 0))], [bone((0, 0, 0)), bone((0, 1, 0), QUARTER_TURN)])
BALL = pmd(
    vertices=[
        ((-0.2, -0.2, 0), (0, 0), [], []),
        ((0.2, -0.2, 0), (1, 0), [], []),
        ((0, 0.2, 0), (0.5, 1), [], []),
    ],
    triangles=[(0, 1, 2)],
)


def actor(*groups, material="default.xml"):
    """The text of an actor."""
    inner = "".join(f"<group>{group}</group>" for group in groups)
    return f"<actor version='1'>{inner}<material>{material}</material></actor>"


def variant(inner="", **attributes):
    """The text of a variant."""
    shown = " ".join(f"{key}='{value}'" for key, value in attributes.items())
    return f"<variant {shown}>{inner}</variant>"


def body(prop=""):
    """The text of the variant that gives an actor its looks, with a prop in its hand."""
    props = f"<props><prop actor='{prop}' attachpoint='hand'/></props>" if prop else ""
    return variant(
        "<mesh>arm.dae</mesh><textures><texture file='skin.png' name='baseTex'/></textures>"
        "<animations><animation file='wave.dae' name='Walk'/></animations>" + props,
        frequency=1,
    )


def zero_ad_files():
    """A game's files: a lion, a still walrus, a rider on his mount and an engine."""
    skin = checkers((200, 120, 40, 255), (90, 60, 20, 255))
    ball = variant(
        "<mesh>ball.dae</mesh><textures><texture file='skin.png' name='baseTex'/></textures>"
    )
    return {
        "art/actors/fauna/lion.xml": actor(body()),
        "art/actors/fauna/arctic_wolf.xml": actor(body()),
        "art/actors/fauna/fish_shoal.xml": actor(body()),
        "art/actors/fauna/walrus.xml": actor(variant("<mesh>arm.dae</mesh>")),
        "art/actors/units/gauls/cavalry_b_m.xml": actor(body("units/gauls/cavalry_b_r.xml")),
        "art/actors/units/gauls/cavalry_b_r.xml": actor(body("props/ball.xml")),
        "art/actors/units/gauls/cavalry_e_m.xml": actor(body()),
        "art/actors/units/gauls/siege_ram.xml": actor(body()),
        "art/actors/props/ball.xml": actor(ball),
        "art/meshes/arm.dae.cached.pmd": ARM,
        "art/meshes/ball.dae.cached.pmd": BALL,
        "art/animation/wave.dae.cached.psa": WAVE,
        "art/textures/skins/skin.png.cached.dds": picture_bytes(skin, "DDS"),
        "art/materials/default.xml": "<material/>",
        "art/materials/player.xml": "<material><define name='USE_PLAYERCOLOR'/></material>",
    }


def write_archive(path, files):
    """A zip archive of files by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_unit(folder):
    """A unit of MegaGlest that walks, and its arrow."""
    models = folder / "models"
    models.mkdir(parents=True)
    square = [(-1, 0, 0), (1, 0, 0), (1, 2, 0), (-1, 2, 0)]
    crossed = [*square, *[(0, y, x) for x, y, _ in square]]
    wide = [(2 * x, y, z) for x, y, z in crossed]
    triangles = [(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)]
    uv = [(0, 0), (1, 0), (1, 1), (0, 1)] * 2
    walking = g3d([crossed, wide], uv, triangles, "coat.png", team_color=1)
    (models / "unit_walking.g3d").write_bytes(walking)
    (models / "unit_arrow.g3d").write_bytes(b"no model at all")
    coat = checkers((250, 250, 250, 0), (40, 40, 40, 255))
    (models / "coat.png").write_bytes(picture_bytes(coat, "PNG"))
