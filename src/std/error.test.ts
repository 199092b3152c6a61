import { expose, transferHandlers, wrap, type Endpoint } from "comlink";
import { describe, expect, it } from "vitest";
import { CofferError, isCofferError, toCofferError } from "./error.ts";
import { errorCodes, isErrorCode } from "./error-codes.ts";
import { installErrorMessages } from "./error-messages.ts";
import { deserializeThrown, installErrorTransfer, serializeThrown } from "./wire.ts";

installErrorMessages();

describe("errors", () => {
  it("say in words what happened, for every code of the list", () => {
    for (const code of errorCodes) expect(new CofferError(code).message, code).toMatch(/^[A-Z].{10,}\.$/);
  });

  it("keep a given message, details and cause", () => {
    const cause = new Error("inner");
    const error = new CofferError("input/too-large", { message: "Too long.", path: "/name" }, { cause });
    expect(error.message).toBe("Too long.");
    expect(error.details).toEqual({ path: "/name" });
    expect(error.cause).toBe(cause);
  });

  it("wrap anything else without its text, which may hold content", () => {
    const wrapped = toCofferError(new TypeError("secret content"), "store/failed");
    expect(wrapped).toMatchObject({ code: "store/failed", details: { reason: "TypeError" } });
    expect(wrapped.message).not.toContain("secret");
    expect(toCofferError(wrapped)).toBe(wrapped);
  });

  it("know their own, also from another bundle, and the codes of the list", () => {
    const foreign = Object.assign(new Error("x"), { name: "CofferError", code: "doc/missing" });
    expect(isCofferError(foreign)).toBe(true);
    expect(foreign).toBeInstanceOf(CofferError);
    for (const other of [new Error("x"), { name: "CofferError", code: "doc/missing" }, null, "doc/missing"]) {
      expect(isCofferError(other)).toBe(false);
    }
    expect([isErrorCode("doc/missing"), isErrorCode("doc/other"), isErrorCode(7)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("cross a thread with code and details; others leave their name only", () => {
    const crossed = deserializeThrown(
      structuredClone(serializeThrown(new CofferError("store/quota", { needed: 5 }))),
    );
    expect(crossed).toBeInstanceOf(CofferError);
    expect(crossed).toMatchObject({ code: "store/quota", details: { needed: 5 } });
    expect(deserializeThrown(serializeThrown(new RangeError("secret")))).toMatchObject({
      code: "worker/failed",
      details: { reason: "RangeError" },
    });
  });

  it("do so through Comlink once its handler is installed", async () => {
    installErrorTransfer(transferHandlers as never);
    const { port1, port2 } = new MessageChannel();
    const fail = (): never => {
      throw new CofferError("doc/deleted", { docId: "x" });
    };
    expose({ fail }, port1 as unknown as Endpoint);
    const remote = wrap<{ fail(): void }>(port2 as unknown as Endpoint);
    await expect(remote.fail()).rejects.toMatchObject({
      name: "CofferError",
      code: "doc/deleted",
      details: { docId: "x" },
    });
    port1.close();
    port2.close();
  });
});
