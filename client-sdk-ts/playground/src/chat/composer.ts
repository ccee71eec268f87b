// The field in which a message is written.

import { ChatError, type ChatMessage, TEXT_LENGTH_MAX } from "@roomtone/core/chat";
import { h } from "../element.js";
import { icons } from "../icons.js";

export interface ComposerOptions {
  /** Throws a `ChatError` on what no server would take. */
  readonly post: (text: string) => void;
  readonly edit: (message: ChatMessage, text: string) => Promise<void>;
  /** Called at each key that writes something, and with false when nothing is written any more. */
  readonly onTyping: (isTyping: boolean) => void;
  /** The last message of one's own, which the key "up" changes. */
  readonly lastOwn: () => ChatMessage | null;
}

export function composer({ post, edit, onTyping, lastOwn }: ComposerOptions) {
  const field = h("textarea", {
    class: "composer-field",
    rows: "1",
    maxlength: String(TEXT_LENGTH_MAX),
    "aria-label": "Message",
    enterkeyhint: "send",
    "data-testid": "chat-field",
  });
  const send = h(
    "button",
    {
      type: "submit",
      class: "composer-send",
      "aria-label": "Send",
      title: "Send (Enter)",
      "data-testid": "chat-send",
    },
    icons.send(),
  );
  const problem = h("p", { class: "composer-problem", role: "alert", hidden: true });
  const cancel = h("button", { type: "button", class: "link" }, "Cancel");
  const editing = h("p", { class: "composer-editing", hidden: true }, "Editing. ", cancel);
  const form = h(
    "form",
    { class: "composer" },
    editing,
    problem,
    h("div", { class: "composer-line" }, field, send),
  );
  let edited: ChatMessage | null = null;
  /** What stood there before something was edited. */
  let kept = "";
  let placeholder = "";

  const say = (text: string) => {
    problem.textContent = text;
    problem.hidden = text === "";
  };
  const write = (text: string) => {
    field.value = text;
    send.disabled = text.trim() === "";
  };
  const begin = (message: ChatMessage) => {
    if (edited === null) kept = field.value;
    edited = message;
    editing.hidden = false;
    write(message.text);
    say("");
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  };
  const end = () => {
    edited = null;
    editing.hidden = true;
    write(kept);
    kept = "";
    say("");
  };
  const submit = async () => {
    const text = field.value;
    if (text.trim() === "") return;
    const subject = edited;
    try {
      if (subject === null) {
        post(text);
        write("");
        say("");
      } else {
        end();
        if (text !== subject.text) await edit(subject, text);
      }
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      // What could not be changed is back in the field, with the reason.
      if (subject !== null) {
        begin(subject);
        write(text);
      }
      say(error.hint);
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  cancel.addEventListener("click", () => {
    end();
    field.focus();
  });
  field.addEventListener("input", () => {
    send.disabled = field.value.trim() === "";
    onTyping(field.value !== "" && edited === null);
  });
  field.addEventListener("keydown", (event) => {
    // While a word is being composed, the keys are that word's.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void submit();
    } else if (event.key === "Escape" && edited !== null) {
      event.preventDefault();
      end();
    } else if (event.key === "ArrowUp" && field.value === "" && edited === null) {
      const last = lastOwn();
      if (last === null) return;
      event.preventDefault();
      begin(last);
    }
  });
  write("");

  return {
    element: form,
    begin,
    focus: () => field.focus(),
    /** Whoever may only read the room writes nothing in its chat. */
    set isReadOnly(isReadOnly: boolean) {
      field.disabled = isReadOnly;
      field.placeholder = isReadOnly ? "You may read here" : placeholder;
    },
    /** Another place, another draft. */
    reset(next: string) {
      if (edited !== null) end();
      write("");
      say("");
      placeholder = next;
      field.placeholder = next;
    },
    get text() {
      return edited === null ? field.value : kept;
    },
    set text(text: string) {
      write(text);
    },
  };
}
