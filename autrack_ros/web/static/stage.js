// The picture, what is drawn over it, zoom and the freezing of it.
//
// While something is followed, a picture waits for its tracks, so that boxes lie on what they are
// of; it does not wait longer than a moment.
import { sharp } from "./look.js";
import { drawResponse, drawTargets } from "./overlay.js";

const MOST_ZOOM = 16;
const TIMELY_NS = 500_000_000n; // a response map that is older than the picture is left out
const LONGEST_WAIT_MS = 1500; // of a picture for its tracks

export class Stage extends EventTarget {
  #canvas;
  #connection;
  #targets;
  #shot = null; // the live one: {bitmap, number, stamp, width, height, time}
  #waiting = []; // newer ones, whose tracks have not come yet
  #held = null; // the one that is shown while frozen
  #heldAt = 0;
  #zoom = 1; // of the fitted picture
  #pan = [0, 0]; // of its middle, CSS pixels
  #response = null;
  #strength = 0;
  #due = false;
  #drawn = null; // stamp
  #unseen = []; // numbers of pictures that came while the page was hidden
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
    document.addEventListener("visibilitychange", () => this.#tellSeen());
    new ResizeObserver(() => this.redraw()).observe(canvas);
    targets.addEventListener("change", () => this.#advance());
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
    const { number, width, height } = event;
    const blob = new Blob([event.payload], { type: "image/jpeg" });
    const bitmap = await createImageBitmap(blob).catch(() => null); // null: damaged
    this.#unseen.push(number);
    this.#tellSeen();
    if (!bitmap) return;
    const stamp = BigInt(event.stamp);
    this.#waiting.push({ bitmap, number, stamp, width, height, time: performance.now() });
    this.#waiting.sort((a, b) => a.number - b.number); // one may be decoded before an older one
    this.#advance();
  }

  /** Let the server send more; a page that nobody sees needs none. */
  #tellSeen() {
    if (document.hidden) return;
    for (const number of this.#unseen) this.#connection.seen(number);
    this.#unseen = [];
  }

  /** Show the newest picture whose tracks are there, or that has waited long enough. */
  #advance() {
    const now = performance.now();
    const tracked = this.#targets.ids.length ? this.#targets.stamp : null;
    const due = this.#waiting.findLastIndex(({ stamp, time }) => (
      tracked === null || stamp <= tracked || now - time > LONGEST_WAIT_MS
    ));
    const passed = this.#waiting.splice(0, due + 1);
    if (passed.length) this.#show(passed.pop());
    for (const { bitmap } of passed) bitmap.close();
    this.redraw();
  }

  #show(shot) {
    const old = this.#shot;
    this.#shot = shot;
    if (old && old !== this.#held) old.bitmap.close();
    if (old && old.width === shot.width && old.height === shot.height) return;
    this.dispatchEvent(new CustomEvent("size", { detail: { ...shot, first: !old } }));
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
    if (this.#shot && this.#shot.stamp !== this.#drawn) {
      this.#drawn = this.#shot.stamp;
      window.dispatchEvent(new CustomEvent("autrack-drawn", { detail: String(this.#drawn) }));
    }
  }

  #drawOver(context, view, shot) {
    const timely = this.#response && !this.#isLate(this.#response.stamp, shot.stamp);
    if (timely && this.#strength > 0) drawResponse(context, view, this.#response, this.#strength);
    drawTargets(context, view, this.#targets.at(shot.stamp), this.#targets.selected);
  }

  #isLate(stamp, shown) {
    const late = shown - BigInt(stamp);
    return late > TIMELY_NS || late < -TIMELY_NS;
  }
}
