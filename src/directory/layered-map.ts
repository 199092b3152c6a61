/**
 * A map made upon another one, which stays as it is: what is in both is held once.
 *
 * ```
 * base   10,000 entries, shared by many and changed by none
 * over   what differs, at most about √10,000: copied by the next map upon this one
 * ```
 *
 * So a line of n maps, each with a few entries more than the one before, costs n·√n and not n². A base and what is over it become one
 * base when the latter has grown. Keys come in the order in which they came first, as in a `Map`; none is ever taken out.
 */
export class LayeredMap<Key, Value> implements ReadonlyMap<Key, Value> {
  readonly #base: ReadonlyMap<Key, Value>;
  readonly #over: Map<Key, Value>;
  #size: number;

  /** Begin upon a map that nobody changes any more. */
  constructor(from: ReadonlyMap<Key, Value>) {
    const layered = from instanceof LayeredMap ? (from as LayeredMap<Key, Value>) : undefined;
    const over = layered === undefined ? new Map<Key, Value>() : layered.#over;
    const base = layered === undefined ? from : layered.#base;
    const isGrown = over.size ** 2 > Math.max(base.size, smallSize);
    this.#base = isGrown ? new Map(from) : base;
    this.#over = new Map(isGrown ? [] : over);
    this.#size = from.size;
  }

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    return this.#over.has(key) ? this.#over.get(key) : this.#base.get(key);
  }

  has(key: Key): boolean {
    return this.#over.has(key) || this.#base.has(key);
  }

  /** Only while no other map was made upon this one, and nobody else knows it. */
  set(key: Key, value: Value): this {
    if (!this.has(key)) this.#size++;
    this.#over.set(key, value);
    return this;
  }

  forEach(call: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this) call(value, key, this);
  }

  *entries(): Generator<[Key, Value], undefined> {
    for (const [key, value] of this.#base) yield [key, this.#over.get(key) ?? value];
    for (const [key, value] of this.#over) if (!this.#base.has(key)) yield [key, value];
  }

  *keys(): Generator<Key, undefined> {
    yield* this.#base.keys();
    for (const key of this.#over.keys()) if (!this.#base.has(key)) yield key;
  }

  *values(): Generator<Value, undefined> {
    for (const [key, value] of this.#base) yield this.#over.get(key) ?? value;
    for (const [key, value] of this.#over) if (!this.#base.has(key)) yield value;
  }

  [Symbol.iterator](): Generator<[Key, Value], undefined> {
    return this.entries();
  }
}

const smallSize = 1024;
