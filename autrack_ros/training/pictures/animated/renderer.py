"""Draws surfaces with OpenGL: on a GPU, or without one by Mesa's software."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autrack_ros.training.pictures.animated.surface import Opacity, Surface, Texture
from autrack_ros.training.sources import DataError

CANVAS_SIZE = 288  # pixels
SAMPLES = 4  # a pixel
CACHED_TEXTURES = 200

VERTEX_SHADER = """
#version 330
uniform mat4 projection;
in vec3 position;
in vec3 normal;
in vec2 uv;
out vec3 direction;
out vec2 place;
void main() {
    gl_Position = projection * vec4(position, 1.0);
    direction = normal;
    place = uv;
}
"""
FRAGMENT_SHADER = f"""
#version 330
uniform sampler2D colors;
uniform int opacity;
uniform vec3 team;
uniform vec3 own;
uniform vec3 tint;
uniform vec3 viewer;
uniform vec3 light;
uniform float ambient;
in vec3 direction;
in vec2 place;
out vec4 pixel;
void main() {{
    vec4 texel = texture(colors, place);
    vec3 color = texel.rgb;
    if (opacity == {int(Opacity.TEAM_COLOR)}) {{
        float brightness = dot(color, vec3(0.3, 0.6, 0.1));
        color = mix(team * (0.5 + brightness), color, texel.a);
    }} else if (opacity == {int(Opacity.CUT)} && texel.a < 0.5) {{
        discard;
    }} else if (opacity == {int(Opacity.OWN_COLOR)}) {{
        color *= mix(own, vec3(1.0), texel.a);
    }}
    vec3 normal = normalize(direction);
    normal = dot(normal, viewer) < 0.0 ? -normal : normal;
    float lit = ambient + (1.05 - ambient) * max(dot(normal, light), 0.0);
    pixel = vec4(color * tint * lit, 1.0);
}}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How a view is seen, lit and coloured.

    Attributes:
        projection: 4x4 from the figure's coordinates to OpenGL's clip coordinates.
        viewer: (3,) unit vector from the figure to the camera.
        light: (3,) unit vector from the figure to the light.
        ambient: brightness, 0 to 1, of what the light does not reach.
        team: (3,) RGB, 0 to 1, of the player.
        tint: (3,) gains of R, G and B.
    """

    projection: np.ndarray
    viewer: np.ndarray
    light: np.ndarray
    ambient: float
    team: np.ndarray
    tint: np.ndarray


class Renderer:
    """An OpenGL context without a window; ``with`` releases it.

    Raises:
        DataError: moderngl is not installed or finds no EGL.
    """

    def __init__(self) -> None:
        try:
            self._gl = importlib.import_module("moderngl")
            self._context = self._gl.create_context(standalone=True, backend="egl")
        except Exception as error:  # moderngl raises plain ones
            raise DataError(
                f"rendering figures needs moderngl and EGL ({error}): pip install "
                "'autrack_ros[train]'; apt-get install libegl1 libgl1-mesa-dri"
            ) from error
        self._context.enable(self._gl.DEPTH_TEST)
        self._program = self._context.program(VERTEX_SHADER, FRAGMENT_SHADER)
        size = (CANVAS_SIZE, CANVAS_SIZE)
        self._canvas = self._context.framebuffer(
            [self._context.renderbuffer(size, 4, samples=SAMPLES)],
            self._context.depth_renderbuffer(size, samples=SAMPLES),
        )
        self._results: list[Any] = []
        self._textures: OrderedDict[str, Any] = OrderedDict()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *error: object) -> None:
        self._context.release()

    def draw(self, views: Iterable[tuple[Sequence[Surface], Look]]) -> list[np.ndarray]:
        """Draw views of one or of several figures.

        Returns:
            SxSx4 uint8 pictures, S = ``CANVAS_SIZE``: RGB multiplied by the opacity, and opacity.
        """
        drawn = []
        # All are under way before the first is waited for.
        for number, (surfaces, look) in enumerate(views):
            if number == len(self._results):
                result = self._context.renderbuffer((CANVAS_SIZE, CANVAS_SIZE), 4)
                self._results.append(self._context.framebuffer([result]))
            self._draw(surfaces, look)
            self._context.copy_framebuffer(self._results[number], self._canvas)
            drawn.append(self._results[number])
        shape = (CANVAS_SIZE, CANVAS_SIZE, 4)
        pictures = [np.frombuffer(result.read(components=4), np.uint8) for result in drawn]
        return [picture.reshape(shape)[::-1] for picture in pictures]

    def _draw(self, surfaces: Sequence[Surface], look: Look) -> None:
        self._canvas.use()
        self._canvas.clear()
        program = self._program
        program["projection"].write(look.projection.T.astype("f4").tobytes())
        for name in ("viewer", "light", "team", "tint"):
            program[name].value = tuple(getattr(look, name).tolist())
        program["ambient"].value = look.ambient
        for surface in surfaces:
            program["opacity"].value = int(surface.opacity)
            program["own"].value = surface.color
            self._texture(surface.texture).use()
            vertices = np.concatenate([surface.positions, surface.normals, surface.uv], axis=1)
            buffer = self._context.buffer(vertices.astype("f4").tobytes())
            order = self._context.buffer(surface.triangles.astype("u4").tobytes())
            array = self._context.vertex_array(
                program, [(buffer, "3f 3f 2f", "position", "normal", "uv")], order
            )
            array.render()
            for resource in (array, order, buffer):
                resource.release()

    def _texture(self, texture: Texture) -> Any:
        if texture.name not in self._textures:
            height, width = texture.image.shape[:2]
            loaded = self._context.texture((width, height), 4, texture.image.tobytes())
            # Mip maps alone: anisotropic filtering takes Mesa's software ten times as long.
            loaded.build_mipmaps()
            self._textures[texture.name] = loaded
            if len(self._textures) > CACHED_TEXTURES:
                self._textures.popitem(last=False)[1].release()
        self._textures.move_to_end(texture.name)
        return self._textures[texture.name]
