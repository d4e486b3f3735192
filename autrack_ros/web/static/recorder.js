// The button that records, and the finished bags.
export class RecorderView {
  #on = false;

  constructor(connection, { button, text, panel, list, say }) {
    button.addEventListener("click", async () => {
      const answer = await connection.send("record", { on: !this.#on });
      say(answer.text, !answer.accepted);
    });
    connection.addEventListener("hello", ({ detail }) => {
      button.hidden = !detail.can.includes("record");
    });
    connection.addEventListener("recording", ({ detail }) => {
      this.#on = detail.on;
      button.ariaPressed = String(detail.on);
      button.classList.toggle("on", detail.on);
      text.textContent = detail.on ? `Stop, ${Math.round(detail.seconds)} s, ${detail.megabytes.toFixed(0)} MB` : "Record";
      panel.hidden = detail.bags.length === 0;
      list.replaceChildren(...detail.bags.map(entry));
    });
  }
}

function entry({ name, megabytes }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `bags/${encodeURIComponent(name)}`;
  link.download = `${name}.tar`;
  link.textContent = name;
  const size = document.createElement("span");
  size.textContent = `${megabytes.toFixed(1)} MB`;
  item.append(link, size);
  return item;
}
