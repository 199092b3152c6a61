/** Who else is in the open space, and where they are. */
import { effect, signal } from "@preact/signals";
import type { Database, Peer, Presence, Tenant } from "cofferdb";

/** Where somebody is: which document they have open, in which field they are, and whether they type. */
export interface Where {
  readonly doc?: string | undefined;
  readonly field?: string | undefined;
  readonly isTyping?: boolean | undefined;
}

/** One window of somebody else, or another one of one's own. */
export interface Visitor extends Where {
  readonly id: string;
  readonly user: string;
}

/** So long after the last letter somebody still types. */
const typingMs = 2000;
const maxLength = 200;

/** Read what another window says of itself: whoever wrote it may have written anything. */
export function readWhere(state: unknown): Where {
  if (typeof state !== "object" || state === null) return {};
  const { doc, field, isTyping } = state as { readonly [name in keyof Where]: unknown };
  return { doc: textOf(doc), field: textOf(field), isTyping: isTyping === true };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= maxLength ? value : undefined;
}

/** Put together what is said of peers. */
export function visitorsOf(peers: readonly Pick<Peer, "id" | "state" | "user">[]): readonly Visitor[] {
  return peers.map(({ id, user, state }) => ({ id, user, ...readWhere(state) }));
}

/** What this window says of itself, and what others say; there is nobody before the first link is live. */
export class Here {
  readonly visitors = signal<readonly Visitor[]>([]);
  readonly #stops: (() => void)[] = [];
  #presence: Presence | undefined;
  #where: Where = {};
  #typing: number | undefined;
  #isLeft = false;

  constructor(tenant: Tenant, db: Pick<Database, "presence">) {
    let hasBegun = false;
    this.#stops.push(
      effect(() => {
        const isLive = tenant.links.value.some((link) => link.status.value.phase === "live");
        if (!isLive || hasBegun) return;
        hasBegun = true;
        this.#begin(db).catch(() => (hasBegun = false));
      }),
    );
  }

  async #begin(db: Pick<Database, "presence">): Promise<void> {
    const presence = await db.presence();
    if (this.#isLeft) return presence.dispose();
    this.#presence = presence;
    this.#stops.push(effect(() => void (this.visitors.value = visitorsOf(presence.peers.value))));
    await presence.set(this.#where);
  }

  /** Say where one is now. */
  show(where: Where): void {
    clearTimeout(this.#typing);
    this.#where = where;
    if (where.isTyping === true)
      this.#typing = window.setTimeout(() => this.show({ ...where, isTyping: false }), typingMs);
    // A lock or a restart in between: it is said again afterwards.
    this.#presence?.set(where).catch(() => undefined);
  }

  dispose(): void {
    this.#isLeft = true;
    clearTimeout(this.#typing);
    for (const stop of this.#stops) stop();
    this.#presence?.dispose();
  }
}
