/** What every peer can do whose tasks travel from one browser to another, in its own natural way. */
import type { Task } from "../tasks.ts";

/** Where a device keeps its tasks, and the peer's own server, by its address for plain requests. */
export interface Place {
  readonly name: string;
  readonly serverUrl: string;
}

/** Tasks of one device, connected and in step with the server. */
export interface SyncedTasks {
  /** Add tasks in the form the peer recommends for so many. */
  add(tasks: readonly Task[]): Promise<void>;
  /** resolves when the page can read so many tasks, by the peer's own events */
  until(count: number): Promise<void>;
  close(): Promise<void>;
}

/** The tasks of the device that made them, which lets others in. */
export interface FoundedTasks extends SyncedTasks {
  /** @returns what the other device needs to have the same tasks: a room, an address, keys */
  invite(request: string): Promise<string>;
}

export interface SyncPeer {
  found(place: Place): Promise<FoundedTasks>;
  /** What the other device hands to the first one, where it must ask to be let in. */
  ask?(place: Place): Promise<string>;
  join(place: Place, invitation: string): Promise<SyncedTasks>;
}
