/** Views that were saved: documents of a database of their own, so that they sync, merge and are there for everybody in the space. */
import { computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Database, Query, Tenant, ViewState } from "cofferdb";
import { textOf } from "../film/read-value.ts";
import { whileSaving } from "../state/activity.ts";
import type { Arrangement } from "./arrangement.ts";
import { parseLook, stored, type Look } from "./look.ts";

/** A saved view, as it is stored. */
interface SavedView {
  name: string;
  arrangement: Arrangement;
  /** what is expanded */
  look: ViewState;
}

/** A saved view, as a list names it. */
export interface ViewName {
  readonly id: string;
  readonly name: string;
}

const databaseName = "views";
const mostNames = 200;

/** The saved views of a space. */
export class SavedViews {
  readonly #tenant: Tenant;
  readonly #names = signal<Query<SavedView> | undefined>(undefined);
  #db: Promise<Database<SavedView>> | undefined;

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  /** Their names, in order; live. `undefined` until they are known. */
  readonly names: ReadonlySignal<readonly ViewName[] | undefined> = computed(() => {
    const query = this.#names.value;
    if (query?.status.value !== "ready") return undefined;
    return query.rows.value.map(({ id, data }) => ({ id, name: textOf(data.name) || "Untitled" }));
  });

  /** Begin to follow them. */
  async open(): Promise<void> {
    const db = await this.#open();
    this.#names.value ??= db.query({ sort: [{ field: "name" }], limit: mostNames });
  }

  /** How a saved view is looked at; it may have been written by anybody, so that all of it is judged. @throws doc/missing, doc/deleted */
  async read(id: string): Promise<Look> {
    const db = await this.#open();
    const doc = await db.getDocument(id);
    try {
      return parseLook(doc.data.peek());
    } finally {
      doc.dispose();
    }
  }

  /** Save a view under a name, as a new one; gives its id. */
  async create(name: string, { arrangement, state }: Look): Promise<string> {
    const db = await this.#open();
    const value = { name, arrangement, look: stored(state) };
    const doc = await whileSaving(db.createDocument(value));
    doc.dispose();
    return doc.id;
  }

  /** Save a view in place of what it was. */
  async write(id: string, name: string, { arrangement, state }: Look): Promise<void> {
    const db = await this.#open();
    const doc = await db.getDocument(id);
    try {
      const edit = (draft: SavedView): void => {
        if (draft.name !== name) draft.name = name;
        draft.arrangement = arrangement;
        draft.look = stored(state);
      };
      await whileSaving(db.changeDoc(doc, edit as never));
    } finally {
      doc.dispose();
    }
  }

  async remove(id: string): Promise<void> {
    const db = await this.#open();
    await whileSaving(db.deleteDocument(id));
  }

  async bringBack(id: string): Promise<void> {
    const db = await this.#open();
    await whileSaving(db.undeleteDocument(id));
  }

  dispose(): void {
    this.#names.peek()?.dispose();
    void this.#db?.then(
      (db) => db.dispose(),
      () => undefined,
    );
  }

  #open(): Promise<Database<SavedView>> {
    this.#db ??= this.#tenant.openDB<SavedView>(databaseName).catch((error: unknown) => {
      this.#db = undefined;
      throw error;
    });
    return this.#db;
  }
}
