// The field in which a message is written.

import { ChatError } from "@roomtone/core/chat";
import { type FormEvent, type KeyboardEvent, type ReactNode, useState } from "react";
import type { ChatLabels } from "./chat.js";
import { useChat, useTyping } from "./use-chat.js";

export interface ChatFormProps {
  readonly labels: Pick<ChatLabels, "field" | "send">;
  readonly thread: number | null;
}

/** Enter sends, with the shift key it begins a line. What cannot be sent stays, and the reason is said. */
export function ChatForm({ labels, thread }: ChatFormProps): ReactNode {
  const chat = useChat((state) => state.chat);
  const [, typing] = useTyping();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const send = () => {
    try {
      if (text.trim() !== "") chat.post(text, { thread });
      setText("");
      setProblem("");
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      setProblem(error.hint);
    }
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While a word is being composed, Enter takes that.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const write = (next: string) => {
    setText(next);
    if (next === "") chat.stopTyping();
    else typing(thread);
  };
  return (
    <form onSubmit={onSubmit}>
      <label>
        {labels.field}
        <textarea
          value={text}
          rows={1}
          onChange={({ target }) => write(target.value)}
          onKeyDown={onKeyDown}
        />
      </label>
      <button type="submit" disabled={text.trim() === ""}>
        {labels.send}
      </button>
      {problem !== "" && <p role="alert">{problem}</p>}
    </form>
  );
}
