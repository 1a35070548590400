// Copies an order number out of a text; the buttons show only where that works.
const show = (root) => {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
};
if (navigator.clipboard) {
  show(document);
  document.addEventListener("htmx:afterSettle", () => show(document));
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
  });
}
