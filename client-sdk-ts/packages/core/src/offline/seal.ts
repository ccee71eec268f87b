// How bytes are closed for the disk: with AES-GCM where there is a key, as they are where there is none.

import { OfflineError } from "./error.js";

/** Bits of the initialisation vector, random for each row: the length that AES-GCM is made for. */
const IV_BITS = 96;
/** The form of the additional data. Another form needs another number. */
const FORM = "roomtone.offline.1";

/** Bytes as they lie on the disk. Without an initialisation vector they are not encrypted. */
export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer> | null;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type SealedKind = "update" | "snapshot" | "check";

export class Seal {
  readonly #crypto: Pick<Crypto, "subtle" | "getRandomValues"> | null;
  readonly #name: string;
  readonly #key: CryptoKey | null;

  /** `name` is that of the room: what was sealed for one room does not open in another. */
  constructor(
    crypto: Pick<Crypto, "subtle" | "getRandomValues"> | null,
    name: string,
    key: CryptoKey | null,
  ) {
    if (key !== null && !fits(key)) {
      throw new OfflineError("options", "The key must be for AES-GCM, to encrypt and to decrypt");
    }
    this.#crypto = crypto;
    this.#name = name;
    this.#key = key;
  }

  get encrypts(): boolean {
    return this.#key !== null;
  }

  async close(kind: SealedKind, lineage: string, bytes: Uint8Array): Promise<Sealed> {
    const key = this.#key;
    // A copy where needed: to store a view is to store all of its buffer.
    if (key === null) return { iv: null, bytes: bytes.slice() };
    const crypto = this.#needCrypto();
    const iv = crypto.getRandomValues(new Uint8Array(IV_BITS / 8));
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv, additionalData: this.#additional(kind, lineage) },
      key,
      bytes.slice(),
    );
    return { iv, bytes: new Uint8Array(sealed) };
  }

  /** Rejects with `key_missing`, `not_encrypted`, or with `key_wrong` where the bytes are not this key's. */
  async open(kind: SealedKind, lineage: string, sealed: Sealed): Promise<Uint8Array> {
    const key = this.#key;
    if (key === null) {
      if (sealed.iv === null) return sealed.bytes;
      throw new OfflineError("key_missing", `The stored ${kind} is encrypted`);
    }
    if (sealed.iv === null) {
      // To take it would let whoever can write to the disk put in what they like.
      throw new OfflineError("not_encrypted", `The stored ${kind} is not encrypted`);
    }
    const crypto = this.#needCrypto();
    try {
      const { iv } = sealed;
      const additionalData = this.#additional(kind, lineage);
      return new Uint8Array(
        await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, sealed.bytes),
      );
    } catch (cause) {
      throw new OfflineError("key_wrong", `The key does not open the stored ${kind}`, cause);
    }
  }

  #needCrypto(): Pick<Crypto, "subtle" | "getRandomValues"> {
    // Pages without HTTPS have `crypto` and no `subtle`.
    if (this.#crypto?.subtle !== undefined) return this.#crypto;
    throw new OfflineError("unsupported", "There is a key, and no WebCrypto to use it");
  }

  /** What the bytes are is bound to them: they open nowhere else. */
  #additional(kind: SealedKind, lineage: string): Uint8Array<ArrayBuffer> {
    return new TextEncoder().encode(JSON.stringify([FORM, this.#name, kind, lineage]));
  }
}

function fits({ algorithm, usages }: CryptoKey): boolean {
  return algorithm.name === "AES-GCM" && usages.includes("encrypt") && usages.includes("decrypt");
}
