import { parseChange } from "./change-chunk.ts";
import { tooLarge } from "./change-rows.ts";
import { encodeCreate } from "./create-change.ts";
import { decodeCreate } from "./decode-create.ts";
import type { ChangeCodec } from "./doc.ts";
import { encodeEdit, knowCreated, writeAgain } from "./known-doc.ts";

/** Small changes keep every limit by their size alone; larger ones are judged as a reader will. */
const plainlyWithinLimitsBytes = 16 * 1024;

/** Create what writes first changes, reads them, and judges any change, without Automerge. */
export function createChangeCodec(sha256: (bytes: Uint8Array) => Uint8Array): ChangeCodec {
  const judge: ChangeCodec["parseChange"] = (bytes) => parseChange(bytes, sha256);
  return {
    encodeCreate: (options) => {
      const encoded = encodeCreate(options, sha256);
      const { bytes } = encoded.change;
      if (bytes.length > plainlyWithinLimitsBytes && judge(bytes).kind === "bad") throw tooLarge();
      return encoded;
    },
    decodeCreate,
    writeAgain: (document) => writeAgain(document, sha256),
    knowCreated: (document) => knowCreated(document, sha256),
    encodeEdit: (known, edit) => encodeEdit(known, edit, sha256),
    parseChange: judge,
  };
}
