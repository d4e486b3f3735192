// The picture, what is drawn over it, zoom and the freezing of it.
import { sharp } from "./look.js";
import { drawResponse, drawTargets } from "./overlay.js";

const MOST_ZOOM = 16;
const TIMELY_NS = 500_000_000n; // a response map that is older than the picture is left out

export class Stage extends EventTarget {
  #canvas;
  #connection;
  #targets;
  #shot = null; // the newest: {bitmap, number, stamp, width, height}
  #held = null; // the one that is shown while frozen
  #heldAt = 0;
  #zoom = 1; // of the fitted picture
  #pan = [0, 0]; // of its middle, CSS pixels
  #response = null;
  #strength = 0;
  #due = false;
  #unseen = []; // numbers of pictures that came and were not drawn yet
  painters = []; // draw over everything else

  constructor(canvas, connection, targets) {
    super();
    this.#canvas = canvas;
    this.#connection = connection;
    this.#targets = targets;
    connection.addEventListener("shot", (event) => this.#take(event.detail));
    connection.addEventListener("response", (event) => {
      this.#response = event.detail;
      this.redraw();
    });
    connection.addEventListener("hello", () => (this.#unseen = []));
    new ResizeObserver(() => this.redraw()).observe(canvas);
    targets.addEventListener("change", () => this.redraw());
  }

  /** The picture on the screen, or null. */
  get shown() {
    return this.#held ?? this.#shot;
  }

  get frozen() {
    return this.#held !== null;
  }

  /** Seconds for which the picture has been frozen. */
  get age() {
    return this.#held ? (performance.now() - this.#heldAt) / 1000 : 0;
  }

  set strength(value) {
    this.#strength = value;
    this.redraw();
  }

  freeze(on) {
    if (on === this.frozen || (on && !this.#shot)) return;
    if (this.#held && this.#held !== this.#shot) this.#held.bitmap.close();
    this.#held = on ? this.#shot : null;
    this.#heldAt = performance.now();
    this.dispatchEvent(new Event("freeze"));
    this.redraw();
  }

  /** Where the picture lies: CSS pixels of its corner and of one of its pixels. */
  get view() {
    const shot = this.shown;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!shot) return { x: 0, y: 0, scale: 1 };
    const scale = this.#zoom * Math.min(width / shot.width, height / shot.height);
    const [x, y] = [0, 1].map((axis) => {
      const [room, size] = axis ? [height, shot.height * scale] : [width, shot.width * scale];
      const most = Math.max(0, (size - room) / 2); // an edge does not leave the frame
      this.#pan[axis] = Math.min(Math.max(this.#pan[axis], -most), most);
      return (room - size) / 2 + this.#pan[axis];
    });
    return { x, y, scale };
  }

  /** The point of the image below one of the canvas. */
  toImage(x, y) {
    const view = this.view;
    return [(x - view.x) / view.scale, (y - view.y) / view.scale];
  }

  /** Zoom by a factor around a point of the canvas, and move by so much. */
  zoom(factor, x = this.#canvas.clientWidth / 2, y = this.#canvas.clientHeight / 2, move = [0, 0]) {
    const [imageX, imageY] = this.toImage(x, y);
    this.#zoom = Math.min(Math.max(this.#zoom * factor, 1), MOST_ZOOM);
    const view = this.view;
    this.#pan[0] += x - (view.x + imageX * view.scale) + move[0];
    this.#pan[1] += y - (view.y + imageY * view.scale) + move[1];
    this.redraw();
  }

  fit() {
    this.#zoom = 1;
    this.#pan = [0, 0];
    this.redraw();
  }

  /** The picture with its boxes at the camera's resolution, as a PNG blob. */
  async snapshot() {
    const shot = this.shown;
    const canvas = new OffscreenCanvas(shot.width, shot.height);
    const context = canvas.getContext("2d");
    context.drawImage(shot.bitmap, 0, 0, shot.width, shot.height);
    this.#drawOver(context, { x: 0, y: 0, scale: 1 }, shot);
    return canvas.convertToBlob({ type: "image/png" });
  }

  redraw() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  async #take(event) {
    this.#unseen.push(event.number);
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([event.payload], { type: "image/jpeg" }));
    } catch {
      this.redraw(); // a damaged picture is as good as seen
      return;
    }
    if (this.#shot && event.number < this.#shot.number && event.number > this.#shot.number - 100) {
      bitmap.close(); // decoded later than a newer one
      return;
    }
    const old = this.#shot;
    const { number, stamp, width, height } = event;
    const resized = old && (old.width !== width || old.height !== height);
    this.#shot = { bitmap, number, stamp, width, height };
    if (old && old !== this.#held) old.bitmap.close();
    if (resized) this.dispatchEvent(new Event("size"));
    this.redraw();
  }

  #draw() {
    const { context } = sharp(this.#canvas);
    const shot = this.shown;
    if (shot) {
      const view = this.view;
      context.imageSmoothingEnabled = view.scale < 4; // single pixels are of interest when near
      context.drawImage(shot.bitmap, view.x, view.y, shot.width * view.scale, shot.height * view.scale);
      this.#drawOver(context, view, shot);
      for (const paint of this.painters) paint(context, view);
    }
    for (const number of this.#unseen) this.#connection.seen(number);
    if (this.#unseen.length) {
      this.#unseen = [];
      window.dispatchEvent(new CustomEvent("autrack-drawn", { detail: this.#shot?.stamp }));
    }
  }

  #drawOver(context, view, shot) {
    const timely = this.#response && !this.#isLate(this.#response.stamp, shot.stamp);
    if (timely && this.#strength > 0) drawResponse(context, view, this.#response, this.#strength);
    drawTargets(context, view, this.#targets.at(shot.stamp), this.#targets.selected);
  }

  #isLate(stamp, shown) {
    const late = BigInt(shown) - BigInt(stamp);
    return late > TIMELY_NS || late < -TIMELY_NS;
  }
}
