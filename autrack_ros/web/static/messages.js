// The messages between page and server, as in messages.py; a test compares the two. The constant
// is JSON, so that the test can read it.
export const TABLE = Object.freeze({
  "version": 1,
  "commands": {
    "follow": ["id", "x", "y", "width", "height", "stamp"],
    "remove": ["id"],
    "reset": [],
    "enable": ["on"],
    "select": ["id"],
    "record": ["on"],
    "seen": ["number"]
  },
  "events": [
    "hello", "pages", "shot", "tracks", "response", "template", "adaptation", "log", "answer",
    "enabled", "problem", "recording", "link"
  ]
});

/** The text of a command. */
export function command(type, fields, n = 0) {
  const wanted = TABLE.commands[type];
  if (!wanted || Object.keys(fields).sort().join() !== [...wanted].sort().join()) {
    throw new TypeError(`no such command: ${type} ${Object.keys(fields)}`);
  }
  return JSON.stringify({ type, n, ...fields });
}

/** An event of a frame; that of a binary one has its bytes as `payload`. */
export function event(data) {
  if (typeof data === "string") return JSON.parse(data);
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  head.payload = new Uint8Array(data, 4 + length);
  return head;
}
