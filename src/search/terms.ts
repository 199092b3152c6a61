/**
 * The terms of an index: by text, by number, and in a radix tree for their beginnings and their likes.
 */
import SearchableMap from "minisearch/SearchableMap";
import { assert } from "../std/index.ts";
import type { Postings } from "./postings.ts";

/** A term, with where it occurs. */
export interface Term {
  readonly text: string;
  readonly number: number;
  readonly postings: Postings;
}

/** The terms that occur somewhere. One that occurs no more is gone, its text with it. */
export class Terms {
  readonly #byText = new Map<string, Term>();
  readonly #byNumber: (Term | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #tree = new SearchableMap<Term>();

  get size(): number {
    return this.#byText.size;
  }

  get(text: string): Term | undefined {
    return this.#byText.get(text);
  }

  /** The term of a text, made where there is none. */
  obtain(text: string): Term {
    let term = this.#byText.get(text);
    if (term === undefined) {
      term = { text, number: this.#free.pop() ?? this.#byNumber.length, postings: { slots: [], places: [] } };
      this.#byText.set(text, term);
      this.#byNumber[term.number] = term;
      this.#tree.set(text, term);
    }
    return term;
  }

  at(number: number): Term {
    const term = this.#byNumber[number];
    assert(term !== undefined, "search: a document's terms are there");
    return term;
  }

  /** Forget a term that occurs nowhere. */
  drop({ number, text }: Term): void {
    this.#byText.delete(text);
    this.#byNumber[number] = undefined;
    this.#free.push(number);
    this.#tree.delete(text);
  }

  /** The terms that begin so. */
  *startingWith(prefix: string): Iterable<Term> {
    yield* this.#tree.atPrefix(prefix).values();
  }

  /** The terms that are at most so many edits away, with how many. */
  *like(text: string, maxEdits: number): Iterable<readonly [Term, number]> {
    yield* this.#tree.fuzzyGet(text, maxEdits).values();
  }
}
