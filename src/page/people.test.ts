import { expect, it } from "vitest";
import type { WorkerApi } from "../../worker/api.ts";
import { approveDevice, revokeDevice } from "./people.ts";
import type { Session } from "./session.ts";

const options = { adminUser: { userName: "cn=admin", key: "admin-key" }, adminPassword: "secret" };
const proof = { adminKey: "admin-key", adminPassword: "secret" };

it("asks for a device to be linked and revoked, with the server's address in one form and a week to answer", async () => {
  const sent: unknown[][] = [];
  const note =
    (name: string) =>
    async (...args: unknown[]) => {
      sent.push([name, ...args]);
      return "mdb://join-response/AA";
    };
  const api = { approveDevice: note("approveDevice"), revokeDevice: note("revokeDevice") };
  const session = { call: async (run: (worker: WorkerApi) => unknown) => run(api as unknown as WorkerApi) };
  const tenant = { id: "t1", session: session as unknown as Session, link: () => ({}) as never };
  const asked = { name: "phone", user: "ada", sharePassword: "shared", serverUrl: "https://EXAMPLE.org/" };
  expect(await approveDevice(tenant, "mdb://join-request/AA", { ...asked, ...options })).toBe(
    "mdb://join-response/AA",
  );
  await revokeDevice(tenant, "phone-key", options);
  const week = 7 * 24 * 60 * 60 * 1000;
  expect(sent).toEqual([
    [
      "approveDevice",
      "t1",
      "mdb://join-request/AA",
      { ...proof, ...asked, serverUrl: "https://example.org", expiresInMs: week },
    ],
    ["revokeDevice", "t1", "phone-key", proof],
  ]);
});
