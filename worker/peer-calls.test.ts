import { afterEach, describe, expect, it } from "vitest";
import { answerPeer, offerPeer } from "../src/page/peer-call.ts";
import { fuzz, fuzzRuns, mutateBytes } from "../src/std/mutate-fixtures.ts";
import { bytesToUtf8, toCofferError, utf8ToBytes } from "../src/std/index.ts";
import { closeDevices } from "./device-fixtures.ts";
import { createPair, guestPassword, joinParty, type Party } from "./peer-fixtures.ts";
import { connectEachTest } from "./rtc-fixtures.ts";

/* Two devices of a tenant that connect by an offer and an answer which people carry over, with no server at all. */

const browser = connectEachTest();
afterEach(closeDevices);

const placeOf = ({ session, tenantId: id }: Party) => ({ id, session });
const idsOf = async ({ device, database }: Party): Promise<readonly string[]> =>
  (await device.api.documentIds(database)).toSorted();
const create = async ({ device, database }: Party, title: string): Promise<string> =>
  (await device.api.createDocuments(database, [{ title }]))[0] ?? "";
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => toCofferError(error).code,
  );

async function connect(one: Party, other: Party) {
  const offer = await offerPeer(placeOf(one));
  return offer.accept((await answerPeer(placeOf(other), offer.text)).text);
}

