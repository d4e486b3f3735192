// Puts the parts together: picture, box, targets, signals, log.
import { Connection } from "./connection.js";
import { Draft } from "./draft.js";
import { explainEverything } from "./help.js";
import { Log } from "./log.js";
import { RecorderView } from "./recorder.js";
import { Signals } from "./signals.js";
import { Stage } from "./stage.js";
import { Targets } from "./targets.js";
import { TemplateView } from "./template.js";

const $ = (id) => document.getElementById(id);
const TOAST_MS = 6000;

const connection = new Connection();
const targets = new Targets($("targets"), $("targets-empty"), connection);
const stage = new Stage($("stage"), connection, targets);
const draft = new Draft($("stage"), stage, targets);
const signals = new Signals(connection, targets, {
  timeline: $("timeline"), timelineText: $("timeline-text"),
  latency: $("latency"), latencyText: $("latency-text"),
  rate: $("rate"), rateText: $("rate-text"),
  drops: $("drops"), dropsText: $("drops-text"),
});
new TemplateView(connection, { picture: $("template"), chart: $("loss"), text: $("loss-text") });
new Log($("log"), connection);
new RecorderView(connection, {
  button: $("record"), text: $("record-text"), panel: $("bags-panel"), list: $("bags"), say,
});
explainEverything($("tip"));

// What is said: a toast over the picture, a banner for what lasts.

let toastTimer = 0;
function say(text, bad = false, action = null) {
  clearTimeout(toastTimer);
  const toast = $("toast");
  toast.classList.toggle("bad", bad);
  toast.replaceChildren(text);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = action.name;
    button.addEventListener("click", () => {
      toast.replaceChildren();
      action.act();
    });
    toast.append(button);
  }
  toastTimer = setTimeout(() => toast.replaceChildren(), action ? 2 * TOAST_MS : TOAST_MS);
}

const problems = new Map();
function tell(what, text) {
  problems.set(what, text);
  const banner = $("banner");
  const shown = [...problems.values()].filter(Boolean).join("  ");
  if (banner.textContent !== shown) banner.textContent = shown;
  banner.hidden = !shown;
}

// The connection.

connection.addEventListener("hello", ({ detail }) => {
  $("link").dataset.state = "live";
  $("link-text").textContent = "connected";
  $("source").textContent = `${detail.source} · ${detail.tracker}`;
  document.title = `autrack · ${detail.source}`;
  $("enable").hidden = !detail.can.includes("enable");
  problems.clear();
  tell("connection", "");
});
connection.addEventListener("closed", ({ detail }) => {
  $("link").dataset.state = "lost";
  $("link-text").textContent = "no connection";
  tell("connection", `No connection to the robot${detail.reason ? ` (${detail.reason.trim()})` : ""}. Trying again.`);
});
connection.addEventListener("problem", ({ detail }) => tell(detail.what, detail.text));
let pages = 1;
function tellLink(link) {
  const others = pages > 1 ? `, ${pages} pages` : "";
  const slow = link && link.level > 2 ? ", smaller pictures" : "";
  $("link-text").textContent = `connected${others}${slow}`;
}
connection.addEventListener("pages", ({ detail }) => {
  pages = detail.count;
  tellLink(null);
});
connection.addEventListener("link", ({ detail }) => tellLink(detail));
connection.addEventListener("adaptation", ({ detail }) => signals.updated(detail.id));

// The picture.

