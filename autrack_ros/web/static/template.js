// The template before and after its update, and the loss on the way.
import { frame, grid, line } from "./charts.js";
import { themed } from "./look.js";

const WHY = {
  completed: "all steps made", budget: "the time was over", cancelled: "cancelled",
  not_finite: "the loss was not finite", target_too_small: "the target is too small",
  out_of_memory: "too little memory", failed: "it failed", disabled: "switched off",
};

export class TemplateView {
  #picture;
  #chart;
  #text;
  #report = null;

  constructor(connection, { picture, chart, text }) {
    this.#picture = picture;
    this.#chart = chart;
    this.#text = text;
    picture.classList.add("none");
    chart.hidden = true;
    connection.addEventListener("template", (event) => this.#show(event.detail.payload));
    connection.addEventListener("adaptation", (event) => {
      this.#report = event.detail;
      this.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(chart.parentElement);
  }

  async #show(jpeg) {
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    this.#picture.classList.remove("none");
    [this.#picture.width, this.#picture.height] = [bitmap.width, bitmap.height];
    this.#picture.getContext("2d").drawImage(bitmap, 0, 0);
    this.#picture.ariaLabel = "Template, updated template, and their difference";
    bitmap.close();
  }

  draw() {
    const report = this.#report;
    if (!report) return;
    const { losses, best_step: best } = report;
    this.#chart.hidden = losses.length < 2;
    const why = WHY[report.stop_reason] ?? report.stop_reason;
    if (losses.length < 2) {
      this.#text.textContent = `${report.id}: no update, ${why}.`;
      return;
    }
    const [low, high] = [Math.min(...losses), Math.max(...losses)];
    const room = 0.08 * (high - low) || 0.01;
    const plot = frame(this.#chart, { low: low - room, high: high + room, left: 38, bottom: 8 });
    grid(plot, [low, high], (value) => value.toFixed(2));
    const points = losses.map((loss, step) => [step / (losses.length - 1), loss]);
    line(plot, points, themed("--line"), 2);
    const { context } = plot;
    context.beginPath();
    context.arc(plot.x(points[best][0]), plot.y(points[best][1]), 5, 0, 2 * Math.PI);
    context.strokeStyle = themed("--ink");
    context.lineWidth = 2;
    context.stroke();
    const text = `${report.id}: loss ${losses[0].toFixed(3)} to ${losses[best].toFixed(3)} at step `
      + `${best}, ${Math.round(report.elapsed_ms)} ms, ${report.method}; ${why}. Largest change `
      + `${report.max_change.toFixed(1)} grey levels.`;
    this.#text.textContent = text;
    this.#chart.ariaLabel = `Loss at each step. ${text}`;
  }
}
