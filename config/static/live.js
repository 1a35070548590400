// A part of the page follows the server: it is fetched again whenever the server says that something changed, every few
// seconds while nothing can be heard, and the page says when it may be out of date. What is new in a line is told to
// others as an `arrival`.
const part = document.querySelector("[data-live]");
const said = document.querySelector("[data-live-said]");
const told = document.querySelector("[data-arrived]");
const PATIENCE = 5000; // milliseconds without a word or an answer until the page looks by itself
const POLL = 4000; // between two looks; a stream that is not held back says its version sooner than that
const SILENCE = 40000; // the server says `here` every 15 seconds; a longer silence is a dead line that nobody closed
const AGAIN = 2000; // until what failed is tried again

htmx.config.morphIgnore.push("open"); // what somebody has unfolded stays unfolded

const version = () => part.querySelector("[data-version]")?.dataset.version;
const waiting = () => [...part.querySelectorAll("[data-waits]")];

const known = new Set(waiting().map((car) => car.dataset.visit));
let shown = version();
let newest = shown;
let source = null;
let fetching = false;
let wanted = false;
let [lost, silent, polling] = [0, 0, 0];
let heardOf = false; // whether this stream has said anything

const say = (what) => {
  const words = said.dataset[what];
  if (said.textContent.trim() !== words) said.textContent = words;
  for (const other of ["stale", "polled"]) document.body.classList.toggle(other, what === other);
};

const worry = () => {
  lost ||= setTimeout(poll, PATIENCE);
};

const calm = () => {
  clearTimeout(lost);
  lost = 0;
};

const tellArrivals = () => {
  const cars = waiting().filter((car) => !known.has(car.dataset.visit));
  for (const car of cars) {
    known.add(car.dataset.visit);
    car.classList.add("arrived");
    part.dispatchEvent(new CustomEvent("arrival"));
  }
  if (!told || !cars.length) return;
  told.textContent = cars.map((car) => told.dataset.arrived.replace("%s", car.dataset.waits.trim())).join(" ");
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
      if (heardOf) calm();
      if (heardOf || polling) say(polling ? "polled" : "fresh");
      tellArrivals();
    } catch {
      if (polling) say("stale");
      worry(); // and the reader is told by then
      await new Promise((over) => setTimeout(over, AGAIN));
      wanted = true;
    }
  }
  fetching = false;
};

const heard = () => {
  heardOf = true;
  calm();
  clearInterval(polling);
  polling = 0;
  clearTimeout(silent);
  silent = setTimeout(poll, SILENCE);
};

// What was missed is fetched at once, and the stream is asked for anew: the old one may be dead without a word.
const wake = () => {
  listen();
  refresh();
};

const poll = () => {
  polling ||= setInterval(wake, POLL);
  wake();
};

const listen = () => {
  source?.close();
  heardOf = false;
  worry();
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
    heardOf = false;
    worry();
    // a proxy answered in the server's place
    if (source.readyState === EventSource.CLOSED && !polling) setTimeout(listen, AGAIN);
  });
};

part.addEventListener("refresh", refresh);
addEventListener("offline", () => say("stale"));
addEventListener("online", wake);
addEventListener("pageshow", ({ persisted }) => persisted && wake());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
listen();
