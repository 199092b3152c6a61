/** Storage in plain objects: for tests, the simulator, and threads without IndexedDB. */
import { assert, bytesToHex, CofferError, copyBytes, type Env, type Release } from "../std/index.ts";
import { createListeners } from "./listeners.ts";
import { RecentRecords } from "./recent-records.ts";
import type {
  Batch,
  BatchResult,
  Damage,
  LogRecord,
  RewriteResult,
  RewrittenRecord,
  Slot,
  SlotValue,
  SlotWrite,
  Storage,
  Store,
  WriteEvent,
} from "./store.ts";

/** What all stores of one name share. The record at position p is `log[p - 1]`. */
interface Content {
  readonly logEpoch: string;
  readonly log: LogRecord[];
  readonly slots: Map<string, Slot>;
}

/** Create an empty storage of its own; it lasts as long as it is referred to. */
export function createMemoryStorage(env: Env): Storage {
  const origin = new Origin(env);
  return {
    openStore: async (name) => {
      origin.content(name);
      return new MemoryStore(origin, name);
    },
    listStores: async () => [...origin.contents.keys()].toSorted(compareNames),
  };
}

class Origin {
  readonly contents = new Map<string, Content>();
  readonly opened = new Set<MemoryStore>();
  readonly env: Env;

  constructor(env: Env) {
    this.env = env;
  }

  content(name: string): Content {
    let content = this.contents.get(name);
    if (content === undefined) {
      content = { logEpoch: bytesToHex(this.env.randomBytes(16)), log: [], slots: new Map() };
      this.contents.set(name, content);
    }
    return content;
  }
}

class MemoryStore implements Store {
  readonly name: string;
  readonly #origin: Origin;
  readonly #written = createListeners<WriteEvent>();
  readonly #recent: RecentRecords;
  readonly #damaged = createListeners<Damage>();
  #logEpoch: string;

  constructor(origin: Origin, name: string) {
    this.name = name;
    this.#origin = origin;
    this.#recent = new RecentRecords(origin.env);
    this.#logEpoch = origin.content(name).logEpoch;
    origin.opened.add(this);
  }

  get logEpoch(): string {
    return this.#logEpoch;
  }

  /** What is stored now; a store that others destroyed begins anew. */
  #content(): Content {
    if (!this.#origin.opened.has(this)) throw new CofferError("store/closed", { store: this.name });
    const content = this.#origin.content(this.name);
    this.#logEpoch = content.logEpoch;
    return content;
  }

  async write({ records = [], slots = [] }: Batch): Promise<BatchResult> {
    const content = this.#content();
    const conflict = writeSlots(content, slots);
    if (conflict !== undefined) return { kind: "conflict", slotName: conflict };
    const positions = records.map(({ commitHash, bytes, origin }) => {
      const position = content.log.length + 1;
      content.log.push({ position, commitHash, bytes: copyBytes(bytes), origin });
      return position;
    });
    this.#recent.add(records, positions, content.logEpoch);
    if (records.length + slots.length > 0)
      this.#tell(
        content.log.length,
        slots.map(({ name }) => name),
      );
    return { kind: "stored", positions };
  }

  async rewrite(
    records: readonly RewrittenRecord[],
    slots: readonly SlotWrite[] = [],
  ): Promise<RewriteResult> {
    const content = this.#content();
    const conflict = writeSlots(content, slots);
    if (conflict !== undefined) return { kind: "conflict", slotName: conflict };
    this.#recent.clear();
    let count = 0;
    for (const { position, bytes } of records) {
      const record = content.log[position - 1];
      if (record === undefined) continue;
      content.log[position - 1] = { ...record, bytes: copyBytes(bytes) };
      count++;
    }
    return { kind: "stored", count };
  }

  #tell(lastPosition: number, slotNames: readonly string[]): void {
    this.#written.tell({ lastPosition, slotNames, local: true });
    for (const other of this.#origin.opened) {
      if (other === this || other.name !== this.name) continue;
      queueMicrotask(() => {
        if (this.#origin.opened.has(other)) other.#written.tell({ lastPosition, slotNames, local: false });
      });
    }
  }

  async readLog(range: { after: number; maxCount: number; maxBytes: number }): Promise<readonly LogRecord[]> {
    const found: LogRecord[] = [];
    let sizeBytes = 0;
    for (const record of this.#content().log.slice(Math.max(0, range.after))) {
      sizeBytes += record.bytes.length;
      if (found.length >= range.maxCount || (found.length > 0 && sizeBytes > range.maxBytes)) break;
      found.push(copyRecord(record));
    }
    return found;
  }

  readRecent(after: number): readonly LogRecord[] {
    return this.#origin.opened.has(this) ? this.#recent.after(after, this.#content().logEpoch) : [];
  }

  async readRecords(positions: readonly number[]): Promise<readonly LogRecord[]> {
    const { log } = this.#content();
    return positions.flatMap((position) => {
      const record = log[position - 1];
      return record === undefined ? [] : [copyRecord(record)];
    });
  }

  async lastPosition(): Promise<number> {
    return this.#content().log.length;
  }

  async readSlot(name: string): Promise<Slot | undefined> {
    const slot = this.#content().slots.get(name);
    return slot === undefined ? undefined : copySlot(slot);
  }

  async readSlots(asked: string | readonly string[]): Promise<readonly Slot[]> {
    const { slots } = this.#content();
    if (typeof asked !== "string") return asked.flatMap((name) => slots.get(name) ?? []).map(copySlot);
    const found = [...slots.values()].filter(({ name }) => name.startsWith(asked));
    return found.toSorted((a, b) => compareNames(a.name, b.name)).map(copySlot);
  }

  onWrite(listener: (event: WriteEvent) => void): Release {
    return this.#written.add(listener);
  }

  onDamage(listener: (damage: Damage) => void): Release {
    return this.#damaged.add(listener);
  }

  async usage(): Promise<undefined> {
    this.#content();
    return undefined;
  }

  close(): void {
    this.#origin.opened.delete(this);
  }

  async destroy(): Promise<void> {
    this.close();
    this.#origin.contents.delete(this.name);
  }
}

/** Compare all slots, then write all or none. @returns the name of the first that is stale */
function writeSlots(content: Content, slots: readonly SlotWrite[]): string | undefined {
  assert(new Set(slots.map(({ name }) => name)).size === slots.length, "S3: a batch names a slot once");
  const stale = slots.find((slot) => isStale(slot, content.slots.get(slot.name)));
  if (stale !== undefined) return stale.name;
  for (const { name, value } of slots) {
    const version = (content.slots.get(name)?.version ?? 0) + 1;
    if (value === undefined) content.slots.delete(name);
    else content.slots.set(name, { name, version, value: copyValue(value) });
  }
  return undefined;
}

const isStale = ({ expectedVersion }: SlotWrite, slot: Slot | undefined): boolean =>
  expectedVersion !== undefined && expectedVersion !== (slot?.version ?? 0);

const copyValue = (value: SlotValue): SlotValue => (value instanceof Uint8Array ? copyBytes(value) : value);
const copySlot = (slot: Slot): Slot => ({ ...slot, value: copyValue(slot.value) });
const copyRecord = (record: LogRecord): LogRecord => ({ ...record, bytes: copyBytes(record.bytes) });

/** By UTF-16 code units, as IndexedDB orders text keys. */
const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
