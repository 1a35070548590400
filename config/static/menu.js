// The staff's menu closes as menus do: by Escape, and by a tap anywhere else.
const menu = document.querySelector(".desk .more");

document.addEventListener("keydown", (pressed) => {
  if (pressed.key !== "Escape" || !menu.open) return;
  const inside = menu.contains(document.activeElement);
  menu.open = false;
  if (inside) menu.querySelector("summary").focus();
});

document.addEventListener("pointerdown", (tapped) => {
  if (!menu.contains(tapped.target)) menu.open = false;
});
