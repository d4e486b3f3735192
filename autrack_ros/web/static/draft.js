// The box that is being drawn: by pointer, touch or keys; adjusted, undone, sent.
import { placed } from "./overlay.js";

const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];
const MOVED_PX = 6; // a shorter drag is a tap
const LEAST_PX = 4; // side of a box, pixels of the image
const TAP_PART = 0.16; // side of a tapped box, part of the image's shorter one

export class Draft extends EventTarget {
  #canvas;
  #stage;
  #targets;
  #box = null; // {x, y, width, height}, pixels of the image
  #history = [];
  #pointers = new Map();
  #drag = null;
  #touch = false;
  #froze = false; // whether the drawing, and not the person, froze the picture

  constructor(canvas, stage, targets) {
    super();
    this.#canvas = canvas;
    this.#stage = stage;
    this.#targets = targets;
    stage.painters.push((context, view) => this.#paint(context, view));
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#up(event));
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      stage.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
  }

  get box() {
    return this.#box;
  }

  get canUndo() {
    return this.#history.length > 0;
  }

  /** A box in the middle of the picture, for the keyboard. */
  begin() {
    const shot = this.#stage.shown;
    if (!shot || this.#box) return;
    this.#hold();
    this.#keep();
    this.#set(this.#around(...this.#stage.toImage(this.#canvas.clientWidth / 2, this.#canvas.clientHeight / 2)));
  }

  /** Move or size the box by parts of the picture, or by pixels. */
  nudge(dx, dy, size, byPixel) {
    const shot = this.#stage.shown;
    if (!this.#box || !shot) return;
    const step = byPixel ? 1 : Math.max(1, Math.round(0.015 * Math.min(shot.width, shot.height)));
    this.#keep();
    const { x, y, width, height } = this.#box;
    this.#set(size
      ? { x, y, width: width + dx * step, height: height + dy * step }
      : { x: x + dx * step, y: y + dy * step, width, height });
  }

  undo() {
    if (!this.canUndo) return;
    this.#set(this.#history.pop());
    if (!this.#box) this.cancel();
  }

  /** Take the box to send it: with the stamp of the picture it was drawn on. */
  take() {
    const taken = { ...this.#box, stamp: String(this.#stage.shown.stamp) };
    this.cancel();
    return taken;
  }

  cancel() {
    this.#history = [];
    this.#drag = null;
    this.#set(null);
    if (this.#froze) this.#stage.freeze(false);
    this.#froze = false;
  }

  #hold() {
    if (this.#stage.frozen) return;
    this.#froze = true;
    this.#stage.freeze(true);
  }

  #keep() {
    this.#history.push(this.#box && { ...this.#box });
  }

  #set(box) {
    this.#box = box && this.#fitted(box);
    this.#stage.redraw();
    this.dispatchEvent(new Event("change"));
  }

  #fitted({ x, y, width, height }) {
    const shot = this.#stage.shown;
    const [w, h] = [clamp(width, LEAST_PX, shot.width), clamp(height, LEAST_PX, shot.height)];
    return { x: clamp(x, 0, shot.width - w), y: clamp(y, 0, shot.height - h), width: w, height: h };
  }

  #around(x, y) {
    const shot = this.#stage.shown;
    const side = TAP_PART * Math.min(shot.width, shot.height);
    return { x: x - side / 2, y: y - side / 2, width: side, height: side };
  }

  #down(event) {
    if (!this.#stage.shown) return;
    this.#canvas.focus({ preventScroll: true });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.#touch = event.pointerType !== "mouse";
    if (this.#pointers.size === 2) {
      this.#abandon(); // two fingers move the picture
      return;
    }
    if (this.#pointers.size > 2) return;
    if (event.button !== 0) {
      this.#drag = { kind: "pan" };
      return;
    }
    const [x, y] = this.#stage.toImage(event.offsetX, event.offsetY);
    const corner = this.#cornerAt(event.offsetX, event.offsetY);
    const inside = this.#box && this.#holds(x, y);
    this.#drag = {
      kind: corner ? "corner" : inside ? "move" : "draw",
      from: [event.offsetX, event.offsetY],
      start: [x, y],
      corner,
      before: this.#box && { ...this.#box },
      moved: false,
    };
  }

  #move(event) {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const now = [event.offsetX, event.offsetY];
    if (this.#pointers.size === 2) this.#pinch(event.pointerId, last, now);
    this.#pointers.set(event.pointerId, now);
    const drag = this.#drag;
    if (!drag || this.#pointers.size > 1) return;
    if (drag.kind === "pan") {
      this.#stage.zoom(1, ...now, [now[0] - last[0], now[1] - last[1]]);
      return;
    }
    drag.moved ||= Math.hypot(now[0] - drag.from[0], now[1] - drag.from[1]) > MOVED_PX;
    if (drag.moved) this.#dragTo(drag, ...this.#stage.toImage(...now));
  }

  #dragTo(drag, x, y) {
    this.#hold();
    if (drag.kind === "move") {
      const [dx, dy] = [x - drag.start[0], y - drag.start[1]];
      this.#set({ ...drag.before, x: drag.before.x + dx, y: drag.before.y + dy });
      return;
    }
    const { before, corner } = drag;
    const fixed = drag.kind === "draw" ? drag.start : [
      before.x + before.width * (1 - corner[0]), before.y + before.height * (1 - corner[1]),
    ];
    const shot = this.#stage.shown;
    const [x0, x1] = [fixed[0], x].map((value) => clamp(value, 0, shot.width)).sort((a, b) => a - b);
    const [y0, y1] = [fixed[1], y].map((value) => clamp(value, 0, shot.height)).sort((a, b) => a - b);
    this.#set({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 });
  }

  #up(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const drag = this.#drag;
    this.#drag = null;
    if (!drag || drag.kind === "pan") return;
    if (drag.moved) {
      this.#history.push(drag.before);
      this.dispatchEvent(new Event("change"));
      return;
    }
    if (drag.kind !== "draw" || event.type === "pointercancel") return;
    const under = this.#box ? "" : this.#targets.under(...drag.start);
    if (under) {
      this.#targets.select(under);
      return;
    }
    this.#hold();
    this.#keep();
    this.#set(this.#around(...drag.start));
  }

