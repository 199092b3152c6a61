/**
 * Questions and answers between two peers on one channel: both show that they know the tenant, then one asks and the other answers.
 *
 * ```
 *  both            HELLO version, nonce               ►◄
 *  both            PEER  proof                        ►◄   SHA-256("coffer/peer/v1\0" ‖ tenantId ‖ own nonce ‖ the other's nonce)
 *  lower nonce     a question, END ─────────────────►
 *                                ◄────── an answer, END
 *                  NOTE ────────────────────────────►      everything was asked
 *                                ◄────────────── NOTE      something is new here
 *  both            FILES, HELD, WANT, CHUNK           ►◄   contents of files, at any time: see peer-files.ts
 * ```
 *
 * Guarantees
 * - L1 nothing of a tenant is told to who does not know its id: neither what is here, nor that it is
 * - L2 one question at a time, and neither it nor its answer over {@link peerLimits}; where one is
 *      due, 20 s of silence are the end. Who asks on without reading any answer ends the channel: C5 of std/peer-channel.ts
 * - L3 it never throws where nobody waits; whatever the other says, the talk goes on or ends, once, with a code
 */
import {
  ByteWriter,
  CofferError,
  compareBytes,
  equalBytes,
  idToBytes,
  toCofferError,
  utf8ToBytes,
  type CofferErrorCode,
  type Env,
  type PeerChannel,
  type Release,
  type TenantId,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { encodeFileFrame, fileBodyReader, type FileFrame } from "./file-frames.ts";
import { createFrameReader, encodeFrames } from "./frames.ts";
import { protocolVersion, type Frame } from "./messages.ts";
import { peerLimits } from "./peer-limits.ts";

/** What a talk is held over. */
export interface PeerTalkOptions {
  readonly crypto: Pick<Verifier, "sha256" | "randomBytes">;
  readonly env: Pick<Env, "setTimer">;
  readonly channel: PeerChannel;
  readonly tenantId: TenantId;
}

/** What a talk tells its owner. */
export interface PeerTalkListener {
  /** The other side knows the tenant; from now on this side asks or answers. */
  onProven(role: "asks" | "answers"): void;
  /** Answer a question; the END of either is not in it. */
  answer(question: readonly Frame[]): Promise<readonly Frame[]>;
  onNote(): void;
  /** Something about contents of files. */
  onFile(frame: FileFrame): void;
  /** Called once; `undefined`: either side closed. */
  onEnd(code: CofferErrorCode | undefined): void;
}

const silenceMs = 20_000;
const proofDomain = utf8ToBytes("coffer/peer/v1\0");

/** One talk, from its greeting to its end. */
export class PeerTalk {
  readonly moved = { sentBytes: 0, receivedBytes: 0 };
  readonly #options: PeerTalkOptions;
  readonly #listener: PeerTalkListener;
  readonly #nonce: Uint8Array<ArrayBuffer>;
  readonly #reader = createFrameReader(fileBodyReader);
  readonly #releases: readonly Release[];
  #theirNonce: Uint8Array = new Uint8Array(0);
  #state: "hello" | "proof" | "asks" | "answers" | "ended" = "hello";
  /** the frames of a message whose END has not come, and their bytes */
  #message: { frames: Frame[]; sizeBytes: number } = { frames: [], sizeBytes: 0 };
  #asked: { resolve: (frames: readonly Frame[]) => void; reject: (error: Error) => void } | undefined;
  #isAnswering = false;
  #stopSilence: Release = () => undefined;

  constructor(options: PeerTalkOptions, listener: PeerTalkListener) {
    this.#options = options;
    this.#listener = listener;
    this.#nonce = options.crypto.randomBytes(16);
    this.#post([{ type: "hello", version: protocolVersion, replicaId: this.#nonce }]);
    this.#expect();
    const { channel } = options;
    this.#releases = [
      channel.onClose(() => this.end(undefined)),
      channel.onMessage((message) => this.#take(message)),
    ];
  }

  /** Ask the other side. @returns the answer; its last frame is END @throws why the talk ended, `aborted` when it was wanted */
  ask(question: readonly Frame[]): Promise<readonly Frame[]> {
    return new Promise((resolve, reject) => {
      if (this.#state !== "asks") return reject(new CofferError("aborted"));
      this.#asked = { resolve, reject };
      this.#expect();
      this.#post([...question, { type: "end", more: false }]);
    });
  }

  /** Say that something is new here, or that everything was asked. */
  note(): void {
    if (this.#state === "asks" || this.#state === "answers") this.#post([{ type: "note" }]);
  }

  /** Say something about contents of files. */
  sayFile(frame: FileFrame): void {
    if (this.#state === "asks" || this.#state === "answers") this.#send(encodeFileFrame(frame));
  }

  /** End it; the other side is told the code, if there is one. */
  end(code: CofferErrorCode | undefined): void {
    if (this.#state === "ended") return;
    if (code !== undefined) this.#post([{ type: "error", code, retryAfterMs: 0 }]);
    this.#finish(code);
  }

  #finish(code: CofferErrorCode | undefined): void {
    // A channel may break by the very word that ends it.
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#stopSilence();
    for (const release of this.#releases ?? []) release();
    this.#options.channel.close();
    this.#asked?.reject(new CofferError(code ?? "aborted"));
    this.#listener.onEnd(code);
  }

  #post(frames: readonly Frame[]): void {
    this.#send(encodeFrames(frames));
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    this.moved.sentBytes += message.length;
    this.#options.channel.post(message);
  }

  #expect(): void {
    this.#stopSilence();
    this.#stopSilence = this.#options.env.setTimer(silenceMs, () => this.end("net/timeout"));
  }

  #take(chunk: Uint8Array): void {
    this.moved.receivedBytes += chunk.length;
    if (this.#asked !== undefined) this.#expect();
    this.#reader.push(chunk);
    while (this.#state !== "ended") {
      const verdict = this.#reader.next();
      if (verdict.kind === "needs-more") return;
      if (verdict.kind === "malformed") return this.end("protocol/malformed");
      this.#onFrame(verdict.frame, verdict.sizeBytes);
    }
  }

  #onFrame(frame: Frame | FileFrame, sizeBytes: number): void {
    if (frame.type === "error") return this.#finish(frame.code);
    if (this.#state === "hello") return this.#onHello(frame);
    if (this.#state === "proof") return this.#onProof(frame);
    if (frame.type === "note") return this.#listener.onNote();
    if (isFileFrame(frame)) return this.#listener.onFile(frame);
    const message = this.#message;
    message.sizeBytes += sizeBytes;
    // Nobody speaks who was not asked, and nobody asks again before the answer.
    const isDue = this.#state === "answers" ? !this.#isAnswering : this.#asked !== undefined;
    if (!isDue || message.sizeBytes > peerLimits.messageBytes) return this.end("protocol/malformed");
    message.frames.push(frame);
    if (frame.type !== "end") return;
    this.#message = { frames: [], sizeBytes: 0 };
    if (this.#state === "answers") return void this.#reply(message.frames.slice(0, -1));
    this.#stopSilence();
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.resolve(message.frames);
  }

  #onHello(frame: Frame | FileFrame): void {
    if (frame.type !== "hello") return this.end("protocol/malformed");
    if (frame.version !== protocolVersion) return this.end("protocol/version");
    // Whoever sends back what it heard has shown nothing.
    if (equalBytes(frame.replicaId, this.#nonce)) return this.end("protocol/malformed");
    this.#theirNonce = frame.replicaId.slice();
    this.#state = "proof";
    this.#post([{ type: "peer", proof: this.#proofOf(this.#nonce, this.#theirNonce) }]);
  }

  #onProof(frame: Frame | FileFrame): void {
    if (frame.type !== "peer") return this.end("protocol/malformed");
    if (!equalBytes(frame.proof, this.#proofOf(this.#theirNonce, this.#nonce)))
      return this.end("access/denied");
    this.#stopSilence();
    const role = compareBytes(this.#nonce, this.#theirNonce) < 0 ? "asks" : "answers";
    this.#state = role;
    this.#listener.onProven(role);
  }

  #proofOf(own: Uint8Array, other: Uint8Array): Uint8Array {
    const { crypto, tenantId } = this.#options;
    const writer = new ByteWriter(64).fixed(idToBytes(tenantId)).fixed(own).fixed(other);
    return crypto.sha256(proofDomain, writer.toBytes());
  }

  async #reply(question: readonly Frame[]): Promise<void> {
    this.#isAnswering = true;
    try {
      const answer = await this.#listener.answer(question);
      if (this.#state === "ended") return;
      this.#isAnswering = false;
      this.#post(answer.at(-1)?.type === "end" ? answer : [...answer, { type: "end", more: false }]);
    } catch (error) {
      this.end(toCofferError(error, "store/failed").code);
    }
  }
}

function isFileFrame(frame: Frame | FileFrame): frame is FileFrame {
  return ["files", "held", "want", "chunk"].includes(frame.type);
}
