// Score, second peak and state of the selected target over time; latency, rate, drops.
import { frame, grid, line, roundUp } from "./charts.js";
import { STATES, themed } from "./look.js";

const KEPT_MS = 300_000;
const PACE_MS = 60_000;
const GAP_MS = 2500; // without samples: nothing is drawn
const MARKS = { started: "S", updated: "U", lost: "L", found: "F" };

export class Signals {
  #targets;
  #parts;
  #samples = new Map(); // by target: [{time, score, second, state}]
  #marks = []; // {time, id, kind}
  #pace = []; // {time, latency, dropped}
  #span = 60_000;

  constructor(connection, targets, parts) {
    this.#targets = targets;
    this.#parts = parts;
    connection.addEventListener("tracks", (event) => this.#take(event.detail));
    connection.addEventListener("log", ({ detail }) => {
      if (detail.event !== "started" || Date.now() / 1000 - detail.time > 5) return;
      this.#mark(detail.id, "started");
    });
    setInterval(() => document.hidden || this.draw(), 250);
  }

  set span(seconds) {
    this.#span = 1000 * seconds;
    this.draw();
  }

  /** A template was updated. */
  updated(id) {
    this.#mark(id, "updated");
  }

  #mark(id, kind) {
    this.#marks.push({ time: performance.now(), id, kind });
  }

  #take({ tracks, latency_ms: latency, dropped }) {
    const time = performance.now();
    for (const track of tracks) {
      if (!this.#samples.has(track.id)) this.#samples.set(track.id, []);
      const samples = this.#samples.get(track.id);
      const before = samples.at(-1)?.state;
      const [score, second] = track.width > 0 ? [track.score, track.second_peak] : [null, null];
      samples.push({ time, score, second, state: track.state });
      if (track.state === "lost" && before && before !== "lost") this.#mark(track.id, "lost");
      if (before === "lost" && track.state !== "lost") this.#mark(track.id, "found");
    }
    this.#pace.push({ time, latency, dropped });
    this.#forget(time);
  }

  #forget(now) {
    const drop = (list, age) => {
      while (list.length && now - list[0].time > age) list.shift();
    };
    for (const [id, samples] of this.#samples) {
      drop(samples, KEPT_MS);
      if (!samples.length) this.#samples.delete(id);
    }
    drop(this.#marks, KEPT_MS);
    drop(this.#pace, PACE_MS);
  }

  draw() {
    const now = performance.now();
    this.#forget(now);
    this.#drawTimeline(now);
    this.#drawPace(now);
  }

  #drawTimeline(now) {
    const { timeline, timelineText } = this.#parts;
    const id = this.#targets.selected;
    const samples = (this.#samples.get(id) ?? []).filter(({ time }) => now - time <= this.#span);
    const plot = frame(timeline, { low: 0, high: 1, bottom: 28 });
    grid(plot, [0, 0.5, 1]);
    const part = (time) => 1 - (now - time) / this.#span;
    line(plot, withGaps(samples, part, "second"), themed("--line-soft"), 1);
    line(plot, withGaps(samples, part, "score"), themed("--line"), 2.2);
    this.#drawStates(plot, samples, part);
    this.#drawMarks(plot, id, part, now);
    const last = samples.at(-1);
    const numbers = last?.score == null ? ""
      : `, score ${last.score.toFixed(2)}, second peak ${last.second.toFixed(2)}`;
    const text = last ? `${id}: ${last.state}${numbers}` : "No target in this time.";
    timelineText.textContent = text;
    timeline.ariaLabel = `Score over time. ${text}`;
  }

  #drawStates(plot, samples, part) {
    const { context } = plot;
    const y = plot.bottom + 6;
    let from = 0;
    samples.forEach(({ time, state }, index) => {
      const next = samples[index + 1];
      if (next && next.state === state && next.time - time < GAP_MS) return;
      const x = plot.x(part(samples[from].time));
      const end = next && next.time - time < GAP_MS ? next.time : time;
      context.fillStyle = (STATES[state] ?? STATES.tracking).color;
      context.fillRect(x, y, Math.max(plot.x(part(end)) - x, 1), 6);
      from = index + 1;
    });
  }

  #drawMarks(plot, id, part, now) {
    const { context } = plot;
    context.textAlign = "center";
    for (const mark of this.#marks) {
      if (mark.id !== id || now - mark.time > this.#span) continue;
      const x = plot.x(part(mark.time));
      context.strokeStyle = themed("--soft");
      context.lineWidth = 1;
      context.setLineDash([2, 3]);
      context.beginPath();
      context.moveTo(x, plot.top);
      context.lineTo(x, plot.bottom + 12);
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = themed("--ink");
      context.fillText(MARKS[mark.kind], x, plot.bottom + 21);
    }
  }

  #drawPace(now) {
    const { latency, latencyText, rate, rateText, drops, dropsText } = this.#parts;
    const part = (time) => 1 - (now - time) / PACE_MS;
    const delays = this.#pace.filter((sample) => sample.latency > 0);
    show(latency, latencyText, delays.map((sample) => [part(sample.time), sample.latency]), "ms");
    const rates = [];
    const losses = [];
    for (let end = now - (now % 1000); end > now - PACE_MS; end -= 1000) {
      const inside = this.#pace.filter(({ time }) => time > end - 1000 && time <= end);
      if (!inside.length && (!this.#pace.length || end < this.#pace[0].time)) break;
      rates.unshift([part(end), inside.length]);
      const lost = inside.length ? inside.at(-1).dropped - inside[0].dropped : 0;
      losses.unshift([part(end), Math.max(0, lost)]);
    }
    show(rate, rateText, rates, "Hz");
    show(drops, dropsText, losses, "/s");
  }
}

/** Points of a sample's field; some seconds without samples, or none with a box, is a gap. */
function withGaps(samples, part, field) {
  return samples.flatMap((sample, index) => {
    const gap = index && sample.time - samples[index - 1].time > GAP_MS;
    const point = sample[field] === null ? null : [part(sample.time), sample[field]];
    return gap ? [null, point] : [point];
  });
}

function show(canvas, label, points, unit) {
  const high = roundUp(Math.max(...points.map(([, value]) => value), 1));
  const plot = frame(canvas, { low: 0, high, left: 30 });
  grid(plot, [0, high]);
  line(plot, points, themed("--line"), 1.5);
  const last = points.at(-1)?.[1];
  label.textContent = last === undefined ? "-" : `${Math.round(last)} ${unit}`;
}
