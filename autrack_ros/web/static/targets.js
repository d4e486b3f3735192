// What is followed: the newest tracks, their trails, and the list of them.
import { STATES, sharp, strokeState } from "./look.js";

const TRAIL_MS = 3000;
const KEPT = 150; // tracks of recent images, for a picture that is frozen or late

export class Targets extends EventTarget {
  #list;
  #empty;
  #connection;
  #known = new Map(); // by id: {id, state, box, score, trail, ...}
  #recent = []; // {stamp, targets} of the last images, in the order they came
  #rows = new Map();
  #selected = "";

  constructor(list, empty, connection) {
    super();
    this.#list = list;
    this.#empty = empty;
    this.#connection = connection;
    connection.addEventListener("tracks", (event) => this.#take(event.detail));
  }

  get ids() {
    return [...this.#known.keys()];
  }

  /** The target whose signals are shown. */
  get selected() {
    return this.#known.has(this.#selected) ? this.#selected : (this.ids[0] ?? "");
  }

  select(id) {
    if (!this.#known.has(id)) return;
    this.#selected = id;
    this.#connection.send("select", { id });
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  remove(id) {
    return this.#connection.send("remove", { id });
  }

  /** Nanoseconds of the image that was tracked in last; null before the first. */
  get stamp() {
    return this.#recent.at(-1)?.stamp ?? null;
  }

  /** The targets in the image of a stamp, or in the one nearest to it that was tracked in. */
  at(stamp) {
    let best = null;
    for (const entry of this.#recent) {
      const distance = entry.stamp > stamp ? entry.stamp - stamp : stamp - entry.stamp;
      if (best === null || distance <= best.distance) best = { distance, targets: entry.targets };
    }
    return best?.targets ?? [];
  }

  /** The topmost target whose box holds a point of the image, or "". */
  under(x, y) {
    const hit = [...this.#known.values()].reverse().find(({ box }) => (
      box && x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height
    ));
    return hit?.id ?? "";
  }

  #take({ stamp, tracks }) {
    const now = performance.now();
    const next = new Map();
    for (const row of tracks) {
      const before = this.#known.get(row.id);
      const found = row.width > 0;
      const trail = (before?.trail ?? []).filter((point) => now - point.time < TRAIL_MS);
      const center = found ? [row.x + row.width / 2, row.y + row.height / 2] : null;
      // What is lost stays where it was last; what catches up has no place yet.
      const box = found ? row : row.state === "lost" ? before?.box : null;
      next.set(row.id, { ...row, box, trail: [...trail, { time: now, center }] });
    }
    this.#known = next;
    this.#recent.push({ stamp: BigInt(stamp), targets: [...next.values()] });
    if (this.#recent.length > KEPT) this.#recent.shift();
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  #show() {
    this.#empty.hidden = this.#known.size > 0;
    for (const [id, row] of this.#rows) {
      if (this.#known.has(id)) continue;
      row.item.remove();
      this.#rows.delete(id);
    }
    for (const target of this.#known.values()) {
      if (!this.#rows.has(target.id)) this.#rows.set(target.id, this.#makeRow(target.id));
      this.#fillRow(this.#rows.get(target.id), target);
    }
  }

  #makeRow(id) {
    const item = document.createElement("li");
    const pick = make(item, "button", "pick");
    pick.type = "button";
    pick.dataset.help = "Shows this target's signals and response map. Keys: 1 to 9";
    const swatch = make(pick, "canvas", "swatch");
    swatch.ariaHidden = "true";
    make(pick, "span", "").textContent = id;
    pick.addEventListener("click", () => this.select(id));
    const end = make(item, "button", "");
    end.type = "button";
    end.textContent = "Remove";
    end.ariaLabel = `Remove ${id}`;
    end.addEventListener("click", () => this.remove(id));
    const facts = make(item, "div", "facts");
    const state = make(facts, "span", "state");
    const bar = make(facts, "progress", "");
    bar.max = 1;
    bar.ariaLabel = `Score of ${id}`;
    const score = make(facts, "span", "");
    this.#list.append(item);
    return { item, pick, swatch, state, bar, score, drawn: "" };
  }

  #fillRow(row, target) {
    row.pick.ariaPressed = String(target.id === this.selected);
    row.state.textContent = target.state;
    row.bar.value = target.score;
    row.score.textContent = target.score.toFixed(2);
    if (row.drawn === target.state || !row.swatch.clientWidth) return;
    row.drawn = target.state;
    const { context, width, height } = sharp(row.swatch);
    context.fillStyle = "#12181f";
    context.fillRect(0, 0, width, height);
    strokeState(context, target.state in STATES ? target.state : "tracking", 2);
    context.strokeRect(3, 3, width - 6, height - 6);
  }
}

function make(parent, tag, name) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  parent.append(element);
  return element;
}