  #abandon() {
    if (this.#drag?.moved) this.#set(this.#drag.before);
    if (!this.#box && this.#froze) this.cancel();
    this.#drag = null;
  }

  #pinch(id, last, now) {
    const other = [...this.#pointers].find(([key]) => key !== id)[1];
    const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    const move = [(now[0] - last[0]) / 2, (now[1] - last[1]) / 2];
    this.#stage.zoom(spread(now) / Math.max(spread(last), 1), ...middle, move);
  }

  #holds(x, y) {
    const box = this.#box;
    return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
  }

  #cornerAt(x, y) {
    if (!this.#box) return null;
    const [left, top, width, height] = placed(this.#stage.view, this.#box);
    const reach = this.#touch ? 24 : 12;
    return CORNERS.find(([i, j]) => (
      Math.hypot(x - left - i * width, y - top - j * height) <= reach
    )) ?? null;
  }

  #paint(context, view) {
    if (!this.#box) return;
    const [left, top, width, height] = placed(view, this.#box);
    context.setLineDash([]);
    context.lineWidth = 4;
    context.strokeStyle = "rgb(0 0 0 / .6)";
    context.strokeRect(left, top, width, height);
    context.lineWidth = 2;
    context.strokeStyle = "#ffffff";
    context.strokeRect(left, top, width, height);
    for (const [i, j] of CORNERS) {
      context.beginPath();
      context.arc(left + i * width, top + j * height, this.#touch ? 9 : 6, 0, 2 * Math.PI);
      context.fillStyle = "#ffffff";
      context.fill();
      context.strokeStyle = "#0b62a3";
      context.stroke();
    }
  }
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}
