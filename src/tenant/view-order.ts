/**
 * What a view knows of a database's documents, as bytes: the categories they stand in and their order there, so that a view that is opened
 * again asks for neither. See view/known-order.ts.
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | key | 32 |
 * | pages of the catalog: varint count (≤ 1 000 000), of each its stamp, see pages.ts; zeros where it had none | 12 each |
 * | categories: sized JSON text: [tagged, {"categories": [[category around it, column, value], …]}], see `toJson` in catalog-codec.ts | |
 * | documents that stand directly in the whole, and in each category, in order: varint count, numbers in the catalog | u32 each |
 *
 * The category around one comes before it: 0 is the whole, 1 the first of the list. The key is SHA-256 of what the order depends on: the
 * database and the shape it is read with, the name and filter of its source, categories, sorted columns and filter of the definition, the
 * order of texts here, and the time zone. What is shown and what is summed up is no part of it.
 *
 * VO1 it is gone by page by page: while a page of the catalog has the stamp that stands here, its documents are as they were
 * VO2 lost, damaged, of another version, definition or state of the catalog, it costs building, and nothing else
 */
import { ByteReader, ByteWriter, bytesToHex, parseHex, utf8ToBytes, type DbId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { collatorOf, type Expression } from "../expr/index.ts";
import { isCategoryValue, viewLimits, type KnownCategory, type ViewDefinition } from "../view/index.ts";
import { isRecord, parseJson, toJson, untagValue } from "./catalog-codec.ts";
import { pageStampBytes } from "./pages.ts";

const version = 1;
const maxPages = 1_000_000;
const maxCategories = 1_000_000;
const maxTextBytes = 64 * 1024 * 1024;
const keyBytes = 32;
const keyDomain = utf8ToBytes("coffer/view-order/v1\0");
const noStamp = "00".repeat(pageStampBytes);
/** sorted in another way, texts were kept by another browser */
const sample =
  "a A á ä æ b B ch cz d đ e é i ı İ ll lz ñ n o ö ø ß ss z å 1 10 2 _ - . あ ア 中 文 ก א ب я ё".split(" ");

/** What is kept of one source of a view. */
export interface ViewOrder {
  readonly key: string;
  /** by the catalog's pages */
  readonly stamps: readonly (string | undefined)[];
  /** documents by their numbers in the catalog */
  readonly categories: readonly KnownCategory<number>[];
}

/** What the order of a source's documents depends on. */
export interface OrderedSource {
  readonly dbId: DbId;
  readonly shape: unknown;
  readonly origin: string;
  readonly filter: Expression | undefined;
}

/** What an order is known by. */
export function orderKey(
  crypto: Pick<Crypto, "sha256">,
  source: OrderedSource,
  { columns, filter, uncategorised, locale }: ViewDefinition,
): string {
  const collator = collatorOf(locale);
  const whole = {
    source,
    filter,
    uncategorised,
    columns: columns
      .filter(({ role }) => role === "category" || role === "sorted")
      .map((column) => ({ ...column, name: "", isHidden: false })),
    locale: collator.resolvedOptions().locale,
    sample: sample.toSorted((one, other) => collator.compare(one, other) || (one < other ? -1 : 1)),
    timeZone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
  } as unknown as Parameters<typeof toJson>[0];
  return bytesToHex(crypto.sha256(keyDomain, utf8ToBytes(toJson(whole).text)));
}

/** Write an order: see the table above. */
export function encodeViewOrder({ key, stamps, categories }: ViewOrder): Uint8Array<ArrayBuffer> {
  const count = categories.reduce((sum, { documents }) => sum + documents.length, 0);
  const writer = new ByteWriter(count * 4 + stamps.length * pageStampBytes + 1024).u8(version);
  writer.fixed(parseHex(key) ?? new Uint8Array(0), keyBytes).varint(stamps.length);
  for (const stamp of stamps) writer.fixed(parseHex(stamp ?? noStamp) ?? new Uint8Array(0), pageStampBytes);
  const steps = categories.flatMap(({ parent, step }) =>
    step === undefined ? [] : [[parent ?? 0, step.column, step.value]],
  );
  const { text, isTagged } = toJson({ categories: steps });
  writer.text(`[${String(isTagged)},${text}]`);
  for (const { documents } of categories) {
    writer.varint(documents.length);
    for (const number of documents) writer.u32(number);
  }
  return writer.toBytes();
}

/** Read an order; `undefined` when it is damaged or of another version. */
export function parseViewOrder(bytes: Uint8Array): ViewOrder | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const key = bytesToHex(reader.fixed(keyBytes));
  const stamps: (string | undefined)[] = [];
  for (let left = reader.varint(maxPages); left > 0 && reader.error === undefined; left--) {
    const stamp = bytesToHex(reader.fixed(pageStampBytes));
    stamps.push(stamp === noStamp ? undefined : stamp);
  }
  const steps = parseSteps(reader.text(maxTextBytes));
  if (steps === undefined || reader.error !== undefined) return undefined;
  const categories = [whole, ...steps].map(({ parent, step }) => {
    const documents: number[] = [];
    for (let left = reader.varint(reader.remaining); left > 0 && reader.error === undefined; left--)
      documents.push(reader.u32());
    return { parent, step, documents };
  });
  return reader.finish() ? { key, stamps, categories } : undefined;
}

type Steps = readonly Pick<KnownCategory<number>, "parent" | "step">[];

const whole = { parent: undefined, step: undefined };

function parseSteps(text: string): Steps | undefined {
  const found = parseJson(text);
  if (!Array.isArray(found) || found.length !== 2) return undefined;
  const [isTagged, written] = found as readonly unknown[];
  const value = isTagged === true ? untagValue(written) : (written as Parameters<typeof isRecord>[0]);
  const list = isRecord(value) ? value["categories"] : undefined;
  if (!Array.isArray(list) || list.length > maxCategories) return undefined;
  const steps: Pick<KnownCategory<number>, "parent" | "step">[] = [];
  const levels = [0];
  for (const one of list as readonly unknown[]) {
    if (!Array.isArray(one) || one.length !== 3) return undefined;
    const [parent, column, of] = one as readonly unknown[];
    const level = levels[typeof parent === "number" ? parent : -1];
    if (typeof parent !== "number" || level === undefined || level >= viewLimits.levels) return undefined;
    if (typeof column !== "number" || !Number.isInteger(column) || column < 0) return undefined;
    if (column >= viewLimits.columns || !isCategoryValue(of) || Number.isNaN(of?.valueOf())) return undefined;
    levels.push(level + 1);
    steps.push({ parent, step: { column, value: of } });
  }
  return steps;
}
