/** What an open tenant was found to be wrong with, each told once. */
import type { DirectoryState } from "../directory/index.ts";
import type { AlarmEvent } from "../../worker/api.ts";

const maxAlarms = 200;

/** The alarms of one tenant, the newest of them. */
export class Alarms {
  readonly #nowMs: () => number;
  #list: readonly AlarmEvent[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get list(): readonly AlarmEvent[] {
    return this.#list;
  }

  /** @returns whether it is news */
  add(kind: AlarmEvent["kind"], detail: string): boolean {
    if (this.#list.some((known) => known.kind === kind && known.detail === detail)) return false;
    this.#list = [...this.#list, { kind, atMs: this.#nowMs(), detail }].slice(-maxAlarms);
    return true;
  }

  /** A fork of the directory: the alarm names the ends of all lines, follows them while it is open, and says when it was closed. */
  noteFork({ head, otherHeads }: Pick<DirectoryState, "head" | "otherHeads">): boolean {
    const heads = head === undefined ? [] : [head, ...otherHeads];
    const detail = `directory ${heads.join(" ")}`;
    const open = this.#list.find((alarm) => alarm.heads !== undefined && alarm.endedAtMs === undefined);
    const isOpen = heads.length > 1;
    if (open === undefined ? !isOpen : isOpen && open.detail === detail) return false;
    const atMs = this.#nowMs();
    if (open === undefined)
      this.#list = [...this.#list, { kind: "fork" as const, atMs, detail, heads }].slice(-maxAlarms);
    else {
      const next = isOpen ? { ...open, heads, detail } : { ...open, endedAtMs: atMs };
      this.#list = this.#list.map((alarm) => (alarm === open ? next : alarm));
    }
    return true;
  }
}
