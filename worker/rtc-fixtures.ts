/**
 * WebRTC in one process, for tests. Connections find each other by what their descriptions say, as browsers do: the user fragments lead
 * there, the passwords let in, and the channel opens only under the very certificates that were named.
 */
import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach } from "vitest";
import { createChannels, type TestChannel } from "../src/sync/data-channel-fixtures.ts";

interface Description {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

const connections = new Set<TestConnection>();

const lineOf = (sdp: string | undefined, name: string): string | undefined =>
  new RegExp(`^a=${name}:(.*)$`, "m").exec(sdp?.replaceAll("\r", "") ?? "")?.[1];

/** A connection as a browser has it, with the description of a Chromium. */
class TestConnection extends EventTarget {
  connectionState = "new";
  iceGatheringState = "new";
  localDescription: Description | null = null;
  remote: Description | undefined;
  channel: TestChannel | undefined;
  readonly #user = randomBytes(3).toString("base64");
  readonly #password = randomBytes(18).toString("base64");
  readonly #certificate = createHash("sha256").update(randomBytes(16)).digest("hex").toUpperCase();

  constructor() {
    super();
    connections.add(this);
  }

  createDataChannel(): TestChannel {
    [this.channel] = createChannels();
    return this.channel;
  }

  async setLocalDescription(): Promise<void> {
    const type = this.remote === undefined ? "offer" : "answer";
    const lines = [
      "v=0",
      "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
      "s=-",
      "t=0 0",
      "a=group:BUNDLE 0",
      "a=extmap-allow-mixed",
      "a=msid-semantic: WMS",
      "m=application 53211 UDP/DTLS/SCTP webrtc-datachannel",
      "c=IN IP4 192.0.2.7",
      "a=candidate:2064216431 1 udp 2122260223 192.0.2.7 53211 typ host generation 0 network-id 1 network-cost 10",
      "a=candidate:3098175849 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active generation 0 network-id 1",
      `a=ice-ufrag:${this.#user}`,
      `a=ice-pwd:${this.#password}`,
      "a=ice-options:trickle",
      `a=fingerprint:sha-256 ${(this.#certificate.match(/../g) ?? []).join(":")}`,
      `a=setup:${type === "offer" ? "actpass" : "active"}`,
      "a=mid:0",
      "a=sctp-port:5000",
      "a=max-message-size:262144",
    ];
    setTimeout(() => {
      this.localDescription = { type, sdp: `${lines.join("\r\n")}\r\n` };
      this.iceGatheringState = "complete";
      this.dispatchEvent(new Event("icegatheringstatechange"));
      this.#meet();
    });
  }

  async setRemoteDescription(description: Description): Promise<void> {
    if (this.remote !== undefined) throw new DOMException("stable", "InvalidStateError");
    if (lineOf(description.sdp, "mid") !== "0") throw new DOMException("sdp", "OperationError");
    this.remote = description;
    this.#meet();
  }

  #meet(): void {
    for (const other of connections)
      if (other !== this && this.knows(other) && other.knows(this) && !this.isOver && !other.isOver)
        join(this, other);
  }

  get isOver(): boolean {
    return this.connectionState === "closed" || this.connectionState === "connected";
  }

  knows(other: TestConnection): boolean {
    const [told, known] = [other.localDescription?.sdp, this.remote?.sdp];
    return (
      told !== undefined &&
      ["ice-ufrag", "ice-pwd", "fingerprint"].every((name) => lineOf(told, name) === lineOf(known, name))
    );
  }

  close(): void {
    this.connectionState = "closed";
    connections.delete(this);
    this.channel?.break();
    this.channel?.other?.break();
  }
}

function join(one: TestConnection, two: TestConnection): void {
  const [a, b] = [one.channel, two.channel];
  if (a === undefined || b === undefined) return;
  a.other = b;
  b.other = a;
  one.connectionState = two.connectionState = "connected";
  a.open();
  b.open();
}

/** Give each test of a file a browser with WebRTC. */
export function connectEachTest(): { readonly count: () => number } {
  const world = globalThis as { RTCPeerConnection?: unknown };
  beforeEach(() => {
    world.RTCPeerConnection = TestConnection;
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    delete world.RTCPeerConnection;
  });
  return { count: () => connections.size };
}