let enabled = true;
function toggleFreeze() {
  if (draft.box) draft.cancel();
  stage.freeze(!stage.frozen);
}
stage.addEventListener("freeze", () => {
  $("freeze").ariaPressed = String(stage.frozen);
  $("frozen").hidden = !stage.frozen;
});
setInterval(() => ($("frozen").textContent = `frozen ${stage.age.toFixed(0)} s`), 500);
stage.addEventListener("size", ({ detail }) => {
  $("stage-frame").style.aspectRatio = `${detail.width} / ${detail.height}`;
  $("stage-empty").hidden = true;
  stage.fit();
  if (detail.first || !draft.box) return;
  draft.cancel(); // it was drawn on another picture
  say("The camera's picture has another size now: draw the box again.", true);
});
$("freeze").addEventListener("click", toggleFreeze);
$("fit").addEventListener("click", () => stage.fit());
$("heat").addEventListener("input", () => (stage.strength = $("heat").valueAsNumber / 100));
$("span").addEventListener("change", () => (signals.span = Number($("span").value)));
$("snapshot").addEventListener("click", snapshot);
async function snapshot() {
  if (!stage.shown) {
    say("There is no picture yet.", true);
    return;
  }
  const url = URL.createObjectURL(await stage.snapshot());
  const link = document.createElement("a");
  link.href = url;
  link.download = `autrack_${new Date().toISOString().replace(/[:.]/g, "-")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// The box.

function freeName() {
  const taken = new Set(targets.ids);
  let number = 1;
  while (taken.has(`target ${number}`)) number += 1;
  return `target ${number}`;
}
draft.addEventListener("change", () => {
  const form = $("draft");
  if (form.hidden && draft.box) $("name").value = freeName();
  form.hidden = !draft.box;
  $("undo").disabled = !draft.canUndo;
});
$("draft").addEventListener("submit", (event) => {
  event.preventDefault();
  follow();
});
$("undo").addEventListener("click", () => draft.undo());
$("cancel").addEventListener("click", () => draft.cancel());

function follow() {
  const id = $("name").value.trim() || freeName();
  if (!draft.box) return;
  const box = draft.take();
  $("stage").focus({ preventScroll: true });
  start(id, box);
}
async function start(id, { stamp, x, y, width, height }) {
  const known = targets.ids.includes(id);
  say(`'${id}': sent`);
  const answer = await connection.send("follow", { id, x, y, width, height, stamp });
  if (answer.accepted) {
    say(answer.text, false, known ? null : { name: "Undo", act: () => targets.remove(id) });
  } else if (stamp !== "0" && connection.live) {
    const act = () => start(id, { stamp: "0", x, y, width, height });
    say(answer.text, true, { name: "Send for the live picture", act });
  } else {
    say(answer.text, true);
  }
}

// The targets.

async function order(type, fields = {}) {
  const answer = await connection.send(type, fields);
  if (!answer.accepted) say(answer.text, true);
}
$("reset").addEventListener("click", () => order("reset"));
$("enable").addEventListener("click", () => order("enable", { on: !enabled }));
connection.addEventListener("enabled", ({ detail }) => {
  enabled = detail.on;
  $("enable").ariaPressed = String(enabled);
  $("enable").textContent = enabled ? "Tracking on" : "Tracking off";
});
$("show-help").addEventListener("click", () => $("help").showModal());

// The keyboard: while the picture has the focus, or nothing has.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEYS = {
  " ": toggleFreeze,
  b: () => draft.begin(),
  Enter: () => (draft.box ? follow() : draft.begin()),
  Escape: () => draft.cancel(),
  Delete: () => targets.selected && targets.remove(targets.selected),
  "+": () => stage.zoom(1.25),
  "=": () => stage.zoom(1.25),
  "-": () => stage.zoom(0.8),
  0: () => stage.fit(),
  s: snapshot,
  r: () => $("record").hidden || $("record").click(),
  h: () => $("help").showModal(),
};
document.addEventListener("keydown", (event) => {
  if ($("help").open) return;
  const free = [document.body, $("stage")].includes(document.activeElement);
  if (event.key === "Escape" && draft.box) draft.cancel();
  if (!free) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() === "z" && draft.canUndo) {
      event.preventDefault();
      draft.undo();
    }
    return;
  }
  const arrow = ARROWS[event.key];
  const digit = /^[1-9]$/.test(event.key) ? targets.ids[Number(event.key) - 1] : undefined;
  if (arrow && draft.box) draft.nudge(...arrow, event.shiftKey, event.altKey);
  else if (digit !== undefined) targets.select(digit);
  else if (event.key.toLowerCase() in KEYS || event.key in KEYS) {
    (KEYS[event.key] ?? KEYS[event.key.toLowerCase()])();
  } else return;
  event.preventDefault();
});

// The token has done its work; it stays out of the history and of pictures of the screen.
if (location.search) history.replaceState(null, "", location.pathname);
connection.open();
