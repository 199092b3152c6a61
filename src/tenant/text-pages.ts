/**
 * The full text of a database, kept: segments of its index in sealed pages, so that it is not built again with each start.
 *
 * | slot | sealed under name | content |
 * |---|---|---|
 * | `text/<dbId>/state` | the same name, position 0 | see below |
 * | `text/<dbId>/<segment>` | the same name, its position | a segment, see search/segment.ts |
 *
 * State: u8 version (2), text log epoch, text how words are made, varint count of segments, and for each varint number, u64 position:
 * where the log ended when it was sealed. What a document was indexed at stands beside it: 8 bytes of SHA-256 over its id and heads.
 *
 * Every write names the version of the state that it goes by (S3), so that of two tabs none puts back what the other has taken out: a
 * purged document's words are gone for good. A segment that is missing or damaged costs the indexing of its documents; nothing else does.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToHex,
  bytesToId,
  CofferError,
  idToBytes,
  isCofferError,
  parseHex,
  type DbId,
  type DocId,
} from "../std/index.ts";
import {
  encodeSegment,
  parseSegment,
  wordsSignature,
  type IdForm,
  type SegmentDoc,
  type TextIndex,
} from "../search/index.ts";
import type { Slot, SlotWrite } from "../store/index.ts";
import type { TenantCore } from "./core.ts";
import { createPageSealer, type PageSealer } from "./pages.ts";
import { readPurged } from "./purge.ts";

const stateVersion = 2;
const maxSegments = 1_000_000;
const maxAttempts = 8;

/** How documents are named in segments. */
const docIds: IdForm<DocId> = { toBytes: idToBytes, fromBytes: (bytes) => bytesToId("DocId", bytes) };

/** The segments that there are, with the positions that they were sealed at. */
type Segments = ReadonlyMap<number, number>;

const textPrefix = (dbId: DbId): string => `text/${dbId}/`;

/** What a document is indexed at: the same for the same heads only. */
export function textStamp(core: TenantCore, docId: DocId, heads: readonly string[]): string {
  const writer = new ByteWriter(16 + 32 * heads.length).fixed(idToBytes(docId));
  for (const head of heads) writer.fixed(parseHex(head) ?? new Uint8Array(0));
  return bytesToHex(core.world.crypto.sha256(writer.toBytes()).subarray(0, 8));
}

/** Reads and writes the pages of one database's index. */
export class TextPages {
  readonly #core: TenantCore;
  readonly #dbId: DbId;
  readonly #sealer: PageSealer;
  #segments = new Map<number, number>();
  /** of the state that this thread read or wrote last; `undefined`: there is a damaged one */
  #version: number | undefined = 0;
  /** there may be slots that the state does not name */
  #isForeign = false;

  private constructor(core: TenantCore, dbId: DbId, sealer: PageSealer) {
    this.#core = core;
    this.#dbId = dbId;
    this.#sealer = sealer;
  }

  static async open(core: TenantCore, dbId: DbId): Promise<TextPages> {
    const sealer = await createPageSealer(core.world.crypto, core.keys.bag.deviceKey, core.tenantId);
    return new TextPages(core, dbId, sealer);
  }

