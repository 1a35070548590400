// A shift at the window: a sound when somebody arrives, and tones for scans that are right or wrong. A browser plays
// nothing before somebody has touched the page, so the shift is begun by hand, and remembered.
const button = document.querySelector("[data-shift]");
const label = document.querySelector("[data-shift-said]");
const board = document.querySelector("[data-live]");
const ARRIVAL = [[660, 0], [880, 0.16]]; // [hertz, seconds after the first tone]
const RIGHT = [[1200, 0]];
const WRONG = [[220, 0], [180, 0.14]];

let sound = null;

const isOn = () => localStorage.getItem("shift") === "on";

const play = (tones) => {
  if (!isOn() || sound?.state !== "running") return;
  for (const [hertz, after] of tones) {
    const [tone, volume] = [sound.createOscillator(), sound.createGain()];
    const at = sound.currentTime + after;
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.25, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.14);
    tone.connect(volume).connect(sound.destination);
    tone.start(at);
    tone.stop(at + 0.15);
  }
};

const wake = () => {
  // A tablet that is low on power may refuse; the shift goes on, its screen just sleeps earlier.
  if (isOn() && document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => null);
};

const begin = async () => {
  sound ??= new AudioContext();
  await sound.resume();
};

const show = () => {
  button.setAttribute("aria-pressed", isOn());
  label.textContent = isOn() ? button.dataset.on : button.dataset.off;
};

button.hidden = false;
button.addEventListener("click", async () => {
  localStorage.setItem("shift", isOn() ? "off" : "on");
  show();
  wake();
  await begin();
  play(ARRIVAL);
});
for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, () => isOn() && begin(), { once: true });
board.addEventListener("arrival", () => play(ARRIVAL));
document.addEventListener("scanned", ({ detail }) => play(detail ? RIGHT : WRONG));
document.addEventListener("visibilitychange", wake);
show();
wake();
