/**
 * What a search finds, and how good each hit is.
 *
 * Every word of the search must occur in a document: as it is, as the beginning of one of its words, or misspelt. A word counts by its
 * best place (BM25+ over the field it is in, times how near the form is), a document by the sum over the words. All of it is made of
 * whole numbers that an edit keeps exactly, in an order that does not depend on the past: an index that was kept up to date answers as
 * one that was built afresh, to the last bit.
 */
import { countOf, fieldOf } from "./postings.ts";
import type { Term, Terms } from "./terms.ts";
import { termsOf } from "./words.ts";

/** Bounds of a search; what is beyond of its text is not looked at. */
export const searchLimits = { textUnits: 1024, words: 16, fields: 64, edits: 2 } as const;

/** What is searched for. */
export interface SearchQuery {
  readonly text: string;
  /** fields at the top of a document; `undefined`: all */
  readonly fields: readonly string[] | undefined;
  /** which words may be the beginning of one */
  readonly prefix: "none" | "last" | "all";
  /** how many letters of a word may be wrong; `auto`: none up to 3 letters, 1 up to 7, else 2 */
  readonly fuzzy: 0 | 1 | 2 | "auto";
}

/** One word of a search: each form of it that occurs, with how near it is, up to 1. */
export type WordForms = ReadonlyMap<Term, number>;

/** What scoring must know of an index. */
export interface Corpus {
  readonly docCount: number;
  /** all slots are below */
  readonly slotLimit: number;
  /** how many words a document has in a field */
  lengthOf(slot: number, field: number): number;
  /** the same, of the mean document that has the field */
  meanLengthOf(field: number): number;
}

const prefixWeight = 0.375;
const prefixFalloff = 0.3;
const fuzzyWeight = 0.45;
/** BM25+, with the constants of MiniSearch. */
const bm25 = { k: 1.2, b: 0.7, d: 0.5 } as const;

/** The words of a search, each with the forms that occur. */
export function expand(terms: Terms, { fuzzy, prefix, text }: SearchQuery): readonly WordForms[] {
  const words = [...new Set(termsOf(text.slice(0, searchLimits.textUnits)))].slice(0, searchLimits.words);
  return words.map((word, index) => {
    const isPrefix = prefix === "all" || (prefix === "last" && index === words.length - 1);
    return formsOf(terms, word, { isPrefix, edits: editsFor(word, fuzzy) });
  });
}

function formsOf(terms: Terms, word: string, how: { isPrefix: boolean; edits: number }): WordForms {
  const forms = new Map<Term, number>();
  const note = (term: Term, weight: number): void => {
    forms.set(term, Math.max(weight, forms.get(term) ?? 0));
  };
  if (how.edits > 0)
    for (const [term, edits] of terms.like(word, how.edits))
      note(term, (fuzzyWeight * term.text.length) / (term.text.length + edits));
  if (how.isPrefix)
    for (const term of terms.startingWith(word)) {
      const { length } = term.text;
      note(term, (prefixWeight * length) / (length + prefixFalloff * (length - word.length)));
    }
  const exact = terms.get(word);
  if (exact !== undefined) note(exact, 1);
  return forms;
}

function editsFor(word: string, fuzzy: SearchQuery["fuzzy"]): number {
  const allowed = word.length <= 3 ? 0 : word.length <= 7 ? 1 : 2;
  return fuzzy === "auto" ? allowed : Math.min(fuzzy, word.length - 1);
}

/** Hears of a document that was found, and of its score. */
export type ScoreListener = (slot: number, score: number) => void;

/** Score the documents that have every word; `isMeant`: which fields count. */
export function score(
  corpus: Corpus,
  words: readonly WordForms[],
  isMeant: (field: number) => boolean,
  hear: ScoreListener,
): void {
  const { slotLimit } = corpus;
  const sums = new Float64Array(slotLimit);
  const best = new Float64Array(slotLimit);
  const wordCounts = new Uint8Array(slotLimit);
  for (const [index, forms] of words.entries()) {
    best.fill(0);
    for (const [term, weight] of forms) scoreTerm(corpus, { term, weight, isMeant }, best);
    for (let slot = 0; slot < slotLimit; slot++) {
      const value = best[slot] ?? 0;
      if (value === 0 || wordCounts[slot] !== index) continue;
      sums[slot] = (sums[slot] ?? 0) + value;
      wordCounts[slot] = index + 1;
    }
  }
  for (let slot = 0; slot < slotLimit; slot++)
    if (words.length > 0 && wordCounts[slot] === words.length) hear(slot, sums[slot] ?? 0);
}

interface Form {
  readonly term: Term;
  readonly weight: number;
  readonly isMeant: (field: number) => boolean;
}

interface FieldFacts {
  docCount: number;
  idf: number;
  readonly meanLength: number;
}

/** Raise each document to what this form of the word gives it. */
function scoreTerm(corpus: Corpus, { isMeant, term, weight }: Form, best: Float64Array): void {
  const { places, slots } = term.postings;
  const facts = new Map<number, FieldFacts>();
  for (const place of places) {
    const known = facts.get(fieldOf(place));
    if (known !== undefined) known.docCount += 1;
    else facts.set(fieldOf(place), { docCount: 1, idf: 0, meanLength: corpus.meanLengthOf(fieldOf(place)) });
  }
  for (const [field, fact] of facts) {
    if (!isMeant(field)) facts.delete(field);
    const { docCount } = fact;
    fact.idf = weight * Math.log(1 + (corpus.docCount - docCount + 0.5) / (docCount + 0.5));
  }
  let field = -1;
  let fact: FieldFacts | undefined;
  for (let at = 0; at < places.length; at++) {
    const place = places[at] ?? 0;
    if (fieldOf(place) !== field) {
      field = fieldOf(place);
      fact = facts.get(field);
    }
    if (fact === undefined) continue;
    const slot = slots[at] ?? 0;
    const count = countOf(place);
    const length = corpus.lengthOf(slot, field) / fact.meanLength;
    const frequency = (count * (bm25.k + 1)) / (count + bm25.k * (1 - bm25.b + bm25.b * length));
    const value = fact.idf * (bm25.d + frequency);
    if (value > (best[slot] ?? 0)) best[slot] = value;
  }
}
