// The document as a tree of shared types.

import { countText } from "../format.js";
import { rootsOf } from "../tree/shared.js";
import { h, setText } from "../ui/element.js";
import { Tree } from "../ui/tree.js";
import { hint, NO_ROOM, type Scene, type View } from "./view.js";

export function documentView(): View {
  const missing = hint(NO_ROOM);
  const count = h("p", { class: "count" });
  const place = h("div");
  let tree: Tree | null = null;
  let room: Scene["room"] = null;
  return {
    element: h("div", {}, missing, count, place),
    draw(scene) {
      missing.hidden = scene.room !== null;
      count.hidden = scene.room === null;
      if (scene.room !== room || tree === null) {
        room = scene.room;
        // What was open in another room is of no use here.
        tree = new Tree("The document has no shared types yet.");
        place.replaceChildren(...(room === null ? [] : [tree.element]));
      }
      if (room === null) return;
      const { doc } = room;
      tree.update((countMax) => rootsOf(doc, countMax));
      setText(count, countText(doc.share.size, "shared type"));
    },
  };
}
