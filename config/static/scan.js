// A scanner is a keyboard: what failed is selected, so that the next scan replaces it. Printing needs a script.
const field = document.querySelector("[data-scan]");
if (field?.value) field.select();
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
