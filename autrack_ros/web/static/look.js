// How states look, as in drawing/style.py; a test compares the two.
export const STATES = Object.freeze({
  "tracking": {"color": "#56b4e9", "pattern": []},
  "uncertain": {"color": "#f0e442", "pattern": [[6, 5]]},
  "lost": {"color": "#d55e00", "pattern": [[0, 4]]},
  "adapting": {"color": "#cc79a7", "pattern": [[7, 4], [0, 4]]}
});

/** Set colour and dashes of a state for lines of a width. */
export function strokeState(context, state, width) {
  const look = STATES[state] ?? STATES.tracking;
  context.strokeStyle = look.color;
  context.lineWidth = width;
  context.lineCap = look.pattern.some(([drawn]) => drawn === 0) ? "round" : "butt";
  context.setLineDash(look.pattern.flatMap(([drawn, left]) => [drawn * width || 0.01, left * width]));
}

// Inferno, perceptually uniform, at nine places.
const INFERNO = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
  [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
];

/** Red, green, blue of a value 0..1. */
export function inferno(value) {
  const place = Math.min(Math.max(value, 0), 1) * (INFERNO.length - 1);
  const index = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[index].map((low, i) => low + (place - index) * (INFERNO[index + 1][i] - low));
}

/** A colour of the style sheet. */
export function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A canvas's context, in CSS pixels, at the screen's resolution; cleared. */
export function sharp(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
