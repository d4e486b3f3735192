// The connection to the server: it is made again whenever it breaks, and commands get answers.
import { TABLE, command, event } from "./messages.js";

const RETRY_MS = [300, 600, 1200, 2500, 5000];
const RELOADED = "autrack-reloaded";

export class Connection extends EventTarget {
  #socket = null;
  #number = 0;
  #answers = new Map();
  #tries = 0;
  #timer = 0;

  /** Whether commands arrive. */
  get live() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    const url = new URL("socket", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (message) => this.#receive(event(message.data));
    socket.onclose = (closed) => this.#closed(closed.reason);
    this.#socket = socket;
  }

  /** Send a command; resolves to {accepted, text}. */
  send(type, fields = {}) {
    if (!this.live) return Promise.resolve({ accepted: false, text: "no connection to the robot" });
    this.#number += 1;
    const number = this.#number;
    this.#socket.send(command(type, fields, number));
    return new Promise((resolve) => this.#answers.set(number, resolve));
  }

  /** Tell the server that a picture was drawn. */
  seen(number) {
    if (this.live) this.#socket.send(command("seen", { number }));
  }

  #receive(message) {
    if (message.type === "answer") {
      this.#answers.get(message.n)?.(message);
      this.#answers.delete(message.n);
      return;
    }
    if (message.type === "hello") {
      this.#tries = 0;
      if (message.version !== TABLE.version && !sessionStorage.getItem(RELOADED)) {
        sessionStorage.setItem(RELOADED, "1"); // the server is another than this page came from
        location.reload();
        return;
      }
      sessionStorage.removeItem(RELOADED);
    }
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  #closed(reason) {
    for (const resolve of this.#answers.values()) {
      resolve({ accepted: false, text: "the connection broke before the answer" });
    }
    this.#answers.clear();
    this.dispatchEvent(new CustomEvent("closed", { detail: { reason } }));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)]);
    this.#tries += 1;
  }

  async #again() {
    if (this.#tries > 1) {
      // A socket that is refused does not say why; the page itself does.
      const answer = await fetch(".", { cache: "no-store" }).catch(() => null);
      if (answer?.status === 401) {
        this.dispatchEvent(new CustomEvent("closed", { detail: { reason: await answer.text() } }));
      }
    }
    this.open();
  }
}
