/** What must hold of files once all faults have ended: see the table in `file-story.ts`. */
import { createHash } from "node:crypto";
import { bytesToBase64url, equalBytes, isCofferError } from "../std/index.ts";
import { waitingOf, type StoredPart } from "../sync/index.ts";
import { receivedOf } from "./file-account.ts";
import type { AddedFile } from "./file-deeds.ts";
import type { FileStory } from "./file-story.ts";
import { textOf } from "./telling.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import { canary, serverUrl } from "./world.ts";

const roundMs = 10_000;
const maxRounds = 40;

/** Whether these bytes are the chunk of this hash. */
const isChunk = (bytes: Uint8Array | undefined, hash: Uint8Array): boolean =>
  bytes !== undefined && equalBytes(createHash("sha256").update(bytes).digest(), hash);

/** Wait until everything is quiet, and hold it against what was promised. */
export async function checkFiles(story: FileStory): Promise<void> {
  const { scheduler } = story.world;
  await checkPending(story);
  await scheduler.settle(checkReceipts(story));
  await scheduler.settle(checkReaders(story));
  await scheduler.settle(checkKept(story));
  // Who was restored from a backup is sent everything once more.
  if (!story.hasLostServer)
    for (const device of devicesOf(story))
      for (const excess of story.account.excess(device)) story.violate("repeats", excess);
  await scheduler.settle(checkSecrecy(story));
  for (const [device, tab] of tabsOf(story)) {
    await scheduler.settle(tab.api.closeTenant(story.world.tenantId));
    if (device.tabs.length !== 1)
      story.violate("simulation", `${device.name} has ${device.tabs.length} tabs`);
  }
}

const devicesOf = ({ world }: FileStory): readonly SimDevice[] => world.members.map(({ device }) => device);

function tabsOf(story: FileStory): readonly (readonly [SimDevice, SimTab])[] {
  return devicesOf(story).map((device) => {
    const [tab] = device.tabs;
    if (tab === undefined) throw new Error("every device has a tab in the end");
    return [device, tab];
  });
}

async function checkPending(story: FileStory): Promise<void> {
  const { scheduler, tenantId } = story.world;
  let why = "";
  for (let round = 0; round < maxRounds; round++) {
    await scheduler.run(roundMs);
    why = busyLink(story) ?? (await scheduler.settle(waiting(story))) ?? "";
    if (why === "") break;
  }
  if (why !== "") return story.violate("pending", why);
  for (const [, tab] of tabsOf(story))
    await scheduler.settle(tab.api.sync(tenantId, serverUrl)).catch((error: unknown) => {
      story.violate("pending", `${tab.env.name} cannot sync: ${textOf(error)}`);
    });
}

function busyLink(story: FileStory): string | undefined {
  for (const [, { env, events }] of tabsOf(story)) {
    const event = events.findLast((one) => one.kind === "tenant");
    const snapshot = event?.kind === "tenant" ? event.snapshot : undefined;
    const [link] = snapshot?.links ?? [];
    if (snapshot === undefined || link === undefined) return `${env.name} has no link`;
    const { phase, pendingPull, pendingPush, error } = link.status;
    if (phase !== "live" || pendingPush + pendingPull + snapshot.status.unjudgedCount > 0)
      return `${env.name} is ${phase}, ${pendingPush} to push, ${pendingPull} to pull, ${error ?? "no error"}`;
  }
  return undefined;
}

/** What waits to be sent, or to be named. */
async function waiting(story: FileStory): Promise<string | undefined> {
  // One that was taken out again before its device noted that it is named stays unnamed.
  const owed = [...story.deeds.files.values()].filter(
    ({ isAcknowledged, isLost, isRemoved }) => isAcknowledged && !isLost && !isRemoved,
  );
  const named = new Set(owed.flatMap(hashesOf));
  for (const device of devicesOf(story))
    for (const part of await story.account.parts(device)) {
      const count = waitingOf(part, serverUrl).length;
      if (count > 0) return `${device.name} has ${count} chunks of ${part.commitHash} to send`;
      if (part.isOwn && !part.isNamed && named.has(part.commitHash))
        return `${device.name} does not know that ${part.commitHash} is named`;
    }
  return undefined;
}

