/** The numbers in Automerge's changes. */

/** Columns by their specification: 4 bits and more of id, 1 bit deflated, 3 bits kind. */
export const column = {
  objectActor: 0x01,
  objectCounter: 0x02,
  keyActor: 0x11,
  keyCounter: 0x13,
  keyString: 0x15,
  insert: 0x34,
  action: 0x42,
  valueSize: 0x56,
  valueRaw: 0x57,
  predecessorCount: 0x70,
  predecessorActor: 0x71,
  predecessorCounter: 0x73,
  markExpands: 0x94,
  markName: 0xa5,
} as const;

/** What an operation does. */
export const action = {
  makeMap: 0,
  set: 1,
  makeList: 2,
  delete: 3,
  makeText: 4,
  makeTable: 6,
  mark: 7,
} as const;

/** The type of a value without parts: the low 4 bits of its size. */
export const valueType = {
  null: 0,
  false: 1,
  true: 2,
  uint: 3,
  int: 4,
  float: 5,
  text: 6,
  bytes: 7,
  counter: 8,
  time: 9,
} as const;

/** What every chunk begins with. */
export const chunkMagic: readonly number[] = [0x85, 0x6f, 0x4a, 0x83];
/** Behind the magic stand the first bytes of the hash. */
export const chunkHeaderBytes = 8;
/** The type of an uncompressed change. */
export const changeChunkType = 1;
