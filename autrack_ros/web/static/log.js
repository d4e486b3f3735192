// What happened, newest first.
const KEPT = 200;

export class Log {
  #list;
  #self = 0;

  constructor(list, connection) {
    this.#list = list;
    connection.addEventListener("hello", (event) => {
      this.#self = event.detail.page;
      list.replaceChildren(); // the server tells it all again
    });
    connection.addEventListener("log", (event) => this.#add(event.detail));
  }

  #add(line) {
    const item = document.createElement("p");
    const time = document.createElement("time");
    const date = new Date(1000 * line.time);
    time.dateTime = date.toISOString();
    time.textContent = date.toLocaleTimeString([], { hour12: false });
    const text = document.createElement("span");
    text.className = line.level;
    text.textContent = this.#worded(line);
    item.append(time, text);
    this.#list.prepend(item);
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild.remove();
  }

  #worded({ source, page, event, id, text }) {
    const who = page === 0 ? "" : page === this.#self ? "this page: " : `page ${page}: `;
    if (source === "status") return [`'${id}' ${event}`, text].filter(Boolean).join(": ");
    return who + text;
  }
}
