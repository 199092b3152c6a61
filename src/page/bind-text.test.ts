import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CofferError, type Release } from "../std/index.ts";
import { bindText, type TextField } from "./bind-text.ts";
import { openCofferWith } from "./coffer.ts";
import { loadMore } from "./lazy.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";
import type { Coffer, Database, Doc } from "./types.ts";

interface Note {
  title: string;
  meta: { note?: string };
}

/** An input as far as the binding uses it: writing its value puts the caret to the end, as browsers do. */
class Field extends EventTarget {
  readOnly = false;
  writeCount = 0;
  readonly matches = (): boolean => true;
  selectionStart: number | null = 0;
  selectionEnd: number | null = 0;
  #value = "";
  get value(): string {
    return this.#value;
  }
  set value(value: string) {
    this.writeCount += 1;
    this.#value = value;
    this.setSelectionRange(value.length, value.length);
  }
  setSelectionRange(start: number | null, end: number | null): void {
    this.selectionStart = start;
    this.selectionEnd = end;
  }
  /** what a user does: put the caret somewhere and type */
  type(at: number, text: string): void {
    this.#value = this.#value.slice(0, at) + text + this.#value.slice(at);
    this.setSelectionRange(at + text.length, at + text.length);
    this.dispatchEvent(new Event("input"));
  }
}

let world: FakeWorld;
let coffer: Coffer;
let db: Database<Note>;
let doc: Doc<Note>;
let field: Field;
let unbind: Release;
const asField = (of: Field): TextField => of as unknown as TextField;

beforeEach(async () => {
  world = createWorld();
  coffer = await openCofferWith(world);
  const tenant = await coffer.openTenant("acme", { password: "secret" });
  db = await tenant.openDB<Note>("notes");
  doc = await db.createDocument({ title: "hello", meta: {} });
  field = new Field();
  unbind = bindText(asField(field), doc, ["title"]);
  await loadMore();
});
afterEach(async () => {
  unbind();
  await coffer.close();
});

const stored = (): unknown => world.docs.get("d1")?.value["title"];

describe("bindText", () => {
  it("shows the text, and saves what is typed as an update of it", async () => {
    expect(field.value).toBe("hello");
    field.type(5, "!");
    expect(doc.data.value?.title).toBe("hello!");
    await settle();
    expect(stored()).toBe("hello!");
    expect(world.calls.at(-1)).toContain('"op":"updateText"');
    expect(field.writeCount).toBe(1);
  });

  it("keeps the caret beside its characters when others type", async () => {
    field.setSelectionRange(2, 5);
    world.write("d1", { title: "Oh, hello" });
    await settle();
    expect(field.value).toBe("Oh, hello");
    expect([field.selectionStart, field.selectionEnd]).toEqual([6, 9]);
  });

  it("leaves the field alone during composition, and merges afterwards", async () => {
    field.dispatchEvent(new Event("compositionstart"));
    field.type(5, " ni");
    world.write("d1", { title: "Oh, hello" });
    await settle();
    field.type(8, "hao");
    expect(field.value).toBe("hello nihao");
    expect(stored()).toBe("Oh, hello");
    field.dispatchEvent(new Event("compositionend"));
    expect(field.value).toBe("Oh, hello nihao");
    expect(field.selectionStart).toBe(15);
    await settle();
    expect(stored()).toBe("Oh, hello nihao");
  });

  it("shows what the document holds when saving failed", async () => {
    const errors: CofferError[] = [];
    unbind();
    unbind = bindText(asField(field), doc, ["title"], { onError: (error) => errors.push(error) });
    await settle();
    world.beforeChange = async () => {
      throw new CofferError("store/quota");
    };
    field.type(5, "!");
    await settle();
    expect(field.value).toBe("hello");
    expect(errors.map((error) => error.code)).toEqual(["store/quota"]);
  });

  it("is empty and read-only while the document is locked", async () => {
    world.locked = true;
    world.write("d1", {});
    await settle();
    expect([field.value, field.readOnly]).toEqual(["", true]);
    world.locked = false;
    world.write("d1", {});
    await settle();
    expect([field.value, field.readOnly]).toEqual(["hello", false]);
  });

  it("is read-only until it is bound, and left alone when it was given up before", async () => {
    const [early, late] = [new Field(), new Field()];
    late.readOnly = true;
    const ends = [early, late].map((other) => bindText(asField(other), doc, ["title"]));
    expect([early.readOnly, late.readOnly]).toEqual([true, true]);
    ends[0]?.();
    expect(early.readOnly).toBe(false);
    await settle();
    expect([early.value, late.value]).toEqual(["", "hello"]);
    expect([early.readOnly, late.readOnly]).toEqual([false, true]);
    ends[1]?.();
    expect(late.readOnly).toBe(true);
  });

  it("makes a field that is missing", async () => {
    const other = new Field();
    const end = bindText(asField(other), doc, ["meta", "note"]);
    await settle();
    expect(other.value).toBe("");
    other.type(0, "new");
    await settle();
    expect(world.docs.get("d1")?.value["meta"]).toEqual({ note: "new" });
    end();
  });

  it("keeps what was typed during a restart, with what others wrote", async () => {
    world.kill("error");
    field.type(5, "!");
    field.type(6, "?");
    const { value = {}, version = 0 } = world.docs.get("d1") ?? {};
    world.docs.set("d1", { value: { ...value, title: "Oh, hello" }, version: version + 1 });
    await world.env.advance(1_000);
    await settle();
    expect(stored()).toBe("Oh, hello!?");
    expect(field.value).toBe("Oh, hello!?");
  });

  it("ends", async () => {
    unbind();
    world.write("d1", { title: "other" });
    field.type(5, "!");
    await settle();
    expect(field.value).toBe("hello!");
    expect(stored()).toBe("other");
  });
});
