/** What the runner may ask of a page whose tasks travel, by name. */
import type { Place } from "./sync-peer.ts";

export interface SyncBench {
  found(peerName: string, place: Place): Promise<void>;
  ask(peerName: string, place: Place): Promise<string>;
  invite(request: string): Promise<string>;
  join(peerName: string, place: Place, invitation: string): Promise<void>;
  /** @returns when it began, in milliseconds since 1970 */
  add(count: number, seed: number): Promise<number>;
  /** @returns when so many tasks were there, in milliseconds since 1970 */
  until(count: number): Promise<number>;
  /** @returns the bytes of so many tasks as JSON in UTF-8 */
  plainBytes(count: number, seed: number): number;
  close(): Promise<void>;
}
