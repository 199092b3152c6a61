/** Products that are broken in undo, branches, bulk edits, readers of what changed, or purging. */
import { createWebVerifier } from "../crypto/index.ts";
import { parseCommit } from "../entry/index.ts";
import { createRandom } from "./pcg32.ts";
import type { Mutant } from "./mutants.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import type { World } from "./world.ts";

/** Wrap the calls of every tab, those that are opened later too. */
function wrapTabs({ members }: World, wrap: (tab: SimTab, device: SimDevice) => void): void {
  for (const { device } of members) {
    for (const tab of device.tabs) wrap(tab, device);
    const openTab = device.openTab.bind(device);
    Object.assign(device, {
      openTab: () => {
        const opening = openTab();
        const tab = device.tabs.at(-1);
        if (tab !== undefined) wrap(tab, device);
        return opening;
      },
    });
  }
}

/** All of them. */
export const lineMutants: readonly Mutant[] = [
  {
    name: "an edit of a branch counts in the document",
    oracles: ["branches", "acknowledged", "converged"],
    options: () => ({
      sabotage: (world) =>
        wrapTabs(world, ({ api }) => {
          const openDocument = api.openDocument.bind(api);
          Object.assign(api, {
            openDocument: (database: number, docId: string, subscription: number) =>
              openDocument(database, docId, subscription),
          });
        }),
    }),
  },
  {
    name: "a branch that somebody opened is discarded without anybody's asking",
    oracles: ["acknowledged"],
    options: () => ({ operationCount: 120, sabotage: discardOpened }),
  },
  {
    name: "a discard takes what is written on the branch without knowing of it",
    oracles: ["acknowledged"],
    options: () => ({ operationCount: 120, sabotage: discardOn }),
  },
  {
    name: "undo puts the whole document back as it was before the edit",
    oracles: ["acknowledged"],
    options: () => ({ sabotage: (world) => wrapTabs(world, undoWhole) }),
  },
  {
    name: "a reader's cursor passes a document that the reader was not given",
    oracles: ["feed"],
    options: (seed) => ({
      sabotage: (world) => {
        const random = createRandom(seed, 2);
        wrapTabs(world, ({ api }) => {
          const changesSince = api.changesSince.bind(api);
          Object.assign(api, {
            changesSince: async (...args: Parameters<typeof changesSince>) => {
              const page = await changesSince(...args);
              return random.chance(0.2) ? { ...page, changes: page.changes.slice(1) } : page;
            },
          });
        });
      },
    }),
  },
  {
    name: "edits are acknowledged while their commit is still to be written",
    oracles: ["acknowledged", "converged"],
    options: () => ({ sabotage: (world) => wrapTabs(world, acknowledgeFirst) }),
  },
  {
    name: "a purged document is hidden in its tab and comes back in the next",
    oracles: ["converged", "reopened"],
    options: () => ({ operationCount: 120, sabotage: (world) => wrapTabs(world, hide) }),
  },
  {
    name: "nobody says that a document was purged before it was sent",
    oracles: ["converged"],
    options: () => ({ operationCount: 120, sabotage: forgetNaming }),
  },
];

/** Whoever looks at a branch ends it soon after, with what is written on it by then. */
function discardOpened(world: World): void {
  wrapTabs(world, ({ api, env }) => discardSoon({ api, env }, () => true));
}

/** A branch that somebody discarded stays so: whoever still writes on it loses that as well. */
function discardOn(world: World): void {
  const discarded = new Set<string>();
  wrapTabs(world, ({ api, env }) => {
    discardSoon({ api, env }, (docId, name) => discarded.has(`${docId} ${name}`));
    const endBranch = api.endBranch.bind(api);
    Object.assign(api, {
      endBranch: (...args: Parameters<typeof endBranch>) => {
        const [, docId, name, how] = args;
        if (how === "discard") discarded.add(`${docId} ${name}`);
        return endBranch(...args);
      },
    });
  });
}

/** Discard branches a second after a tab has opened them, if they are to be. */
function discardSoon(
  { api, env }: Pick<SimTab, "api" | "env">,
  isMeant: (docId: string, branch: string) => boolean,
): void {
  const endBranch = api.endBranch.bind(api);
  const openDocument = api.openDocument.bind(api);
  Object.assign(api, {
    openDocument: (...args: Parameters<typeof openDocument>) => {
      const [database, docId, , name] = args;
      if (name !== undefined)
        env.setTimer(1000, () => {
          if (isMeant(docId, name)) void endBranch(database, docId, name, "discard").catch(() => undefined);
        });
      return openDocument(...args);
    },
  });
}

/** The word that something was erased never reaches the log. */
function forgetNaming({ members }: World): void {
  const crypto = createWebVerifier();
  const isNaming = ({ bytes }: { readonly bytes: Uint8Array }): boolean => {
    const parsed = parseCommit(crypto, bytes);
    return (
      parsed.kind === "verified" &&
      parsed.commit.entries.some(({ header }) => header?.entryType === "doc_purge")
    );
  };
  for (const { device } of members)
    device.disk.fault = { onWrite: (batch) => (batch.records?.some(isNaming) === true ? undefined : batch) };
}

/** What others have marked since goes with the edit. */
function undoWhole(tab: SimTab): void {
  const { api } = tab;
  const places = new Map<number, readonly [number, string]>();
  const openDocument = api.openDocument.bind(api);
  const undo = api.undo.bind(api);
  const marksOf = (value: object | undefined): readonly string[] =>
    Object.keys((value as { readonly marks?: object } | undefined)?.marks ?? {});
  Object.assign(api, {
    openDocument: (...args: Parameters<typeof openDocument>) => {
      places.set(args[2], [args[0], args[1]]);
      return openDocument(...args);
    },
    undo: async (...args: Parameters<typeof undo>) => {
      const [subscription] = args;
      const [database = 0, docId = ""] = places.get(subscription) ?? [];
      const now = (await api.readDocuments(database, [docId]))[0]?.snapshot;
      const { steps } = await api.history(database, docId, 0);
      const done = await undo(...args);
      const middle = steps[Math.floor(steps.length / 2)];
      if (done === undefined || now === undefined || middle === undefined) return done;
      const before = marksOf((await api.documentAt(database, docId, middle.atMs)).value);
      const operations = marksOf(now.value)
        .filter((mark) => !before.includes(mark))
        .map((mark) => ({ op: "delete", path: ["marks", mark] }) as const);
      if (operations.length === 0) return done;
      const draft = { draft: tab.nextNumber(), baseHeads: now.heads, afterDraft: 0, operations } as const;
      return api.changeDocument(subscription, { ...draft, durability: "relaxed" });
    },
  });
}

/** The commit follows later, if the worker lives. */
function acknowledgeFirst({ api, env }: SimTab): void {
  const changeDocuments = api.changeDocuments.bind(api);
  Object.assign(api, {
    changeDocuments: async (...args: Parameters<typeof changeDocuments>) => {
      env.setTimer(1500, () => void changeDocuments(...args).catch(() => undefined));
      return args[1].map(({ docId, baseHeads }) => ({ docId, heads: baseHeads }));
    },
  });
}

/** Nothing is purged. */
function hide({ api }: SimTab): void {
  const hidden = new Set<string>();
  const documentIds = api.documentIds.bind(api);
  Object.assign(api, {
    purgeDocument: async (_database: number, docId: string) => void hidden.add(docId),
    documentIds: async (database: number) =>
      (await documentIds(database)).filter((docId) => !hidden.has(docId)),
  });
}
