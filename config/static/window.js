// The window without reloads. A scanner is a keyboard that ends with Enter: whatever it types goes into the one field,
// a form's answer takes the place of what was shown, and the field has the focus again when there is nothing to press.
const find = document.querySelector("[data-find]");
const field = find.elements.number;
const shown = document.querySelector("[data-shown]");
const problem = document.querySelector("[data-problem]");
const board = document.querySelector("[data-live]");
const WAIT = 8000; // milliseconds for an answer
const WRONG = "[data-kind=unknown], [data-kind=over], [data-kind=elsewhere], [data-kind=stray], [data-kind=to_unpack], [data-kind=no_bag]";
const GOOD = "[data-big], [data-first], [data-at-once], [data-kind=given], [data-kind=back]"; // there is a way on
const SETTLE = 300; // in which a second Enter is the scanner's own, which ends its lines with two keys

let line = Promise.resolve();
let shownAt = 0;

const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

// What is done at once is done once: refused, or without a connection, its button waits for a hand.
const settle = async () => {
  const next = shown.querySelector("[data-at-once]");
  if (next) {
    next.removeAttribute("data-at-once");
    return send(next, new URLSearchParams(new FormData(next)));
  }
  shownAt = performance.now();
  const button = (field.value ? null : shown.querySelector("[autofocus], [data-first]")) ?? field;
  button.focus({ preventScroll: button === field });
};

const tell = (sentence) => {
  const note = document.createElement("p");
  note.className = "note stop";
  note.textContent = sentence;
  problem.replaceChildren(note);
};

// What is asked for is shown; a refusal stands above what is shown, with the server's own sentence.
const ask = async (address, options = {}) => {
  problem.replaceChildren();
  let answer;
  let text;
  try {
    answer = await fetch(address, {
      ...options,
      headers: { "X-Part": "shown" },
      signal: AbortSignal.timeout(WAIT),
    });
    text = await answer.text();
  } catch {
    tell(find.dataset.offline);
    return false;
  }
  const isPart = answer.headers.get("X-Part") === "shown";
  if (answer.redirected && !isPart) {
    location.assign(answer.url); // the session is over: sign in, and come back
    return false;
  }
  if (isPart && options.replaces === false) return true;
  if (isPart) {
    shown.replaceChildren(...parsed(text).body.childNodes);
    document.dispatchEvent(new CustomEvent("scanned", { detail: !shown.querySelector(WRONG) && !!shown.querySelector(GOOD) }));
  } else {
    const refusal = parsed(text).querySelector("[data-code] h1");
    tell(refusal?.textContent.trim() || find.dataset.offline);
    document.dispatchEvent(new CustomEvent("scanned", { detail: false }));
  }
  return isPart;
};

// One after the other, in the order in which they were scanned or pressed.
const inTurn = (act) => {
  line = line.then(act);
};

// A form beside what is shown stays on the page: it is made fit for the next one.
const renew = (form) => {
  if (!form.isConnected || shown.contains(form) || board.contains(form)) return;
  form.reset();
  form.elements.key.value += `-${Date.now()}`;
  form.closest("details")?.removeAttribute("open");
  delete form.dataset.busy;
};

const send = async (form, body) => {
  const shows = "shows" in form.dataset;
  form.dataset.busy = "";
  if (await ask(form.action, { method: "POST", body, replaces: shows })) renew(form);
  else delete form.dataset.busy;
  if (shows) await settle();
  board.dispatchEvent(new Event("refresh"));
};

// A second tap while the first is on its way does nothing; whatever comes back brings a fresh form.
const press = (form, submitter) => {
  if ("busy" in form.dataset) return;
  form.dataset.busy = "";
  const body = new URLSearchParams(new FormData(form, submitter));
  inTurn(() => send(form, body));
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form === find) {
    event.preventDefault();
    const typed = field.value.trim();
    field.value = "";
    if (typed) {
      inTurn(async () => {
        const query = new URLSearchParams(new FormData(form)); // with the books that have come back by now
        query.set("number", typed);
        if (await ask(`${location.pathname}?${query}`)) return settle();
        if (!field.value) field.value = typed;
        field.select();
      });
    }
  } else if ("shows" in form.dataset || "act" in form.dataset) {
    event.preventDefault();
    press(form, event.submitter);
  }
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    inTurn(async () => {
      await ask(link.href);
      await settle();
    });
  } else if (!event.target.closest("a, button, input, select, textarea, label, summary") && !`${getSelection()}`) {
    field.focus({ preventScroll: true });
  }
});

document.addEventListener("keydown", (event) => {
  const onBig = event.target.closest("[data-big], [data-first]");
  if (onBig && event.key === "Enter" && (event.repeat || performance.now() - shownAt < SETTLE)) {
    event.preventDefault();
  } else if (
    event.key.length === 1 &&
    event.key !== " " &&
    !(event.ctrlKey || event.altKey || event.metaKey) &&
    !event.target.closest("input, select, textarea")
  ) {
    field.focus();
  }
});

addEventListener("focus", () => document.activeElement === document.body && field.focus({ preventScroll: true }));

// A number pad for wet gloves; the tablet's own keyboard stays away while it is shown.
const pad = document.querySelector("[data-keypad]");
const padSwitch = document.querySelector("[data-keypad-switch]");

const setPad = (on) => {
  pad.hidden = !on;
  padSwitch.setAttribute("aria-pressed", on);
  field.inputMode = on ? "none" : "text";
  localStorage.setItem("keypad", on ? "on" : "off");
};

const KEYS = {
  erase: () => (field.value = field.value.slice(0, -1)),
  enter: () => find.requestSubmit(),
};

for (const key of [..."123456789", "erase", "0", "enter"]) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn plain";
  button.textContent = pad.dataset[key] ?? key;
  button.addEventListener("click", () => {
    if (key in KEYS) KEYS[key]();
    else field.value += key;
    if (key !== "enter") field.focus({ preventScroll: true });
  });
  pad.append(button);
}
padSwitch.hidden = false;
padSwitch.addEventListener("click", () => {
  setPad(pad.hidden);
  field.focus({ preventScroll: true });
});
setPad(localStorage.getItem("keypad") === "on");
