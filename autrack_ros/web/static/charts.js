// Lines over time and over steps.
import { sharp, themed } from "./look.js";

const FONT = "11px system-ui, sans-serif";

/** Where a chart's lines go: room for the numbers at the left and below. */
export function frame(canvas, { low, high, bottom = 4, left = 26 }) {
  const { context, width, height } = sharp(canvas);
  const span = high - low || 1;
  const plot = {
    context, width, height, left, right: width - 4, top: 6, bottom: height - bottom,
    y: (value) => plot.bottom - ((value - low) / span) * (plot.bottom - plot.top),
    x: (part) => plot.left + part * (plot.right - plot.left),
  };
  context.font = FONT;
  context.setLineDash([]);
  return plot;
}

/** Lines across at values, with their names. */
export function grid(plot, values, text = String) {
  const { context } = plot;
  context.strokeStyle = themed("--grid");
  context.fillStyle = themed("--soft");
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of values) {
    const y = Math.round(plot.y(value)) + 0.5;
    context.beginPath();
    context.moveTo(plot.left, y);
    context.lineTo(plot.right, y);
    context.stroke();
    context.fillText(text(value), plot.left - 5, y);
  }
}

/** A line through points [part of the width 0..1, value]; null leaves a gap. */
export function line(plot, points, color, width) {
  const { context } = plot;
  context.strokeStyle = color;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.beginPath();
  let down = false;
  for (const point of points) {
    if (!point) {
      down = false;
      continue;
    }
    const [x, y] = [plot.x(point[0]), plot.y(point[1])];
    if (down) context.lineTo(x, y);
    else context.moveTo(x, y);
    down = true;
  }
  context.stroke();
}

/** The next round number from a value on, for the top of a scale. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
