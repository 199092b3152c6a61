/** Whose tasks travel from one browser to another, and how many. */

/**
 * `encryption` is whether the server can read them.
 *
 * @typedef {{ name: string, label: string, encryption: string }} Traveller
 */

/** @type {readonly Traveller[]} */
export const travellers = [
  { name: "coffer", label: "CofferDB", encryption: "end to end, signed" },
  { name: "yjs", label: "Yjs, one document", encryption: "no" },
  { name: "tinybase", label: "TinyBase", encryption: "no" },
  { name: "automerge-document", label: "automerge-repo, one document", encryption: "no" },
  { name: "automerge-repo", label: "automerge-repo, a document each", encryption: "no" },
  { name: "rxdb", label: "RxDB (Dexie storage)", encryption: "no" },
  { name: "pouchdb", label: "PouchDB", encryption: "no" },
  { name: "evolu", label: "Evolu", encryption: "end to end" },
  { name: "jazz", label: "Jazz", encryption: "end to end, signed" },
];

export const taskCount = 1000;
/** One more task, so many times in each round. */
export const moreCount = 10;
