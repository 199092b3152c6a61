/** The byte tables read a second time, by nothing but offsets and Node's own primitives. */
import { createDecipheriv, createHash, createPublicKey, hkdfSync, verify } from "node:crypto";
import { expect, it } from "vitest";
import vectors from "./entry.vectors.json";
import { bytesOf } from "./entry-fixtures.ts";

const sha256 = (...parts: readonly (Uint8Array | string)[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 65_535)]);

it("a plain reader verifies and opens the first vector", () => {
  const vector = vectors.commits[0];
  const bytes = Buffer.from(vector?.whole ?? "", "base64url");
  const at = (offset: number, size: number): Buffer => bytes.subarray(offset, offset + size);

  // version, then the core: suite, tenant, database, author, nonce, sequence, no predecessor, a head …
  expect(at(0, 2)).toEqual(Buffer.from([1, 1]));
  const [tenantId, dbId, author, writerNonce] = [at(2, 32), at(34, 16), at(50, 32), at(82, 16)];
  expect(at(98, 3)).toEqual(Buffer.from([1, 0, 1]));
  // … no tree head, six bytes of date, salt, one key, one entry.
  expect(bytes[133]).toBe(0);
  const salt = at(140, 32);
  expect(bytes[172]).toBe(1);
  const [keyId, epoch, fingerprint, commitment] = [at(173, 16), at(189, 4), at(193, 8), at(201, 32)];
  expect(at(233, 2)).toEqual(u16(1));
  // Whole, doc_create, no dependencies, first key, counter 1, 22 bytes of ciphertext.
  expect(at(235, 7)).toEqual(Buffer.from([1, 1, 0, 0, 0, 1, 22]));
  const ciphertext = at(242, 22);
  const signature = at(264, 64);
  expect(bytes).toHaveLength(328);

  const counter = Buffer.concat([u32(0), u32(1)]);
  const context = sha256("coffer/ctx/v1\0", at(1, 97), counter, salt);
  const docId = sha256("coffer/doc/v1\0", tenantId, dbId, keyId, author, writerNonce, counter).subarray(
    0,
    16,
  );
  const bound = [
    Buffer.from("coffer/entry/v1\0"),
    context,
    u16(0),
    at(236, 1),
    docId,
    keyId,
    epoch,
    fingerprint,
  ];
  const preimage = Buffer.concat([...bound, counter, Buffer.from([0]), u32(22)]);
  const entryHash = sha256(preimage, sha256(ciphertext));
  const signed = Buffer.concat([Buffer.from("coffer/commit/v1\0"), at(1, 232), u16(1), entryHash]);
  expect(sha256(signed).toString("base64url")).toBe(vector?.commitHash);
  const jwk = { kty: "OKP", crv: "Ed25519", x: author.toString("base64url") };
  expect(verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), signature)).toBe(true);
  expect(vector?.entryIds[0]).toContain(`${docId.toString("base64url")}_d_`);
  expect(vector?.entryIds[0]).toContain(entryHash.toString("base64url"));

  const secret = bytesOf(1, 32);
  expect(sha256("coffer/key/v1\0", secret).subarray(0, 8)).toEqual(fingerprint);
  const sized = (part: Buffer): Buffer => Buffer.concat([Buffer.from([part.length]), part]);
  const info = Buffer.concat([Buffer.from("coffer/seal/v1"), keyId, epoch].map(sized));
  const derived = Buffer.from(hkdfSync("sha256", secret, salt, info, 64));
  expect(derived.subarray(32)).toEqual(commitment);
  const cipher = createDecipheriv("aes-256-gcm", derived.subarray(0, 32), Buffer.alloc(12));
  cipher.setAAD(Buffer.concat([preimage, Buffer.alloc(32)]));
  cipher.setAuthTag(ciphertext.subarray(6));
  const padded = Buffer.concat([cipher.update(ciphertext.subarray(0, 6)), cipher.final()]);
  expect(padded).toEqual(Buffer.from("\x05hello"));
});
