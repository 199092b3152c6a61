/**
 * What two browsers tell each other so that a data channel of WebRTC comes about: of a session description (RFC 8866) only what differs
 * from one to the next. The rest is always the same, and is put around it again.
 *
 * | field | form |
 * |---|---|
 * | u | the ICE user fragment: 4 to 256 of `A-Z a-z 0-9 + /` (RFC 8839, ice-char) |
 * | p | the ICE password: 22 to 256 of the same |
 * | f | SHA-256 of the certificate that the channel is encrypted under: 64 hex digits |
 * | c | at most 16 ways to reach it, each as its `candidate` attribute says it, at most 200 characters, without extensions |
 *
 * It comes from another member's device at best, so it is read field by field: nothing else of it reaches the browser's parser.
 */
export interface RtcSignal {
  readonly u: string;
  readonly p: string;
  readonly f: string;
  readonly c: readonly string[];
}

const maxCandidates = 16;
const user = /^[\w+/]{4,256}$/;
const password = /^[\w+/]{22,256}$/;
const fingerprint = /^[\da-f]{64}$/;
const candidate =
  /^[\w+/]{1,32} [12] (?:udp|tcp) \d{1,10} [\w.:-]{1,128} \d{1,5} typ (?:host|srflx|prflx|relay)(?: raddr [\w.:-]{1,128} rport \d{1,5})?(?: tcptype (?:active|passive|so))?/i;
const maxCandidateChars = 200;
/** of all of them: what is said fits one whisper */
const maxCandidatesChars = 1300;

/** Read what a browser says of itself; `undefined` for a description of something else. */
export function signalOf(sdp: string): RtcSignal | undefined {
  const lines = sdp.split(/\r?\n/);
  const valuesOf = (name: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));
  const [hash = ""] = valuesOf("fingerprint").flatMap((line) => /^sha-256 (\S+)$/i.exec(line)?.[1] ?? []);
  const found = new Set(valuesOf("candidate").flatMap((line) => candidate.exec(line)?.[0] ?? []));
  let leftChars = maxCandidatesChars;
  const told = [...found].filter((one) => one.length <= maxCandidateChars && (leftChars -= one.length) >= 0);
  return parseSignal({
    u: valuesOf("ice-ufrag")[0],
    p: valuesOf("ice-pwd")[0],
    f: hash.replaceAll(":", "").toLowerCase(),
    c: told.slice(0, maxCandidates),
  });
}

/** Read what another device sent; `undefined` for anything else. Never throws. */
export function parseSignal(value: unknown): RtcSignal | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { u, p, f, c } = value as Readonly<Record<string, unknown>>;
  const isText = (text: unknown, form: RegExp): text is string => typeof text === "string" && form.test(text);
  if (!isText(u, user) || !isText(p, password) || !isText(f, fingerprint)) return undefined;
  if (!Array.isArray(c) || c.length > maxCandidates) return undefined;
  const candidates = c.filter(
    (one: unknown): one is string =>
      isText(one, candidate) && one.length <= maxCandidateChars && candidate.exec(one)?.[0] === one,
  );
  return candidates.length === c.length ? { u, p, f, c: candidates } : undefined;
}

/** Put the rest of a description around it again, as the one who offers or the one who answers. */
export function sdpOf({ u, p, f, c }: RtcSignal, kind: "offer" | "answer"): string {
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    ...c.map((one) => `a=candidate:${one}`),
    `a=ice-ufrag:${u}`,
    `a=ice-pwd:${p}`,
    `a=fingerprint:sha-256 ${(f.toUpperCase().match(/../g) ?? []).join(":")}`,
    `a=setup:${kind === "offer" ? "actpass" : "active"}`,
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
  ];
  return `${lines.join("\r\n")}\r\n`;
}
