// A scanner is a keyboard that ends each line with Enter, faster than a page loads. On a page with a scan field the
// forms are sent without leaving it: scans queue up, the answer replaces the content, and a sound says how it went.
const content = document.querySelector("#content");
const NOWHERE = [document.body, document.documentElement, content];
const TYPED = "input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]";

const field = () => content.querySelector("[data-scan]");
const muted = () => localStorage.getItem("sounds") === "off";

// Sounds: made here, so that nothing is fetched; possible only after somebody touched a key or the screen.
const NOTES = {
  right: [[880, 0, 0.12]],
  full: [[660, 0, 0.1], [880, 0.11, 0.1], [1320, 0.22, 0.2]],
  done: [[660, 0, 0.1], [990, 0.11, 0.22]],
  hold: [[523, 0, 0.16], [784, 0.18, 0.16], [523, 0.36, 0.24]],
  wrong: [[160, 0, 0.22], [120, 0.26, 0.38]],
};
let audio = null;
const wake = () => {
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume();
};

const play = (name) => {
  if (!audio || muted() || !NOTES[name]) return;
  for (const [frequency, after, lasts] of NOTES[name]) {
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    const begins = audio.currentTime + after;
    tone.type = name === "wrong" ? "square" : "sine";
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.25, begins);
    volume.gain.exponentialRampToValueAtTime(0.001, begins + lasts);
    tone.connect(volume).connect(audio.destination);
    tone.start(begins);
    tone.stop(begins + lasts);
  }
};

// What is said to the eye is said to screen readers too: the content is replaced, this one line stays.
const aloud = document.createElement("p");
aloud.className = "unseen";
aloud.setAttribute("role", "status");

const dress = () => {
  for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
  for (const button of document.querySelectorAll("[data-sounds]")) {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(!muted()));
    button.querySelector("span").textContent = muted() ? button.dataset.off : button.dataset.on;
  }
  if (field()?.value) field().select();
};

const said = () => {
  const verdict = content.querySelector("[data-sound]");
  document.documentElement.dataset.heard = verdict?.dataset.sound ?? "";
  play(verdict?.dataset.sound);
  aloud.textContent = verdict?.innerText ?? "";
};

const replace = (html, address) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const fresh = page.querySelector("#content");
  if (!fresh?.querySelector("[data-scan]")) {
    const refused = page.querySelector("[data-code] h1");
    return refused ? stop(refused.textContent) : location.assign(address); // signed out, or a page of its own
  }
  const typed = field() === document.activeElement ? field().value : "";
  content.replaceChildren(...fresh.childNodes);
  const [desk, before] = [page.querySelector(".desk"), document.querySelector(".desk")];
  if (desk && before) before.replaceWith(desk);
  history.replaceState(null, "", address);
  dress();
  field().focus();
  if (typed) field().value = typed; // the next scan had begun
  said();
};

// One after the other: each answer brings the key that the next form has to carry.
let waits = Promise.resolve();
const send = (form, values) => {
  const action = form.action;
  waits = waits.then(async () => {
    const scanner = values.has("barcode") && form.matches("[data-scanner]");
    const now = scanner ? content.querySelector("[data-scanner]") : form;
    const body = new URLSearchParams(new FormData(now));
    for (const [name, value] of values) if (name !== "key" && name !== "csrfmiddlewaretoken") body.set(name, value);
    try {
      const answer = await fetch(action, { method: "POST", body });
      replace(await answer.text(), answer.url);
    } catch {
      lost(scanner ? values.get("barcode") : "");
    }
  });
};

const stop = (sentence) => {
  for (const verdict of content.querySelectorAll(".verdict")) verdict.remove();
  const note = document.createElement("p");
  note.className = "verdict stop";
  note.dataset.sound = "wrong";
  note.textContent = sentence;
  content.querySelector("[data-scanner]").after(note);
  field().focus();
  said();
};

// Nobody knows whether it arrived; the key is not used again, and a second packing or return is refused by itself.
const lost = (barcode) => {
  const scanner = content.querySelector("[data-scanner]");
  scanner.elements.key.value += `-${Date.now()}`;
  stop(`${scanner.dataset.lost} ${barcode}`);
};

if (field()) {
  document.body.append(aloud);
  document.addEventListener("keydown", wake, { capture: true });
  document.addEventListener("pointerdown", wake, { capture: true });

  content.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    event.preventDefault();
    const values = new FormData(form, event.submitter);
    if (form.matches("[data-scanner]")) field().value = "";
    send(form, values);
  });

  // A scanner's line must not be lost on a button that was clicked before, nor on empty paper.
  document.addEventListener("keydown", (event) => {
    const elsewhere = !document.activeElement?.matches(TYPED);
    if (elsewhere && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey)
      field()?.focus();
  });
  document.addEventListener("click", () => {
    if (NOWHERE.includes(document.activeElement) && !getSelection()?.toString()) field()?.focus({ preventScroll: true });
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && NOWHERE.includes(document.activeElement)) field()?.focus({ preventScroll: true });
  });
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
  if (event.target.closest("[data-sounds]")) {
    localStorage.setItem("sounds", muted() ? "on" : "off");
    dress();
    play("right");
    field()?.focus();
  }
});
dress();
