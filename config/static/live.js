// A part of the page follows the server: it is fetched again whenever the server says that something changed, and the
// page says when it may be out of date. What is new in a line is told to others as an `arrival`.
const part = document.querySelector("[data-live]");
const said = document.querySelector("[data-live-said]");
const told = document.querySelector("[data-arrived]");
const PATIENCE = 5000; // milliseconds without a connection until the page calls itself out of date
const SILENCE = 40000; // the server says `here` every 15 seconds; a longer silence is a dead line that nobody closed
const AGAIN = 2000; // until what failed is tried again

htmx.config.morphIgnore.push("open"); // what somebody has unfolded stays unfolded

const version = () => part.querySelector("[data-version]")?.dataset.version;
const waiting = () => [...part.querySelectorAll("[data-waits]")];

const known = new Set(waiting().map((car) => car.id));
let shown = version();
let newest = shown;
let source = null;
let fetching = false;
let wanted = false;
let [lost, silent] = [0, 0];

const say = (what) => {
  const words = said.dataset[what];
  if (said.textContent.trim() !== words) said.textContent = words;
  document.body.classList.toggle("stale", what === "stale");
};

// Without an answer for a while the page is out of date, whatever the reason.
const worry = () => {
  lost ||= setTimeout(() => say("stale"), PATIENCE);
};

const calm = () => {
  clearTimeout(lost);
  lost = 0;
};

const tellArrivals = () => {
  for (const car of waiting().filter((car) => !known.has(car.id))) {
    known.add(car.id);
    car.classList.add("arrived");
    if (told) told.textContent = told.dataset.arrived.replace("%s", car.dataset.waits.trim());
    part.dispatchEvent(new CustomEvent("arrival"));
  }
};

// A car that is moved takes its buttons along; whoever presses them by keyboard stays on them.
const swap = async (text) => {
  const { id } = document.activeElement;
  const within = id && part.contains(document.activeElement);
  await htmx.swap({ text, target: part, swap: "innerMorph", sourceElement: part });
  const again = within ? document.getElementById(id) : null;
  (again?.disabled ? again.closest("li")?.querySelector("button:enabled") : again)?.focus();
};

const refresh = async () => {
  wanted = true;
  if (fetching) return;
  fetching = true;
  while (wanted) {
    wanted = false;
    try {
      const answer = await fetch(part.dataset.from ?? location.href, {
        headers: { "X-Part": part.dataset.part },
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
      await swap(await answer.text());
      shown = version();
      if (shown === newest) wanted = false; // whoever rang meanwhile meant what has just come
      calm();
      if (source?.readyState === EventSource.OPEN) say("fresh");
      tellArrivals();
    } catch {
      worry(); // and the reader is told by then
      await new Promise((over) => setTimeout(over, AGAIN));
      wanted = true;
    }
  }
  fetching = false;
};

const heard = () => {
  calm();
  clearTimeout(silent);
  silent = setTimeout(() => {
    say("stale");
    listen();
  }, SILENCE);
};

const listen = () => {
  source?.close();
  source = new EventSource(part.dataset.live);
  source.addEventListener("version", ({ data }) => {
    heard();
    newest = data;
    if (data === shown) say("fresh");
    else refresh();
  });
  source.addEventListener("here", heard);
  source.addEventListener("stale", () => say("stale"));
  source.addEventListener("error", () => {
    worry();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN); // a proxy answered in the server's place
  });
};

part.addEventListener("refresh", refresh);
addEventListener("offline", () => say("stale"));
addEventListener("online", listen);
addEventListener("pageshow", ({ persisted }) => persisted && listen());
listen();
