// A button that opens a panel and closes it: so do the Escape key and a press elsewhere.

export function disclosure(button: HTMLElement, panel: HTMLElement) {
  const isOpen = () => panel.dataset.open === "true";
  function toggle(open: boolean) {
    panel.dataset.open = String(open);
    button.setAttribute("aria-expanded", String(open));
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen()) return;
    toggle(false);
    button.focus();
  };
  const onPress = (event: PointerEvent) => {
    const target = event.target as Node;
    if (!panel.contains(target) && !button.contains(target)) toggle(false);
  };
  button.setAttribute("aria-controls", panel.id);
  button.addEventListener("click", () => toggle(!isOpen()));
  document.addEventListener("keydown", onKey);
  document.addEventListener("pointerdown", onPress);
  toggle(false);
  return {
    /** Closes it, and goes back to the button. */
    dismiss() {
      toggle(false);
      button.focus();
    },
    close() {
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("pointerdown", onPress);
    },
  };
}
