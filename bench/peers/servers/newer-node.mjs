/** What Evolu takes from a newer Node than the bench asks for, where it is missing. */
import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket;
Set.prototype.difference ??= function difference(other) {
  return new Set([...this].filter((item) => !other.has(item)));
};
