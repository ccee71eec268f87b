// A button that opens a panel and closes it: so do the Escape key and a press elsewhere.

export interface DisclosureOptions {
  /** One works beside it: it stays open until it is closed from within, or by its button. */
  readonly stays?: boolean;
  readonly onToggle?: (open: boolean) => void;
}

export function disclosure(
  button: HTMLElement,
  panel: HTMLElement,
  { stays = false, onToggle }: DisclosureOptions = {},
) {
  const isOpen = () => panel.dataset.open === "true";
  const isWithin = (target: Node) => panel.contains(target) || button.contains(target);
  function toggle(open: boolean) {
    const isNew = open !== isOpen();
    panel.dataset.open = String(open);
    button.setAttribute("aria-expanded", String(open));
    if (isNew) onToggle?.(open);
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isOpen()) return;
    if (stays && !isWithin(event.target as Node)) return;
    toggle(false);
    button.focus();
  };
  const onPress = (event: PointerEvent) => {
    if (!stays && !isWithin(event.target as Node)) toggle(false);
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
