// The board asks for its fragment again when the server says that something changed, and says when it is out of date.
const board = document.querySelector("[data-live]");
const said = document.querySelector("[data-live-said]");
const PATIENCE = 5000; // milliseconds without a connection until the board calls itself out of date
const SILENCE = 40000; // the server says `here` every 15 seconds; a longer silence is a dead line that nobody closed

let shown = board.querySelector("[data-version]")?.dataset.version;
let newest = shown;
let source = null;
let lost = 0;
let silent = 0;

const say = (what) => {
  said.textContent = said.dataset[what];
  said.parentElement.classList.toggle("stale", what === "stale");
};

// Whoever keeps single books back is not disturbed: the change waits until the details are closed.
const refresh = () => {
  if (newest === shown) return say("fresh");
  if (board.querySelector("details[open]")) return say("held");
  htmx.trigger(board, "refresh");
};

const heard = () => {
  clearTimeout(lost);
  clearTimeout(silent);
  lost = 0;
  silent = setTimeout(() => {
    say("stale");
    listen();
  }, SILENCE);
};

const listen = () => {
  source?.close();
  source = new EventSource(board.dataset.live);
  source.addEventListener("version", (event) => {
    heard();
    newest = event.data;
    refresh();
  });
  source.addEventListener("here", heard);
  source.addEventListener("stale", () => say("stale"));
  source.addEventListener("error", () => {
    lost ||= setTimeout(() => say("stale"), PATIENCE);
  });
};

addEventListener("offline", () => say("stale"));
addEventListener("online", listen);
board.addEventListener("toggle", refresh, true);
new MutationObserver(() => {
  shown = board.querySelector("[data-version]")?.dataset.version;
  if (newest === shown) say("fresh");
}).observe(board, { childList: true, subtree: true, attributeFilter: ["data-version"] });
listen();
