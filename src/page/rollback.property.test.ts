/** What is shown while drafts come, are stored and fail, and others write, against a dull model. */
import { asyncProperty, assert, array, integer, nat, oneof, record, constant, string } from "fast-check";
import { expect, it } from "vitest";
import { CofferError } from "../std/index.ts";
import { openCofferWith } from "./coffer.ts";
import { createWorld, settle } from "./worker-fixtures.ts";

interface Plain {
  title: string;
  meta: { stars: number };
  rows: { id: number }[];
}

type Edit = (draft: Plain) => void;

const editArb = oneof(
  string({ maxLength: 4 }).map(
    (title): Edit =>
      (draft) =>
        void (draft.title = title),
  ),
  integer().map(
    (stars): Edit =>
      (draft) =>
        void (draft.meta.stars = stars),
  ),
  nat(9).map(
    (id): Edit =>
      (draft) =>
        void draft.rows.push({ id }),
  ),
  nat(9).map(
    (at): Edit =>
      (draft) =>
        void draft.rows.splice(at % (draft.rows.length + 1), 1, { id: at + 10 }),
  ),
);
const stepArb = oneof(
  { weight: 3, arbitrary: record({ kind: constant("edit" as const), edit: editArb }) },
  { weight: 2, arbitrary: record({ kind: constant("store" as const) }) },
  { weight: 1, arbitrary: record({ kind: constant("refuse" as const), at: nat(3) }) },
  { weight: 1, arbitrary: record({ kind: constant("other" as const), title: string({ maxLength: 4 }) }) },
  { weight: 1, arbitrary: record({ kind: constant("whole" as const), isPatched: constant(false) }) },
);

interface Pending {
  readonly edit: Edit;
  readonly optimistic: Plain;
  /** the object that was shown */
  readonly seen: unknown;
  readonly hand: { letGo: () => void; refuse: () => void };
  readonly outcome: Promise<string>;
}

it("shows what the dull model shows, and takes back to the very same objects", async () => {
  await assert(
    asyncProperty(array(stepArb, { minLength: 3, maxLength: 14 }), async (steps) => {
      const world = createWorld();
      const hands: { letGo: () => void; refuse: () => void }[] = [];
      world.beforeChange = () =>
        new Promise((resolve, reject) =>
          hands.push({ letGo: resolve, refuse: () => reject(new CofferError("store/quota")) }),
        );
      const coffer = await openCofferWith(world);
      const tenant = await coffer.openTenant("acme", { password: "secret" });
      const db = await tenant.openDB<Plain>("notes");
      const doc = await db.createDocument({ title: "one", meta: { stars: 0 }, rows: [{ id: 1 }, { id: 2 }] });

      let server: Plain = { title: "one", meta: { stars: 0 }, rows: [{ id: 1 }, { id: 2 }] };
      let base = { value: structuredClone(server), seen: doc.data.peek() as unknown, isOld: false };
      let pending: Pending[] = [];
      const rest = (): void => {
        if (pending.length === 0 && base.isOld)
          base = { value: structuredClone(server), seen: doc.data.peek(), isOld: false };
      };
      const expectShown = (): void => {
        expect(doc.data.peek()).toEqual(pending.at(-1)?.optimistic ?? base.value);
        expect(doc.status.peek()).toBe(pending.length > 0 ? "saving" : "ready");
        expect(doc.data.peek()).toBe(pending.at(-1)?.seen ?? base.seen);
      };

      for (const step of steps) {
        if (step.kind === "edit") {
          const optimistic = structuredClone(pending.at(-1)?.optimistic ?? base.value);
          step.edit(optimistic);
          const before = doc.data.peek();
          const change = db.changeDoc(doc, step.edit);
          const outcome = change.then(
            () => "stored",
            (error: CofferError) => error.code,
          );
          await settle();
          const hand = hands.pop();
          if (hand === undefined) expect(doc.data.peek()).toBe(before);
          else pending.push({ edit: step.edit, optimistic, seen: doc.data.peek(), hand, outcome });
        } else if (step.kind === "store") {
          const [first] = pending;
          if (first === undefined) continue;
          first.edit(server);
          pending = pending.slice(1);
          base.isOld = true;
          first.hand.letGo();
          expect(await first.outcome).toBe("stored");
          await settle();
        } else if (step.kind === "refuse") {
          const at = step.at % Math.max(1, pending.length);
          const [failed, ...after] = pending.slice(at);
          if (failed === undefined) continue;
          pending = pending.slice(0, at);
          failed.hand.refuse();
          expect(await failed.outcome).toBe("store/quota");
          for (const one of after) {
            expect(await one.outcome).toBe("aborted");
            one.hand.letGo();
          }
          await settle();
        } else if (step.kind === "other") {
          server = { ...server, title: step.title };
          base.isOld = true;
          world.write("d1", { title: step.title });
          await settle();
        } else world.tellsPatches = step.isPatched;
        rest();
        expectShown();
      }
      for (const { hand, edit } of pending) {
        edit(server);
        hand.letGo();
        await settle();
      }
      expect(doc.data.peek()).toEqual(server);
      expect(world.docs.get("d1")?.value).toEqual(server);
      await coffer.close();
    }),
  );
});
