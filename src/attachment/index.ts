/**
 * attachment: what a file is in a document, and how its bytes lie in parts and chunks. Pure: it seals, stores and sends nothing.
 *
 * ```
 * document   $file:<id> = { v, name, type, at, parts: [ part, part, … ] }      an edit like any other
 *            $file:<id>/text, $file:<id>/thumbnail = { type, of, part }        made of it, see derived.ts
 *                                                │
 * part       commit hash, size                   ▼                             at most 4 MiB
 * commit     header │ chunk 0 ◄─ chunk 1 ◄─ … ◄─ chunk 15                      headers alone; signed; in the log
 *                        ┊            ┊
 * apart      ciphertext, by its SHA-256                                        256 KiB each; in no log
 * ```
 *
 * Guarantees
 * - A1 a part's commit hash binds its chunks: their order, document, key, author and ciphertexts; its size binds their lengths. So a chunk
 *      that is swapped, left out, cut, doubled or another file's is `entry/corrupt`, and never wrong bytes
 * - A2 name, type and the list of parts are the document's: sealed, signed and merged with it. Two people who add at the same time both
 *      keep theirs, two who append both keep what they appended, in the same order everywhere
 * - A3 chunks are sealed as every entry is, under a salt of their commit: the same file twice shows nothing in common. Where the
 *      application asks for it they are sealed by their content instead, and stored once
 * - A4 a record that is not of this form is no attachment, whatever it holds, and reading it never throws
 * - A5 what was made of a file (its text, a small picture) is a part like its own, named by the same document: it is sealed under the same
 *      key, and no more there once the file grew or went
 * - A6 what is answered for a file's address never runs as a page of the application, whatever the file is (`web-answer.ts`)
 *
 * It does not say who may read: that is the document's key. Chunks of a file that was taken out of its document stay until the document
 * is purged: its history names them.
 */
export {
  formatAddress,
  greeting,
  readAddress,
  type AddressPlace,
  type AnswerHead,
  type AskedFile,
  type Welcome,
} from "./address.ts";
export {
  derivedField,
  derivedKinds,
  derivedLimits,
  derivedTypeOf,
  encodeDerived,
  findDerived,
  namedParts,
  readDerived,
  type Derived,
  type DerivedKind,
} from "./derived.ts";
export {
  attachmentField,
  attachmentIdOf,
  attachmentLimits,
  encodeRecord,
  isAttachmentField,
  newAttachmentId,
  readAttachments,
  readRecord,
  type AttachmentRecord,
} from "./record.ts";
export { inlineType, safeType } from "./safe-type.ts";
export { encodePart, readPart, type Part } from "./part.ts";
export { chunkSizesOf, findChunks, findParts, type Slice } from "./ranges.ts";
export { answerRequest, refusal, type WebAnswer, type WebFile, type WebQuestion } from "./web-answer.ts";
