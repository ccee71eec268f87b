// Two hundred people who point at the board, as plain y-websocket clients in a page of their own.

/** Awareness ids that a server takes from one connection. */
const PEOPLE_PER_SOCKET = 8;

/** Lets them move until the page is closed. */
export async function crowd(page, { url, room, count, intervalMs }) {
  await page.goto(url);
  await page.evaluate(wander, { room, count, intervalMs, perSocket: PEOPLE_PER_SOCKET });
}

/** Runs in the page, and so knows nothing from outside of itself. */
async function wander({ room, count, intervalMs, perSocket }) {
  const AWARENESS = 1;
  const uint = (value) => {
    const bytes = [];
    let rest = value;
    while (rest > 127) {
      bytes.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    return [...bytes, rest];
  };
  const text = (value) => {
    const bytes = new TextEncoder().encode(value);
    return [...uint(bytes.length), ...bytes];
  };
  const people = Array.from({ length: count }, (_, i) => ({
    id: 1_000_000 + i,
    clock: 0,
    state: {
      user: { name: `Person ${i}`, color: "#2563eb" },
      place: "board",
      board: { at: [0, 0], writing: null },
    },
    phase: i,
  }));
  const frame = (some) => {
    const entries = some.flatMap(({ id, clock, state }) => [
      ...uint(id),
      ...uint(clock),
      ...text(JSON.stringify(state)),
    ]);
    const update = [...uint(some.length), ...entries];
    return new Uint8Array([AWARENESS, ...uint(update.length), ...update]);
  };
  const address = new URL(`/yjs/${room}`, location.href.replace(/^http/, "ws"));
  for (let i = 0; i < count; i += perSocket) {
    const mine = people.slice(i, i + perSocket);
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    setInterval(() => {
      for (const person of mine) {
        const angle = performance.now() / 900 + person.phase;
        person.clock += 1;
        person.state.board.at = [
          Math.round(Math.cos(angle) * (60 + person.phase * 2)),
          Math.round(Math.sin(angle) * (40 + person.phase)),
        ];
      }
      socket.send(frame(mine));
    }, intervalMs);
  }
}
