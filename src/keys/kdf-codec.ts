/**
 * How a password becomes a key, as it is stored beside what it protects.
 *
 * | field | size | of |
 * |---|---|---|
 * | algorithm | u8: 1 argon2id, 2 pbkdf2-sha256 | all |
 * | memoryKiB | u32 | argon2id |
 * | passes | u8 | argon2id |
 * | lanes | u8 | argon2id |
 * | iterations | u32 | pbkdf2-sha256 |
 * | salt | sized, ≤ 64 | all |
 *
 * Only the form is read here. Floor and ceiling are judged by `deriveFromPassword`, before it does any work.
 */
import type { ByteReader, ByteWriter } from "../std/index.ts";
import { kdfLimits, type KdfParameters } from "../crypto/index.ts";

const argon2idByte = 1;
const pbkdf2Byte = 2;

/** Write parameters. */
export function writeKdfParameters(writer: ByteWriter, parameters: KdfParameters): void {
  switch (parameters.algorithm) {
    case "argon2id":
      writer.u8(argon2idByte).u32(parameters.memoryKiB).u8(parameters.passes).u8(parameters.lanes);
      break;
    case "pbkdf2-sha256":
      writer.u8(pbkdf2Byte).u32(parameters.iterations);
      break;
  }
  writer.sized(parameters.salt);
}

/** Read parameters from untrusted bytes; the reader remembers what is wrong. */
export function readKdfParameters(reader: ByteReader): KdfParameters {
  const algorithm = reader.u8();
  const [, maxSaltBytes] = kdfLimits.saltBytes;
  if (algorithm === pbkdf2Byte) {
    const iterations = reader.u32();
    return { algorithm: "pbkdf2-sha256", iterations, salt: reader.sized(maxSaltBytes).slice() };
  }
  if (algorithm !== argon2idByte) reader.fail("unknown password function");
  const memoryKiB = reader.u32();
  const passes = reader.u8();
  const lanes = reader.u8();
  return { algorithm: "argon2id", memoryKiB, passes, lanes, salt: reader.sized(maxSaltBytes).slice() };
}
