/** Memory of page and worker with many documents known and some open, before and after many rounds of opening and closing. */
import { makeRows, type Person } from "./rows.ts";
import { foundTenant, removeSession } from "./session.ts";

export interface MemoryReport {
  readonly knownBytes: number;
  readonly pageBytes: number;
  readonly grownBytes: number;
  /** by as many rounds again */
  readonly grownAgainBytes: number;
}

interface Measured {
  readonly bytes: number;
  readonly breakdown: readonly {
    readonly bytes: number;
    readonly attribution: readonly { readonly scope: string }[];
  }[];
}

/** All of this agent's memory, after a collection. */
export async function measureMemoryNow(): Promise<{ allBytes: number; pageBytes: number }> {
  const { measureUserAgentSpecificMemory } = performance as Performance & {
    measureUserAgentSpecificMemory?(): Promise<Measured>;
  };
  if (measureUserAgentSpecificMemory === undefined) throw new Error("This browser does not measure memory");
  const { bytes, breakdown } = await measureUserAgentSpecificMemory.call(performance);
  const ofPage = breakdown.filter(({ attribution }) => attribution.some(({ scope }) => scope === "Window"));
  return { allBytes: bytes, pageBytes: ofPage.reduce((sum, part) => sum + part.bytes, 0) };
}

/** Know `count` documents, open `openCount` of them, then open and close as many `rounds` times. */
export async function measureMemory(options: {
  readonly cofferName: string;
  readonly count: number;
  readonly openCount: number;
  readonly rounds: number;
}): Promise<MemoryReport> {
  const session = await foundTenant(options.cofferName);
  const db = await session.tenant.openDB<Person>("people");
  const ids = await db.createDocuments(makeRows(options.count));
  const openSome = async (round: number) =>
    Promise.all(
      ids
        .slice(round * options.openCount, (round + 1) * options.openCount)
        .map(async (id) => db.getDocument(id)),
    );
  const roundCount = Math.floor(options.count / options.openCount);
  // Every document is opened once first, so that what is kept of each by right is there before it is measured.
  for (let round = 0; round < roundCount; round++) for (const doc of await openSome(round)) doc.dispose();
  const held = await openSome(0);
  const before = await measureMemoryNow();
  const openAndClose = async (): Promise<number> => {
    for (let round = 0; round < options.rounds; round++)
      for (const doc of await openSome(1 + (round % (roundCount - 1)))) doc.dispose();
    return (await measureMemoryNow()).allBytes;
  };
  const after = await openAndClose();
  const again = await openAndClose();
  for (const doc of held) doc.dispose();
  await removeSession(session);
  return {
    knownBytes: before.allBytes,
    pageBytes: before.pageBytes,
    grownBytes: after - before.allBytes,
    grownAgainBytes: again - after,
  };
}
