import { expect, it } from "vitest";
import type { WorkerApi } from "../../worker/api.ts";
import { changeRecipients, createDocumentFor, getRecipients } from "./bulk.ts";
import type { DatabaseCore } from "./database.ts";

const options = { adminUser: { userName: "cn=admin", key: "admin-key" }, adminPassword: "secret" };
const proof = { adminKey: "admin-key", adminPassword: "secret" };

function open() {
  const sent: unknown[][] = [];
  const api = {
    createListKey: async (...args: unknown[]) => {
      sent.push(["createListKey", ...args]);
      return "$for/x";
    },
    createDocuments: async (...args: unknown[]) => {
      sent.push(["createDocuments", ...args]);
      return ["d1"];
    },
    recipientsOf: async () => ["a"],
    changeRecipients: async (...args: unknown[]) => void sent.push(["changeRecipients", ...args]),
  } as unknown as WorkerApi;
  const core = {
    subscription: 3,
    place: { tenantId: "t1" },
    encode(value: unknown) {
      if (value === "nothing") throw new TypeError("no document");
      return value;
    },
    call: async (run: (worker: WorkerApi) => unknown) => run(api),
    openDoc: async (id: string) => ({ id }),
  } as unknown as DatabaseCore;
  return { core, sent };
}

it("makes the key of a list, then the document under it", async () => {
  const { core, sent } = open();
  expect(await createDocumentFor(core, { users: ["a"] }, { text: "x" }, options)).toEqual({ id: "d1" });
  expect(sent).toEqual([
    ["createListKey", "t1", { users: ["a"], groups: [] }, proof],
    ["createDocuments", 3, [{ text: "x" }], { keyName: "$for/x" }],
  ]);
});

it("makes no key for what is no document", async () => {
  const { core, sent } = open();
  await expect(createDocumentFor(core, {}, "nothing", options)).rejects.toThrow();
  expect(sent).toEqual([]);
});

it("says who comes and who goes, and asks who is there", async () => {
  const { core, sent } = open();
  await changeRecipients(core, "d1", { add: ["b"], ...options });
  await changeRecipients(core, "d1", { remove: ["a"], ...options });
  expect(await getRecipients(core, "d1")).toEqual(["a"]);
  expect(sent).toEqual([
    ["changeRecipients", 3, "d1", { add: ["b"], remove: [] }, proof],
    ["changeRecipients", 3, "d1", { add: [], remove: ["a"] }, proof],
  ]);
});
