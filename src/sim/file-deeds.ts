/** What people do with files in a page that is open, and what they are told of them. */
import {
  attachmentField,
  attachmentLimits,
  encodePart,
  encodeRecord,
  readAttachments,
  readPart,
  type AttachmentRecord,
  type Part,
} from "../attachment/index.ts";
import type { DraftOperation } from "../draft/index.ts";
import { concatBytes, utf8ToBytes } from "../std/index.ts";
import type { Random } from "./pcg32.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import { canary, databaseNames } from "./world.ts";

/** A file whose bytes are stored somewhere, whether or not its document names it. */
export interface AddedFile {
  readonly id: string;
  readonly device: SimDevice;
  readonly database: string;
  readonly docId: string;
  readonly parts: readonly Part[];
  readonly content: Uint8Array;
  /** the length of its device's journal when it was told as added: a loss of power that keeps less may have taken it */
  journalLength: number;
  isAcknowledged: boolean;
  /** somebody took it out of its document, or was about to */
  isRemoved: boolean;
  /** a loss of power may have taken what was stored of it */
  isLost: boolean;
}

/** Whose tab something is done in. */
export interface FilePlace {
  readonly tab: SimTab;
  readonly device: SimDevice;
}

interface ShownFile {
  readonly database: number;
  readonly docId: string;
  readonly record: AttachmentRecord;
}

const { chunkBytes, chunksPerPart } = attachmentLimits;
/** what a page reads of a file at a time */
const pieceBytes = 4 * chunkBytes;

/** The files of one story. */
export class FileDeeds {
  /** by their ids in documents */
  readonly files = new Map<string, AddedFile>();
  readonly #random: Random;
  readonly #onWrong: (message: string) => void;
  /** who reads on a device: a second reader would fetch what is on its way to the first */
  readonly #reading = new Map<SimDevice, SimTab>();

  constructor(random: Random, onWrong: (message: string) => void) {
    this.#random = random;
    this.#onWrong = onWrong;
  }