describe("an offer and its answer", () => {
  it("link two members' devices, which know of each other who they are, and sync both ways", async () => {
    const [owner, guest] = await createPair();
    const first = await create(owner, "by the owner");
    const offer = await offerPeer(placeOf(owner));
    expect(offer.text).toMatch(/^mdb:\/\/peer-offer\/[\w-]+$/);
    expect(offer.text.length).toBeLessThan(1500);
    // What was copied out of a mail is broken into lines.
    const answer = await answerPeer(placeOf(guest), ` ${offer.text.replace(/.{60}/g, "$&\r\n")}\n`);
    expect(answer.text).toMatch(/^mdb:\/\/peer-answer\/[\w-]+$/);
    expect(answer.peer).toEqual({ device: owner.key, user: owner.key });
    const [one, other] = await Promise.all([offer.accept(answer.text), answer.connected]);
    expect(one.peer).toEqual({ device: guest.key, user: guest.key });
    expect(other.peer).toEqual({ device: owner.key, user: owner.key });
    await one.sync();
    await expect.poll(() => idsOf(guest)).toEqual([first]);
    const second = await create(guest, "by the guest");
    await expect.poll(() => idsOf(owner)).toEqual([first, second].toSorted());
    await one.disconnect();
    await expect.poll(() => other.status.phase).toBe("closed");
    // Nothing of it is left open.
    await expect.poll(() => browser.count()).toBe(0);
  });

  it("tell nothing: neither names nor addresses stand in them", async () => {
    const [owner] = await createPair();
    const { text } = await offerPeer(placeOf(owner));
    const bytes = Buffer.from(text.slice("mdb://peer-offer/".length), "base64url").toString("latin1");
    for (const secret of ["192.0.2.7", "udp", "signal", "acme", "candidate"])
      expect(bytes).not.toContain(secret);
  });

  it("that are refused leave the offer good for the right answer", async () => {
    const [owner, guest] = await createPair();
    const offer = await offerPeer(placeOf(owner));
    const another = await offerPeer(placeOf(owner));
    const answer = await answerPeer(placeOf(guest), offer.text);
    expect(await codeOf(another.accept(answer.text))).toBe("input/invalid");
    expect(await codeOf(offer.accept(offer.text))).toBe("input/invalid");
    expect(await codeOf(offer.accept("mdb://peer-answer/AAAA"))).toBe("input/invalid");
    const link = await offer.accept(answer.text);
    await link.sync();
    expect(await codeOf(offer.accept(answer.text))).toBe("input/used");
  });

  it("are good once, on no device that made them, and for ten minutes", async () => {
    const clock = { ms: 0 };
    const [owner, guest] = await createPair(clock);
    const { text } = await offerPeer(placeOf(owner));
    expect(await codeOf(answerPeer(placeOf(owner), text))).toBe("input/used");
    clock.ms = 601_000;
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("input/expired");
    clock.ms = -601_000;
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("input/expired");
    clock.ms = 500_000;
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("done");
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("input/used");
  });

  it("of another tenant's member are refused on either side, and nothing is begun", async () => {
    const [owner] = await createPair();
    const [stranger] = await createPair();
    const foreign = await offerPeer(placeOf(stranger));
    const own = await offerPeer(placeOf(owner));
    const begun = browser.count();
    expect(await codeOf(answerPeer(placeOf(owner), foreign.text))).toBe("access/denied");
    expect(await codeOf(answerPeer(placeOf(stranger), own.text))).toBe("access/denied");
    // An answer that was made for an offer of one's own tenant does not fit one of another.
    expect(await codeOf(own.accept(foreign.text.replace("offer", "answer")))).toBe("access/denied");
    expect(browser.count()).toBe(begun);
  });

  it("of who was revoked get nothing, whatever keys they have, and a link ends with the revocation", async () => {
    const [owner, guest] = await createPair();
    const [before, offer] = [await offerPeer(placeOf(guest)), await offerPeer(placeOf(owner))];
    const answer = await answerPeer(placeOf(guest), offer.text);
    const late = await offerPeer(placeOf(owner));
    const lateAnswer = await answerPeer(placeOf(guest), late.text);
    const [link, other] = await Promise.all([offer.accept(answer.text), answer.connected]);
    await link.sync();
    if (owner.proof === undefined) throw new Error("the owner is the admin");
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await expect.poll(() => link.status).toMatchObject({ phase: "closed", error: "access/revoked" });
    await expect.poll(() => other.status.phase).toBe("closed");
    await create(owner, "not for the guest");
    expect(await codeOf(answerPeer(placeOf(owner), before.text))).toBe("access/revoked");
    expect(await codeOf(late.accept(lateAnswer.text))).toBe("access/revoked");
    expect(await idsOf(guest)).toEqual([]);
  });

  it("of who was revoked, to a newcomer who cannot know, make a link that ends once the newcomer hears of it", async () => {
    const [owner, guest] = await createPair();
    const newcomer = await joinParty(owner, "newcomer");
    const first = await connect(owner, guest);
    await first.sync();
    await first.disconnect();
    if (owner.proof === undefined) throw new Error("the owner is the admin");
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    const link = await connect(newcomer, guest);
    expect(link.peer?.device).toBe(guest.key);
    // The key was changed meanwhile: who lacks the new one cannot read what is sealed under it, and is read under the old one.
    expect(await codeOf(connect(owner, newcomer))).toBe("key/missing");
    const good = await connect(newcomer, owner);
    await good.sync();
    await expect.poll(() => link.status).toMatchObject({ phase: "closed", error: "access/revoked" });
    expect(good.status.phase).not.toBe("closed");
  });

  it("cannot be made or read while the tenant is locked", async () => {
    const [owner, guest] = await createPair();
    const { text } = await offerPeer(placeOf(owner));
    await guest.device.api.lock(guest.tenantId);
    const begun = browser.count();
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("access/locked");
    expect(await codeOf(offerPeer(placeOf(guest)))).toBe("access/locked");
    expect(browser.count()).toBe(begun);
    await guest.device.api.openTenant(guest.tenantId, { password: guestPassword, keepSession: false });
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("done");
  });

  it("that were given up end the waiting, and need a browser that can", async () => {
    const [owner, guest] = await createPair();
    const offer = await offerPeer(placeOf(owner));
    const answer = await answerPeer(placeOf(guest), offer.text);
    answer.cancel();
    expect(await codeOf(answer.connected)).toBe("aborted");
    offer.cancel();
    expect(await codeOf(offer.accept(answer.text))).toBe("aborted");
    delete (globalThis as { RTCPeerConnection?: unknown }).RTCPeerConnection;
    expect(await codeOf(offerPeer(placeOf(owner)))).toBe("input/unknown-id");
  });

  it("that are garbage, too large or changed by a letter are refused with a code, and the right one works still", async () => {
    const [owner, guest] = await createPair();
    const { text } = await offerPeer(placeOf(owner));
    expect(await codeOf(answerPeer(placeOf(guest), "x".repeat(1_000_000)))).toBe("input/too-large");
    expect(await codeOf(answerPeer(placeOf(guest), ""))).toBe("input/invalid");
    const refusals = new Set<string>();
    await fuzz("offers", fuzzRuns(300, 5), async (random) => {
      const changed = bytesToUtf8(mutateBytes(random, [utf8ToBytes(text)])) ?? "�";
      if (changed.replace(/\s+/g, "") === text) return;
      refusals.add(await codeOf(answerPeer(placeOf(guest), changed)));
    });
    const known = [
      "input/invalid",
      "input/too-large",
      "access/denied",
      "entry/forged",
      "input/expired",
      "key/missing",
    ];
    expect(known).toEqual(expect.arrayContaining([...refusals]));
    expect(refusals.size).toBeGreaterThan(1);
    expect(await codeOf(answerPeer(placeOf(guest), text))).toBe("done");
  });
});
