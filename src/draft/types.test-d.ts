import { expectTypeOf, it } from "vitest";
import { Atomic, Counter, recordDraft, type DocData, type Draft } from "./index.ts";

interface Contact {
  readonly name: string;
  email?: string;
  tags: readonly string[];
  address: { city: string };
  visits: Counter;
  code: Atomic<"a" | "b">;
  born: Date | null;
  photo: Uint8Array;
  anything: unknown;
}

it("drafts are writable at any depth", () => {
  expectTypeOf<Draft<Contact>["tags"]>().toEqualTypeOf<string[]>();
  expectTypeOf<Draft<Contact>["address"]>().toEqualTypeOf<{ city: string }>();
  expectTypeOf<Draft<Contact>["born"]>().toEqualTypeOf<Date | null>();
  const edit = (draft: Draft<Contact>): void => {
    draft.name = "Ada";
    draft.tags.push("vip");
    draft.tags = [];
    draft.visits = Counter(1);
    draft.code = Atomic("b");
    draft.anything = null;
    delete draft.email;
    // @ts-expect-error a plain number would replace the counter
    draft.visits = 5;
    // @ts-expect-error a plain string would replace the atomic one by collaborative text
    draft.code = "a";
    // @ts-expect-error required fields stay
    delete draft.name;
  };
  expectTypeOf(edit).parameter(0).toEqualTypeOf<Draft<Contact>>();
});

it("readings are plain and readonly", () => {
  expectTypeOf<DocData<Contact>["visits"]>().toEqualTypeOf<number>();
  expectTypeOf<DocData<Contact>["code"]>().toEqualTypeOf<"a" | "b">();
  expectTypeOf<DocData<Contact>["tags"]>().toEqualTypeOf<readonly string[]>();
  expectTypeOf<DocData<Contact>["address"]>().toEqualTypeOf<{ readonly city: string }>();
  expectTypeOf<DocData<Record<string, unknown>>>().toEqualTypeOf<{ readonly [key: string]: unknown }>();
});

it("recording gives readings of the document's own type", () => {
  const base: DocData<{ n: Counter }> = { n: 1 };
  expectTypeOf(
    recordDraft<{ n: Counter }>(base, (draft) => expectTypeOf(draft.n).toEqualTypeOf<Counter>()).optimistic,
  ).toEqualTypeOf<DocData<{ n: Counter }>>();
});
