/** The kernel against its dull twins: node:crypto's cipher and hash, on messages of every size. */
import { createCipheriv, createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { bytesToHex } from "../std/index.ts";
import { hex } from "./crypto-contract.ts";
import { compileKernel } from "./kernel.ts";
import vectors from "./crypto.vectors.json";

const instantiate = vi.spyOn(WebAssembly, "instantiate");
const kernel = await compileKernel();
const made = (await instantiate.mock.results[0]?.value) as
  | WebAssembly.WebAssemblyInstantiatedSource
  | undefined;
if (made === undefined) throw new Error("the kernel was not compiled");
const { memory } = made.instance.exports as { memory: WebAssembly.Memory };
instantiate.mockRestore();

function encryptPlainly(
  secret: Uint8Array,
  message: { nonce: Uint8Array; plaintext: Uint8Array; additionalData: Uint8Array },
): string {
  const cipher = createCipheriv("aes-256-gcm", secret, message.nonce);
  cipher.setAAD(message.additionalData);
  return Buffer.concat([cipher.update(message.plaintext), cipher.final(), cipher.getAuthTag()]).toString(
    "hex",
  );
}

const bytes = (sizeBytes: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes });
const message = fc.record({
  nonce: bytes(12),
  plaintext: fc.uint8Array({ maxLength: 1024, size: "max" }),
  additionalData: fc.uint8Array({ maxLength: 2400, size: "max" }),
});

describe("small encryptions", () => {
  it("are what the platform makes of them, whatever keys and sizes", () => {
    fc.assert(
      fc.property(bytes(32), fc.array(message, { maxLength: 4 }), (secret, messages) => {
        const sealed = kernel.encryptSmall(secret, messages);
        expect(sealed.map((ciphertext) => bytesToHex(ciphertext ?? new Uint8Array()))).toEqual(
          messages.map((one) => encryptPlainly(secret, one)),
        );
      }),
    );
  });

  it("are right at every border of blocks", () => {
    const secret = hex("0f".repeat(32));
    for (let size = 0; size <= 1024; size++) {
      const one = {
        nonce: new Uint8Array(12).fill(size & 255),
        plaintext: new Uint8Array(size).fill(size % 251),
        additionalData: new Uint8Array((size * 7) % 513).fill(size % 13),
      };
      const [ciphertext] = kernel.encryptSmall(secret, [one]);
      expect(bytesToHex(ciphertext ?? new Uint8Array())).toBe(encryptPlainly(secret, one));
    }
  });

  it("give the published vectors", () => {
    for (const vector of vectors.aes256Gcm) {
      const one = {
        nonce: hex(vector.nonce),
        plaintext: hex(vector.plaintext),
        additionalData: hex(vector.additionalData),
      };
      const [ciphertext] = kernel.encryptSmall(hex(vector.key), [one]);
      expect(ciphertext).toEqual(hex(vector.ciphertext));
    }
  });

  it("leave long messages, and long data beside them, to the platform", () => {
    const [nonce, few, many] = [new Uint8Array(12), new Uint8Array(8), new Uint8Array(5000)];
    const sealed = kernel.encryptSmall(new Uint8Array(32), [
      { nonce, plaintext: many, additionalData: few },
      { nonce, plaintext: few, additionalData: few },
      { nonce, plaintext: few, additionalData: many },
    ]);
    expect(sealed.map((ciphertext) => ciphertext?.length)).toEqual([undefined, 24, undefined]);
  });

  it("never share memory with what was given or is given next", () => {
    const one = {
      nonce: new Uint8Array(12),
      plaintext: new Uint8Array(40),
      additionalData: new Uint8Array(3),
    };
    const [first] = kernel.encryptSmall(new Uint8Array(32), [one]);
    const kept = first?.slice();
    kernel.encryptSmall(new Uint8Array(32).fill(1), [one, one]);
    expect(first).toEqual(kept);
    expect(one.plaintext).toEqual(new Uint8Array(40));
  });
});

it("nothing of a key, a plaintext or what was hashed stays in the kernel's memory", () => {
  const untouched = Buffer.from(memory.buffer.slice(0));
  const secret = new Uint8Array(32).fill(0xa5);
  const one = {
    nonce: new Uint8Array(12).fill(0xa6),
    plaintext: new Uint8Array(1000).fill(0xa7),
    additionalData: new Uint8Array(500).fill(0xa8),
  };
  kernel.encryptSmall(secret, [one, { ...one, plaintext: new Uint8Array(77).fill(0xa9) }]);
  expect(Buffer.from(memory.buffer).equals(untouched)).toBe(true);
  kernel.sha256(secret, one.plaintext);
  // state and digest are of the hash, which is told anyway
  for (const byte of [0xa5, 0xa7])
    expect(Buffer.from(memory.buffer).includes(Buffer.alloc(3, byte))).toBe(false);
});

describe("hashes", () => {
  it("are right at every border of blocks, and beyond what the kernel holds", () => {
    for (const size of [...Array.from({ length: 260 }, (_, index) => index), 65_536, 1_400_000]) {
      const input = new Uint8Array(size).fill(size % 255);
      expect(bytesToHex(kernel.sha256(input))).toBe(createHash("sha256").update(input).digest("hex"));
    }
  });
});
