// What was typed is kept on this device until the server has noted it: the network may be gone again.
const form = document.querySelector("[data-draft]");
const name = form.dataset.draft;
const answered = "answered" in form.dataset;
const restored = document.querySelector("[data-restored]");

const fields = () => [...form.elements].filter((one) => one.name && one.type !== "hidden" && one.type !== "submit");

const nameOf = (one) => (one.type === "checkbox" ? `${one.name}=${one.value}` : one.name);
const valueOf = (one) => (one.type === "checkbox" ? one.checked : one.value);
const isTouched = (one) => (one.type === "checkbox" ? one.checked : one.value !== one.defaultValue || answered);

const keep = () => {
  const typed = fields().filter(isTouched).map((one) => [nameOf(one), valueOf(one)]);
  localStorage.setItem(name, JSON.stringify(typed));
};

const restore = () => {
  const typed = new Map(JSON.parse(localStorage.getItem(name) ?? "[]"));
  for (const one of fields()) {
    const kept = typed.get(nameOf(one));
    if (kept === undefined) continue;
    if (one.type === "checkbox") one.checked = kept;
    else one.value = kept;
  }
  restored.hidden = typed.size === 0;
};

if (answered) {
  if ("done" in form.dataset) localStorage.removeItem(name);
  else keep();
} else restore();
form.addEventListener("input", keep);
