/** How a document's type reads in an edit function and in a reading. */

declare const counterMark: unique symbol;
declare const atomicMark: unique symbol;

/**
 * A number that merges by adding: concurrent increments all count. Made by `Counter(start)`, changed by `increment`.
 *
 * In drafts and readings it is a number; a plain number cannot be assigned to it, since that would replace the counter.
 */
export type Counter = number & { readonly [counterMark]: true };

/** A string that is replaced as a whole, never merged by characters. Made by `Atomic(text)`; it reads as a string. */
export type Atomic<Text extends string = string> = Text & { readonly [atomicMark]: Text };

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
    : T extends { readonly [atomicMark]: infer Text }
      ? Text
      : T extends Leaf
        ? T
        : T extends readonly (infer Element)[]
          ? readonly DocData<Element>[]
          : { readonly [Key in keyof T]: DocData<T[Key]> };
