/**
 * The full text of one database, in memory: what each document's words are, and where each word occurs.
 *
 * ```
 *   put(id, texts) ──► words ──► terms ──► postings          every document stands in one segment;
 *   drop(id)       ──► its postings and lonely terms go      a segment is what is written when one of its documents changes
 *   search(query)  ──► forms of each word ──► scores
 * ```
 */
import { assert } from "../std/index.ts";
import { expand, score, type Corpus, type SearchQuery, type WordForms } from "./match.ts";
import {
  addPlace,
  countOf,
  dropPlaces,
  eachPlace,
  fieldOf,
  maxCount,
  maxFields,
  packPlace,
} from "./postings.ts";
import type { SegmentDoc } from "./segment.ts";
import { Terms, type Term } from "./terms.ts";
import type { DocText } from "./texts.ts";
import { eachWord } from "./words.ts";

/** Documents in a segment: one edit writes one of them anew. */
export const segmentSize = 256;

/** The last number is what fields share that come when all others are taken. */
const restField = maxFields - 1;

interface IndexedDoc<Id> {
  readonly id: Id;
  readonly slot: number;
  readonly segment: number;
  /** what it was indexed at, opaque here */
  stamp: string;
  /** numbers of its terms */
  terms: Uint32Array;
  /** pairs: number of a field, count of its words */
  lengths: readonly number[];
}

interface Field {
  readonly name: string;
  docCount: number;
  wordCount: number;
}

/** How often each term occurs, by field. */
type Counts = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** A document that was found. */
export interface Found<Id> {
  readonly id: Id;
  readonly score: number;
}

/** What a search gave: the documents, the best first, and which words in them were meant. */
export interface SearchResult<Id> {
  readonly found: readonly Found<Id>[];
  /** Whether a term of a text is one that was searched for. */
  readonly isMatch: (term: string) => boolean;
}

/** An index, kept up to date document by document. */
export class TextIndex<Id extends string> {
  readonly #docs = new Map<Id, IndexedDoc<Id>>();
  readonly #bySlot: (IndexedDoc<Id> | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #terms = new Terms();
  readonly #fields: (Field | undefined)[] = [];
  readonly #fieldNumbers = new Map<string, number>();
  readonly #freeFields: number[] = [];
  readonly #segments: Set<IndexedDoc<Id>>[] = [];
  readonly #dirty = new Set<number>();
  /** segments below are full */
  #roomFrom = 0;

  get size(): number {
    return this.#docs.size;
  }

  /** Terms that occur anywhere. */
  get termCount(): number {
    return this.#terms.size;
  }

  ids(): Iterable<Id> {
    return this.#docs.keys();
  }

  /** What a document was indexed at; `undefined`: it is not in the index. */
  stampOf(id: Id): string | undefined {
    return this.#docs.get(id)?.stamp;
  }

  /** Index a document as it stands now, in the place of what was indexed of it. */
  put(id: Id, stamp: string, texts: readonly DocText[]): void {
    const doc = this.#docs.get(id) ?? this.#place(id, this.#openSegment());
    this.#dirty.add(doc.segment);
    this.#take(doc, stamp, countTerms(texts));
  }

  /** A document is no more. @returns whether it was there */
  drop(id: Id): boolean {
    const doc = this.#docs.get(id);
    if (doc === undefined) return false;
    this.#clear(doc);
    this.#docs.delete(id);
    this.#bySlot[doc.slot] = undefined;
    this.#freeSlots.push(doc.slot);
    this.#segments[doc.segment]?.delete(doc);
    this.#dirty.add(doc.segment);
    this.#roomFrom = Math.min(this.#roomFrom, doc.segment);
    return true;
  }