  get #stateSlot(): string {
    return `${textPrefix(this.#dbId)}state`;
  }

  #segmentSlot(segment: number): string {
    return `${textPrefix(this.#dbId)}${segment}`;
  }

  /** Whether another tab wrote since this thread last read or wrote. */
  async isOvertaken(): Promise<boolean> {
    return (await this.#readVersion()) !== this.#version;
  }

  /** Hand on the segments that are there and sound, one after the other. */
  async load(hear: (segment: number, docs: readonly SegmentDoc<DocId>[]) => Promise<void>): Promise<void> {
    const slots = new Map(
      (await this.#core.store.readSlots(textPrefix(this.#dbId))).map((slot) => [slot.name, slot]),
    );
    const state = slots.get(this.#stateSlot);
    this.#version = state?.version ?? (await this.#readVersion());
    const segments = await this.#openState(state);
    this.#segments = new Map(segments);
    this.#isForeign = slots.size !== this.#segments.size + 1;
    for (const [segment, position] of this.#segments) {
      const docs = await this.#openSegment(slots.get(this.#segmentSlot(segment)), position);
      if (docs === undefined) this.#isForeign = true;
      else await hear(segment, docs);
    }
  }

  /**
   * Write what changed of an index. `breathe` comes before each piece of work.
   *
   * @returns whether it is kept now; otherwise another tab wrote in between, and all of it is to be written by the next call
   */
  async write(index: TextIndex<DocId>, breathe: () => Promise<void>): Promise<boolean> {
    if (await this.#takeOver()) index.markAllDirty();
    const dirty = index.takeDirty();
    if (dirty.length === 0) return true;
    try {
      const { ids: purged } = await readPurged(this.#core);
      const position = await this.#core.store.lastPosition();
      const segments = new Map(this.#segments);
      const writes: SlotWrite[] = [];
      for (const segment of dirty) {
        await breathe();
        const name = this.#segmentSlot(segment);
        const docs = index.segment(segment).filter(({ id }) => !purged.has(id));
        if (docs.length === 0) segments.delete(segment);
        else segments.set(segment, position);
        const bytes = docs.length === 0 ? undefined : encodeSegment(docs, docIds);
        writes.push({ name, value: bytes && (await this.#sealer.seal(name, position, bytes)) });
      }
      if (await this.#store(segments, writes)) return true;
    } catch (error) {
      index.markDirty(dirty);
      throw error;
    }
    index.markDirty(dirty);
    this.#isForeign = true;
    return false;
  }

  /**
   * Take every page out that holds something of a document, which is on the list of those that were purged. The state is written in any
   * case: whoever read the list before, and writes after, goes by an older one.
   */
  async purge(docId: DocId): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const found: number[] = [];
      await this.load(async (segment, docs) => {
        if (docs.some(({ id }) => id === docId)) found.push(segment);
      });
      const segments = new Map([...this.#segments].filter(([segment]) => !found.includes(segment)));
      const writes = found.map((segment): SlotWrite => ({
        name: this.#segmentSlot(segment),
        value: undefined,
      }));
      if (await this.#store(segments, writes)) return;
    }
    throw new CofferError("store/failed", { slot: this.#stateSlot, reason: "conflict" });
  }

  /** Go by what is stored now, where another tab wrote, or what is stored is not known. */
  async #takeOver(): Promise<boolean> {
    if (!this.#isForeign && !(await this.isOvertaken())) return false;
    this.#version = await this.#readVersion();
    this.#segments.clear();
    this.#isForeign = true;
    return true;
  }

  /** Store segments with the state that names them, if nobody wrote in between; what it does not name goes. */
  async #store(segments: Segments, writes: readonly SlotWrite[]): Promise<boolean> {
    const { store } = this.#core;
    const named = new Set([
      this.#stateSlot,
      ...[...segments.keys()].map((segment) => this.#segmentSlot(segment)),
    ]);
    const written = new Set(writes.map(({ name }) => name));
    const strays = this.#isForeign ? await store.readSlots(textPrefix(this.#dbId)) : [];
    const removals = strays
      .filter(({ name }) => !named.has(name) && !written.has(name))
      .map(({ name }): SlotWrite => ({ name, value: undefined }));
    const state = await this.#sealer.seal(this.#stateSlot, 0, encodeState(store.logEpoch, segments));
    const stateWrite = { name: this.#stateSlot, value: state, expectedVersion: this.#version };
    const result = await store.write({ slots: [stateWrite, ...writes, ...removals] });
    if (result.kind !== "stored") return false;
    this.#version = this.#version === undefined ? await this.#readVersion() : this.#version + 1;
    this.#segments = new Map(segments);
    this.#isForeign = false;
    return true;
  }

  async #readVersion(): Promise<number | undefined> {
    try {
      return (await this.#core.store.readSlot(this.#stateSlot))?.version ?? 0;
    } catch (error) {
      if (isCofferError(error) && error.code === "entry/corrupt") return undefined;
      throw error;
    }
  }

  async #openState(slot: Slot | undefined): Promise<Segments> {
    if (!(slot?.value instanceof Uint8Array)) return new Map();
    const bytes = await this.#sealer.open(this.#stateSlot, 0, slot.value);
    return (bytes && parseState(bytes, this.#core.store.logEpoch)) ?? new Map();
  }

  async #openSegment(
    slot: Slot | undefined,
    position: number,
  ): Promise<readonly SegmentDoc<DocId>[] | undefined> {
    if (!(slot?.value instanceof Uint8Array)) return undefined;
    const bytes = await this.#sealer.open(slot.name, position, slot.value);
    return bytes && parseSegment(bytes, docIds);
  }
}

function encodeState(logEpoch: string, segments: Segments): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(stateVersion).text(logEpoch).text(wordsSignature());
  writer.varint(segments.size);
  for (const [segment, position] of segments) writer.varint(segment).u64(position);
  return writer.toBytes();
}

/** `undefined` when it is damaged, of another log, or words were made otherwise. */
function parseState(bytes: Uint8Array, logEpoch: string): Segments | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== stateVersion) return undefined;
  const isCurrent = reader.text(64) === logEpoch && reader.text(1024) === wordsSignature();
  const count = reader.varint(maxSegments);
  const segments = new Map<number, number>();
  for (let i = 0; i < count && reader.error === undefined; i++)
    segments.set(reader.varint(maxSegments), reader.u64());
  return reader.finish() && isCurrent ? segments : undefined;
}
