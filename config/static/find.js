// Who opens a title while typing comes back to what was found; readers of the screen hear how much that is.
const field = document.querySelector("#id_q");
const said = document.querySelector("#said");
document.addEventListener("htmx:after:swap", () => {
  const q = field.value.trim();
  history.replaceState(history.state, "", q ? `?q=${encodeURIComponent(q)}` : location.pathname);
  said.textContent = document.querySelector("#results [data-said]")?.textContent.trim() ?? "";
});