  /** Find documents, the best first; equally good ones by id. */
  search(query: SearchQuery): SearchResult<Id> {
    const words = expand(this.#terms, query);
    const fields = query.fields?.map((name) => this.#fieldNumbers.get(name));
    const isMeant = (field: number): boolean => fields?.includes(field) ?? true;
    const found: Found<Id>[] = [];
    score(this.#corpus(), words, isMeant, (slot, value) => {
      const doc = this.#bySlot[slot];
      assert(doc !== undefined, "search: a slot that occurs has its document");
      found.push({ id: doc.id, score: value });
    });
    found.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    return { found, isMatch: (term) => isForm(words, this.#terms.get(term)) };
  }

  /** Segments that changed since they were last taken. */
  takeDirty(): readonly number[] {
    const segments = [...this.#dirty].sort((a, b) => a - b);
    this.#dirty.clear();
    return segments;
  }

  /** They were not kept after all: they count as changed still. */
  markDirty(segments: readonly number[]): void {
    for (const segment of segments) this.#dirty.add(segment);
  }

  /** What is kept is not what is here: all of it counts as changed. */
  markAllDirty(): void {
    for (const segment of this.#segments.keys()) this.#dirty.add(segment);
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Take in a segment as it was kept. Documents that are here already stay as they are, and so it counts as changed. */
  load(segment: number, docs: readonly SegmentDoc<Id>[]): void {
    for (const { counts, id, stamp } of docs) {
      if (this.#docs.has(id)) this.#dirty.add(segment);
      else this.#take(this.#place(id, segment), stamp, counts);
    }
  }

  #corpus(): Corpus {
    return {
      docCount: this.#docs.size,
      slotLimit: this.#bySlot.length,
      lengthOf: (slot, field) => {
        const lengths = this.#bySlot[slot]?.lengths ?? [];
        for (let at = 0; at < lengths.length; at += 2) if (lengths[at] === field) return lengths[at + 1] ?? 0;
        return 0;
      },
      meanLengthOf: (field) => {
        const { docCount, wordCount } = this.#fields[field] ?? { docCount: 1, wordCount: 1 };
        return wordCount / docCount;
      },
    };
  }

  #take(doc: IndexedDoc<Id>, stamp: string, counts: Counts): void {
    this.#clear(doc);
    const terms = new Set<Term>();
    const lengths: number[] = [];
    const fields = [...counts].map(([name, words]) => ({ number: this.#fieldNumber(name), name, words }));
    for (const { number, name, words } of mergeRest(fields).sort((a, b) => a.number - b.number)) {
      let length = 0;
      for (const [text, count] of words) {
        const term = this.#terms.obtain(text);
        terms.add(term);
        addPlace(term.postings, doc.slot, packPlace(number, count));
        length += Math.min(count, maxCount);
      }
      const field = (this.#fields[number] ??= { name, docCount: 0, wordCount: 0 });
      field.docCount += 1;
      field.wordCount += length;
      lengths.push(number, length);
    }
    doc.terms = Uint32Array.from(terms, ({ number }) => number);
    doc.lengths = lengths;
    doc.stamp = stamp;
  }

  /** Take out all that is indexed of a document. */
  #clear(doc: IndexedDoc<Id>): void {
    for (const number of doc.terms) {
      const term = this.#terms.at(number);
      dropPlaces(term.postings, doc.slot);
      if (term.postings.slots.length === 0) this.#terms.drop(term);
    }
    for (let at = 0; at < doc.lengths.length; at += 2) {
      const number = doc.lengths[at] ?? 0;
      const field = this.#fields[number];
      assert(field !== undefined, "search: a document's fields are there");
      field.docCount -= 1;
      field.wordCount -= doc.lengths[at + 1] ?? 0;
      if (field.docCount > 0) continue;
      this.#fields[number] = undefined;
      if (number === restField) continue;
      this.#fieldNumbers.delete(field.name);
      this.#freeFields.push(number);
    }
    doc.terms = noTerms;
    doc.lengths = [];
  }

  #place(id: Id, segment: number): IndexedDoc<Id> {
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const doc: IndexedDoc<Id> = { id, slot, segment, stamp: "", terms: noTerms, lengths: [] };
    this.#docs.set(id, doc);
    this.#bySlot[slot] = doc;
    while (this.#segments.length <= segment) this.#segments.push(new Set());
    this.#segments[segment]?.add(doc);
    return doc;
  }

  #openSegment(): number {
    while ((this.#segments[this.#roomFrom]?.size ?? 0) >= segmentSize) this.#roomFrom += 1;
    return this.#roomFrom;
  }

  #fieldNumber(name: string): number {
    const known = this.#fieldNumbers.get(name);
    if (known !== undefined) return known;
    const number = this.#freeFields.pop() ?? Math.min(this.#fields.length, restField);
    if (number === restField) return number;
    this.#fieldNumbers.set(name, number);
    this.#fields[number] = { name, docCount: 0, wordCount: 0 };
    return number;
  }

  /** The documents of a segment, to be kept. */
  segment(segment: number): readonly SegmentDoc<Id>[] {
    const docs = [...(this.#segments[segment] ?? [])];
    return docs.map(({ id, slot, stamp, terms }) => {
      const counts = new Map<string, Map<string, number>>();
      for (const number of terms) {
        const { postings, text } = this.#terms.at(number);
        eachPlace(postings, slot, (place) => {
          const name = this.#fields[fieldOf(place)]?.name ?? "";
          const words = counts.get(name) ?? new Map<string, number>();
          counts.set(name, words.set(text, countOf(place)));
        });
      }
      return { id, stamp, counts };
    });
  }
}

const noTerms = new Uint32Array(0);

function isForm(words: readonly WordForms[], term: Term | undefined): boolean {
  return term !== undefined && words.some((forms) => forms.has(term));
}

/** Count the words of a document, each field by itself. */
function countTerms(texts: readonly DocText[]): Counts {
  const counts = new Map<string, Map<string, number>>();
  for (const { field, text } of texts) {
    eachWord(text, (term) => {
      const words = counts.get(field) ?? new Map<string, number>();
      counts.set(field, words.set(term, (words.get(term) ?? 0) + 1));
    });
  }
  return counts;
}

interface NumberedField {
  readonly number: number;
  readonly name: string;
  readonly words: ReadonlyMap<string, number>;
}

/** Fields that share the last number are one. */
function mergeRest(fields: readonly NumberedField[]): NumberedField[] {
  const own = fields.filter(({ number }) => number !== restField);
  if (own.length === fields.length) return own;
  const words = new Map<string, number>();
  for (const field of fields)
    if (field.number === restField)
      for (const [term, count] of field.words) words.set(term, (words.get(term) ?? 0) + count);
  return [...own, { number: restField, name: "", words }];
}
