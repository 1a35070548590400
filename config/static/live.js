// The board asks for its fragment again when the server says that something changed, and says when it is out of date.
const board = document.querySelector("[data-live]");
const said = document.querySelector("[data-live-said]");
const PATIENCE = 5000; // milliseconds without a connection until the board calls itself out of date

let shown = board.querySelector("[data-version]")?.dataset.version;
let newest = shown;
let lost = 0;

const say = (what) => {
  said.textContent = said.dataset[what];
  said.parentElement.classList.toggle("stale", what === "stale");
};
// Whoever keeps single books back is not disturbed: the change waits until the details are closed.
const busy = () => board.querySelector("details[open]") !== null;

const refresh = () => {
  if (newest === shown) return say("fresh");
  if (busy()) return say("held");
  htmx.trigger(board, "refresh");
};

const source = new EventSource(board.dataset.live);
source.addEventListener("version", (event) => {
  clearTimeout(lost);
  lost = 0;
  newest = event.data;
  refresh();
});
source.addEventListener("stale", () => say("stale"));
source.addEventListener("error", () => {
  lost ||= setTimeout(() => say("stale"), PATIENCE);
});
board.addEventListener("toggle", refresh, true);
new MutationObserver(() => {
  shown = board.querySelector("[data-version]")?.dataset.version;
  if (newest === shown) say("fresh");
}).observe(board, { childList: true, subtree: true, attributeFilter: ["data-version"] });