const hashesOf = ({ parts }: AddedFile) => parts.map(({ commitHash }) => commitHash);

/** Whether the server holds a chunk as it was signed. */
async function isHeld({ tenantId, world }: FileStory, hash: Uint8Array): Promise<boolean> {
  return isChunk(await world.server.chunk(tenantId, hash), hash);
}

async function checkReceipts(story: FileStory): Promise<void> {
  for (const device of devicesOf(story))
    for (const part of await story.account.parts(device))
      for (const [index, { hash, isHere }] of part.chunks.entries()) {
        const hasReceipt = (receivedOf(part) & (1 << index)) !== 0;
        const isLost = story.hasLostServer && !isHere;
        if (hasReceipt && !isLost && !(await isHeld(story, hash)))
          story.violate(
            "receipts",
            `${device.name} has one for ${bytesToBase64url(hash)}, which is not there`,
          );
      }
}

/** Whether nobody can be blamed when a file is not whole. */
async function isExcused(story: FileStory, file: AddedFile): Promise<boolean> {
  if (file.isLost || !story.hasLostServer) return file.isLost;
  const parts = await partsOf(story, file);
  return story.account.hasLetGo(
    file.device,
    parts.flatMap(({ chunks }) => chunks.map(({ hash }) => hash)),
  );
}

/** What the device that added a file knows of its parts. */
async function partsOf(story: FileStory, file: AddedFile): Promise<readonly StoredPart[]> {
  const parts = await story.account.parts(file.device);
  return parts.filter(({ commitHash }) => hashesOf(file).includes(commitHash));
}

/** Every device shows every file whose adding was told and that nobody took out, and reads it, twice: what was fetched once is here then. */
async function checkReaders(story: FileStory): Promise<void> {
  for (const [device, tab] of tabsOf(story)) {
    const shown = await story.deeds.shownIds(tab);
    for (const { id, isAcknowledged, isLost, isRemoved } of story.deeds.files.values())
      if (isAcknowledged && !isLost && !isRemoved && !shown.has(id))
        story.violate("kept", `${tab.env.name} does not show ${id}`);
    const failures = await story.deeds.readAll({ device, tab });
    for (const [id, error] of failures) {
      const file = story.deeds.files.get(id);
      const isTyped = isCofferError(error) && error.code === "net/offline";
      if (file === undefined || !isTyped || !(await isExcused(story, file)))
        story.violate("kept", `${tab.env.name} cannot read ${id} of ${file?.device.name}: ${textOf(error)}`);
    }
    const again = await story.deeds.readAll({ device, tab });
    if (again.size !== failures.size)
      story.violate("kept", `${tab.env.name} reads other files the second time`);
  }
}

/** Files whose adding was told are whole, whether or not their document still names them. */
async function checkKept(story: FileStory): Promise<void> {
  for (const file of story.deeds.files.values()) {
    if (!file.isAcknowledged || (await isExcused(story, file))) continue;
    const parts = await partsOf(story, file);
    if (parts.length !== file.parts.length)
      story.violate(
        "kept",
        `${file.device.name} knows ${parts.length} of ${file.parts.length} parts of ${file.id}`,
      );
    for (const { chunks } of parts) {
      const here = await story.account.chunks(
        file.device,
        chunks.map(({ hash }) => hash),
      );
      for (const [index, { hash }] of chunks.entries()) {
        if (!isChunk(here[index], hash) && !(await isHeld(story, hash)))
          story.violate(
            "kept",
            `chunk ${index} of ${file.id} is neither on ${file.device.name} nor at the server`,
          );
      }
    }
  }
}

async function checkSecrecy(story: FileStory): Promise<void> {
  const needle = Buffer.from(canary);
  const search = (place: string, bytes: Uint8Array): void => {
    if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(needle))
      story.violate("secrecy", `a file's bytes are in ${place}`);
  };
  for (const bytes of story.world.network.crossed) search("what crossed the network", bytes);
  for (const device of devicesOf(story))
    for await (const bytes of device.disk.bytesAtRest()) search(`the disk of ${device.name}`, bytes);
}
