// What a deflated diff holds, for who selects it.

/** Kept frames are small, and deflate makes at most a thousand times as much of them. */
const INFLATED_BYTES_MAX = 32 * 1024 * 1024;

/** Rejects on what is broken or too large, and where the runtime cannot do it. */
export async function inflate(deflated: Uint8Array): Promise<Uint8Array> {
  // The bytes of a frame are in an ArrayBuffer and never in a shared one, which is what the type leaves open.
  const source = new Blob([deflated as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > INFLATED_BYTES_MAX) {
      await reader.cancel();
      throw new Error("more than is looked at");
    }
    chunks.push(value);
  }
  const inflated = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    inflated.set(chunk, at);
    at += chunk.length;
  }
  return inflated;
}
