// What is drawn over the picture: response map, trails, boxes with their names.
import { STATES, inferno, strokeState } from "./look.js";

const FONT = "600 13px system-ui, sans-serif";

/** Draw targets into a context whose unit is `1 / scale` of an image's pixel at (x, y). */
export function drawTargets(context, view, targets, selected) {
  for (const target of targets) {
    drawTrail(context, view, target);
  }
  for (const target of targets) {
    drawBox(context, view, target, target.id === selected);
  }
}

function drawTrail(context, view, { trail, state }) {
  context.setLineDash([]);
  context.lineCap = "round";
  context.strokeStyle = (STATES[state] ?? STATES.tracking).color;
  context.lineWidth = 2;
  for (let index = 1; index < trail.length; index += 1) {
    const [from, to] = [trail[index - 1], trail[index]];
    if (!from.center || !to.center) continue;
    context.globalAlpha = (0.9 * index) / trail.length;
    context.beginPath();
    context.moveTo(view.x + view.scale * from.center[0], view.y + view.scale * from.center[1]);
    context.lineTo(view.x + view.scale * to.center[0], view.y + view.scale * to.center[1]);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawBox(context, view, target, selected) {
  if (!target.box) return;
  const [left, top, width, height] = placed(view, target.box);
  const line = selected ? 3 : 2;
  context.setLineDash([]);
  context.strokeStyle = "rgb(0 0 0 / .55)";
  context.lineWidth = line + 2;
  if (target.state !== "lost") context.strokeRect(left, top, width, height);
  strokeState(context, target.state, line);
  context.strokeRect(left, top, width, height);
  context.setLineDash([]);
  const score = target.state === "lost" ? "?" : target.score.toFixed(2);
  drawLabel(context, `${target.id}  ${score}`, left, top, (STATES[target.state] ?? STATES.tracking).color);
}

function drawLabel(context, text, left, top, color) {
  context.font = FONT;
  context.textBaseline = "middle";
  const width = context.measureText(text).width + 12;
  const y = top > 24 ? top - 24 : top + 2;
  const x = Math.max(0, left - 1);
  context.fillStyle = "rgb(12 16 20 / .82)";
  context.fillRect(x, y, width, 20);
  context.fillStyle = color;
  context.fillRect(x, y, 3, 20);
  context.fillStyle = "#f5f8fa";
  context.fillText(text, x + 8, y + 10.5);
}

/** Draw a response map where its cells belong, as strongly as `strength` (0..1) says. */
export function drawResponse(context, view, response, strength) {
  const [scaleX, , x, , scaleY, y] = response.to_image;
  const box = {
    x: x - scaleX / 2, y: y - scaleY / 2,
    width: scaleX * response.columns, height: scaleY * response.rows,
  };
  const [left, top, width, height] = placed(view, box);
  response.canvas ??= coloured(response);
  context.save();
  context.globalAlpha = strength;
  context.imageSmoothingEnabled = true;
  context.drawImage(response.canvas, left, top, width, height);
  context.globalAlpha = 1;
  context.setLineDash([]);
  context.strokeStyle = "rgb(255 255 255 / .7)";
  context.lineWidth = 1;
  context.strokeRect(left, top, width, height);
  context.restore();
}

function coloured({ rows, columns, payload }) {
  const canvas = new OffscreenCanvas(columns, rows);
  const image = new ImageData(columns, rows);
  payload.forEach((value, index) => {
    const part = value / 255;
    image.data.set([...inferno(part), 255 * (0.25 + 0.7 * Math.sqrt(part))], 4 * index);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A box of the image on the screen: left, top, width, height. */
export function placed(view, box) {
  return [
    view.x + view.scale * box.x, view.y + view.scale * box.y,
    view.scale * box.width, view.scale * box.height,
  ];
}
