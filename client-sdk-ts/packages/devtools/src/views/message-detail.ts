// The message that is selected, with all its fields.

import { inflate } from "@roomtone/core/wire";
import { bytesText, clockText, visible } from "../format.js";
import { fieldsOf, updateNode } from "../messages/fields.js";
import type { Message } from "../messages/message.js";
import { childrenOf, note, type TreeNode } from "../tree/node.js";
import { h, setText } from "../ui/element.js";
import { facts } from "../ui/facts.js";
import { Tree } from "../ui/tree.js";

/** Kept frames are small, and deflate makes at most a thousand times as much of them. */
const INFLATED_BYTES_MAX = 32 * 1024 * 1024;

export function messageDetail(onClose: () => void) {
  const title = h("h2");
  const about = facts(["Time", "Direction", "Room", "Connection", "Size"]);
  let fields = new Tree("It says nothing more.");
  const close = h(
    "button",
    { type: "button", class: "button", "aria-label": "Close the message", click: onClose },
    "Close",
  );
  const element = h(
    "section",
    { class: "detail", "aria-label": "Selected message" },
    h("header", {}, title, close),
    about.element,
    fields.element,
  );
  element.hidden = true;
  let shown: Message | null = null;

  return {
    element,
    show(message: Message | null, roomName: string | null) {
      element.hidden = message === null;
      if (message === null || message === shown) {
        shown = message;
        return;
      }
      shown = message;
      const { frame, channel, bytes } = message;
      setText(title, message.type);
      const room = roomName === null ? "" : ` · ${visible(roomName)}`;
      about.show({
        Time: clockText(frame.atMs),
        Direction: frame.direction === "up" ? "↑ to the server" : "↓ from the server",
        Room:
          channel === null ? null : channel === 0 ? "the connection" : `channel ${channel}${room}`,
        Connection: `${frame.connection}, ${frame.transport === "http" ? "HTTP" : "WebSocket"}${frame.isRepeat ? ", sent again" : ""}`,
        Size: `${bytesText(bytes)} in frame ${frame.number} of ${bytesText(frame.bytes)}`,
      });
      // Another message, and nothing of it is open yet.
      const next = new Tree("It says nothing more.");
      fields.element.replaceWith(next.element);
      fields = next;
      const nodes = fieldsOf(message);
      next.update(childrenOf(nodes));
      void inflated(message).then((more) => {
        if (more !== null && shown === message) next.update(childrenOf([...nodes, more]));
      });
    },
  };
}

async function inflated({ content, isCut }: Message): Promise<TreeNode | null> {
  if (content?.type !== "deflatedDiff" || isCut) return null;
  try {
    return updateNode("update", await inflate(content.deflated, INFLATED_BYTES_MAX));
  } catch {
    return note("update", "update", "cannot be inflated here");
  }
}
