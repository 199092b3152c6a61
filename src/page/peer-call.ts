/** Two devices that find each other by texts that people carry: one offers, the other answers, and a channel opens between them. */
import { CofferError } from "../std/index.ts";
import { linkPeer, type PeerPlace } from "./peer.ts";
import type {
  PeerAnswer,
  PeerCallOptions,
  PeerConnection,
  PeerDevice,
  PeerOffer,
  PeerOptions,
} from "./peer-types.ts";
import { parseSignal, type RtcSignal } from "./rtc-signal.ts";
import { startCall, type RtcCall } from "./rtc.ts";
import { inBackground } from "./session.ts";

/** as long as the texts are good, see tenant/peer-words.ts */
const withinMs = 10 * 60_000;

/** Begin to connect: make the text for the other device. */
export async function offerPeer(place: PeerPlace, options: PeerCallOptions = {}): Promise<PeerOffer> {
  const call = await startCall({ rtc: options.rtc, withinMs });
  const { id, text } = await orClose(
    call,
    place.session.call((api) => api.writePeerWord(place.id, call.signal)),
  );
  return {
    text,
    async accept(answer) {
      const word = await readWord(place, answer, id);
      await call.accept(word.signal);
      return linkCall(place, call, options, word.peer);
    },
    cancel: () => call.close(),
  };
}

/** Answer the text of another device. */
export async function answerPeer(
  place: PeerPlace,
  offer: string,
  options: PeerCallOptions = {},
): Promise<PeerAnswer> {
  const { id, peer, signal } = await readWord(place, offer);
  const call = await startCall({ rtc: options.rtc, withinMs }, signal);
  const { text } = await orClose(
    call,
    place.session.call((api) => api.writePeerWord(place.id, call.signal, id)),
  );
  const connected = linkCall(place, call, options, peer);
  inBackground(connected);
  return { text, peer, connected, cancel: () => call.close() };
}

/** Once its channel is open, link over it. */
export async function linkCall(
  place: PeerPlace,
  call: RtcCall,
  options: PeerOptions,
  peer: PeerDevice,
): Promise<PeerConnection> {
  return orClose(
    call,
    call.opened.then(async (channel) => linkPeer(place, channel, options, peer)),
  );
}

async function orClose<T>(call: RtcCall, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    call.close();
    throw cause;
  }
}

async function readWord(
  { id, session }: PeerPlace,
  given: string,
  to?: string,
): Promise<{ readonly id: string; readonly peer: PeerDevice; readonly signal: RtcSignal }> {
  // What was copied may have been broken into lines.
  const text = given.replace(/\s+/g, "");
  const word = await session.call((api) => api.readPeerWord(id, text, to));
  const signal = parseSignal(word.signal);
  if (signal === undefined) throw new CofferError("input/invalid", { reason: "signal" });
  return { id: word.id, peer: { device: word.device, user: word.user }, signal };
}
