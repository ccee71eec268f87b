// Unpacking what a server deflated, where the runtime can.

/** Over it a diff is refused: a few bytes can be deflated from any amount. */
export const INFLATED_BYTES_MAX = 1024 * 1024 * 1024;

/** Raw deflate (RFC 1951) to plain bytes. Rejects on what is broken, and on what is too large. */
export type Inflate = (deflated: Uint8Array) => Promise<Uint8Array>;

/** Null where the runtime has none. */
export function ambientInflate(): Inflate | null {
  try {
    new DecompressionStream("deflate-raw");
  } catch {
    return null;
  }
  return (deflated) => inflate(deflated, INFLATED_BYTES_MAX);
}

/** As `Inflate`, with a bound. Rejects where the runtime cannot do it, too. */
export async function inflate(deflated: Uint8Array, bytesMax: number): Promise<Uint8Array> {
  // A frame comes in an ArrayBuffer and never in a shared one, which is what the type leaves open.
  const source = new Blob([deflated as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel();
      throw new Error(`a diff of more than ${bytesMax} bytes`);
    }
    chunks.push(value);
  }
  const inflated = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    inflated.set(chunk, at);
    at += chunk.length;
  }
  return inflated;
}