  /** Add a file to a document, a new one at times. */
  async add({ device, tab }: FilePlace): Promise<void> {
    const database = this.#random.pick(databaseNames);
    const subscription = tab.databases.get(database) ?? 0;
    const ids = await tab.api.documentIds(subscription);
    const isNew = ids.length === 0 || this.#random.chance(0.2);
    const [docId = ""] = isNew
      ? await tab.api.createDocuments(subscription, [{ title: canary }])
      : [this.#random.pick(ids)];
    const isShared = this.#random.chance(0.25);
    const content = this.#content();
    const upload = await tab.api.openUpload(subscription, docId, isShared);
    const writes: Promise<void>[] = [];
    for (let from = 0; from < content.length; from += pieceBytes)
      writes.push(tab.api.writeUpload(upload, content.slice(from, from + pieceBytes)));
    await Promise.all(writes);
    const { atMs, id, parts } = await tab.api.finishUpload(upload);
    const read = parts.flatMap((part) => readPart(part) ?? []);
    const about = { device, database, docId, parts: read, content };
    const file: AddedFile = {
      id,
      ...about,
      journalLength: Infinity,
      isAcknowledged: false,
      isRemoved: false,
      isLost: false,
    };
    this.files.set(id, file);
    const value = encodeRecord({ name: `${canary} ${id}`, type: "video/mp4", addedAtMs: atMs, parts: read });
    await this.#edit({ tab, subscription, docId }, [{ op: "set", path: [attachmentField(id)], value }]);
    file.journalLength = device.disk.journalLength;
    file.isAcknowledged = true;
    // Where that fails, the next opening sees it by itself.
    await tab.api.nameParts(subscription, parts).catch(() => undefined);
  }

  /** Read a file, or a range of it. @throws what the product says where it cannot be had */
  async read(place: FilePlace): Promise<void> {
    const shown = await this.#pick(place.tab);
    const { sizeBytes } = shown?.record ?? { sizeBytes: 0 };
    if (shown === undefined || sizeBytes === 0) return;
    const from = this.#random.chance(0.5) ? 0 : this.#random.below(sizeBytes);
    const to = from === 0 ? sizeBytes : from + 1 + this.#random.below(sizeBytes - from);
    await this.#readRange(place, shown, { from, to });
  }

  /** The files that a tab shows. */
  async shownIds(tab: SimTab): Promise<ReadonlySet<string>> {
    return new Set((await this.#shown(tab)).map(({ record }) => record.id));
  }

  /** Read every file that a tab shows, whole. @returns those that could not be had, with why */
  async readAll(place: FilePlace): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    for (const shown of await this.#shown(place.tab))
      await this.#readRange(place, shown, { from: 0, to: shown.record.sizeBytes }).catch((error: unknown) => {
        failures.set(shown.record.id, error);
      });
    return failures;
  }

  /** Let a file go from a device, keep it there, or neither any more. */
  async keep(deed: "free" | "pin" | "unpin", place: FilePlace): Promise<void> {
    const shown = await this.#pick(place.tab);
    if (shown === undefined) return;
    const { api } = place.tab;
    const { database, docId, record } = shown;
    const parts = record.parts.map(encodePart);
    if (deed === "free") await api.freeParts(database, parts);
    else
      await this.#alone(place, async () => {
        for (const part of parts) await api.pinPart(database, docId, part, deed === "pin");
      });
  }

  /** Take a file out of its document. */
  async remove({ tab }: FilePlace): Promise<void> {
    const shown = await this.#pick(tab);
    if (shown === undefined) return;
    const { database: subscription, docId, record } = shown;
    const file = this.files.get(record.id);
    if (file !== undefined) file.isRemoved = true;
    await this.#edit({ tab, subscription, docId }, [{ op: "delete", path: [attachmentField(record.id)] }]);
  }

  /** Bytes of some chunks, which say whose they are; at times those of another file. */
  #content(): Uint8Array {
    const known = [...this.files.values()];
    if (known.length > 0 && this.#random.chance(0.2)) return this.#random.pick(known).content;
    const chunkCount = this.#random.chance(0.04) ? chunksPerPart + 2 : this.#random.pick([1, 2, 2, 3, 4]);
    const size = (chunkCount - 1) * chunkBytes + 1 + this.#random.below(chunkBytes);
    // Its length goes into no chunk's, so that no two chunks are the same.
    const block = concatBytes(utf8ToBytes(canary), this.#random.bytes(1021));
    const content = new Uint8Array(size);
    for (let at = 0; at < size; at += block.length) content.set(block.subarray(0, size - at), at);
    return content;
  }

  async #edit(
    {
      docId,
      subscription,
      tab,
    }: { readonly tab: SimTab; readonly subscription: number; readonly docId: string },
    operations: readonly DraftOperation[],
  ): Promise<void> {
    const watched = tab.nextNumber();
    const { heads } = await tab.api.openDocument(subscription, docId, watched);
    try {
      const draft = { draft: tab.nextNumber(), baseHeads: heads, afterDraft: 0 };
      await tab.api.changeDocument(watched, { ...draft, operations: structuredClone(operations) });
    } finally {
      await tab.api.closeDocument(watched);
    }
  }

  async #pick(tab: SimTab): Promise<ShownFile | undefined> {
    const shown = await this.#shown(tab);
    return shown.length === 0 ? undefined : this.#random.pick(shown);
  }

  /** All files of all documents, as a tab shows them. */
  async #shown(tab: SimTab): Promise<readonly ShownFile[]> {
    const shown: ShownFile[] = [];
    for (const database of tab.databases.values())
      for (const docId of await tab.api.documentIds(database)) {
        const watched = tab.nextNumber();
        const { value } = await tab.api.openDocument(database, docId, watched);
        await tab.api.closeDocument(watched);
        for (const record of readAttachments(value ?? {})) shown.push({ database, docId, record });
      }
    return shown;
  }

  async #readRange(
    place: FilePlace,
    { database, docId, record }: ShownFile,
    { from, to }: { readonly from: number; readonly to: number },
  ): Promise<void> {
    const file = this.files.get(record.id);
    if (file === undefined) return this.#onWrong(`${record.id} is shown, and nobody added it`);
    const { tab } = place;
    await this.#alone(place, async () => {
      let start = 0;
      for (const part of record.parts) {
        const range = { from: Math.max(0, from - start), to: Math.min(part.sizeBytes, to - start) };
        if (range.from < range.to) {
          const bytes = await tab.api.readPart(database, docId, encodePart(part), range);
          if (Buffer.compare(bytes, file.content.subarray(start + range.from, start + range.to)) !== 0)
            this.#onWrong(`${tab.env.name} read other bytes of ${record.id}`);
        }
        start += part.sizeBytes;
      }
    });
  }

  /** Unless somebody reads on this device already. */
  async #alone({ device, tab }: FilePlace, run: () => Promise<void>): Promise<void> {
    if (this.#reading.has(device)) return;
    this.#reading.set(device, tab);
    try {
      await run();
    } finally {
      this.forgetReading(device, tab);
    }
  }

  /** A tab reads no more, or never will. */
  forgetReading(device: SimDevice, tab: SimTab): void {
    if (this.#reading.get(device) === tab) this.#reading.delete(device);
  }
}
