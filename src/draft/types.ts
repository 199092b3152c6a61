/** How a document's type reads in an edit function and in a reading. */

import type { Atomic, Counter } from "./value.ts";

type Leaf = null | undefined | boolean | number | string | Date | Uint8Array;

/** A document of type `T` inside an edit function: everything can be assigned, at any depth. */
export type Draft<T> = unknown extends T
  ? T
  : T extends Leaf
    ? T
    : T extends readonly (infer Element)[]
      ? Draft<Element>[]
      : { -readonly [Key in keyof T]: Draft<T[Key]> };

/** What reading a document of type `T` gives: frozen plain data; counters are numbers, atomic strings are strings. */
export type DocData<T> = unknown extends T
  ? T
  : T extends Counter
    ? number
    : T extends Atomic<infer Text>
      ? Text
      : T extends Leaf
        ? T
        : T extends readonly (infer Element)[]
          ? readonly DocData<Element>[]
          : { readonly [Key in keyof T]: DocData<T[Key]> };
