/** Connecting a device nearby: two texts or codes, shown on one device and taken by the other, with no server in between. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { PeerAnswer, PeerOffer, Tenant } from "cofferdb";
import { CopyBox } from "../parts/copy-box.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { PasteField } from "../parts/field.tsx";
import { QrCode } from "../parts/qr-code.tsx";
import { useAction } from "../state/action.ts";
import { nearby, watchNearby, type NearbyDevice } from "../state/nearby.ts";
import { isOwnKey, memberName } from "../state/space.ts";

const phases = {
  connecting: "connecting",
  syncing: "bringing each other what is new",
  live: "up to date",
  closed: "closed",
} as const;

/** The panel: begin on this device, or answer another one. */
export function Nearby({ tenant }: { readonly tenant: Tenant }) {
  const way = useSignal<"none" | "offer" | "answer">("none");
  return (
    <section class="panel" aria-labelledby="nearby-title" data-testid="nearby">
      <h2 id="nearby-title">Connect a device nearby</h2>
      <p class="hint">
        Two devices of this space can bring each other everything directly. Each shows the other a text; both
        prove that they are members' devices before anything else is sent.
      </p>
      <div role="status">
        {nearby.value.length === 0 ? null : (
          <ul class="plain">
            {nearby.value.map((device) => (
              <Linked key={device.link.peer?.device} device={device} />
            ))}
          </ul>
        )}
      </div>
      {way.value === "none" ? (
        <div class="actions">
          <button type="button" class="button" onClick={() => (way.value = "offer")}>
            Begin on this device
          </button>
          <button type="button" class="button" onClick={() => (way.value = "answer")}>
            Answer another device
          </button>
        </div>
      ) : null}
      {way.value === "offer" ? <Offer tenant={tenant} onDone={() => (way.value = "none")} /> : null}
      {way.value === "answer" ? <Answer tenant={tenant} onDone={() => (way.value = "none")} /> : null}
    </section>
  );
}

interface StepProps {
  readonly tenant: Tenant;
  readonly onDone: () => void;
}

function Linked({ device: { link, phase } }: { readonly device: NearbyDevice }) {
  const disconnect = useAction(async () => link.disconnect());
  const user = link.peer?.user ?? "";
  return (
    <li>
      Connected with {isOwnKey(user) ? "another device of yours" : memberName(user)}: {phases[phase]}.{" "}
      <button
        type="button"
        class="button button-plain"
        disabled={disconnect.isBusy.value}
        onClick={() => disconnect.run()}
      >
        Disconnect
      </button>
    </li>
  );
}

function Offer({ tenant, onDone }: StepProps) {
  const offer = useSignal<PeerOffer | undefined>(undefined);
  const answer = useSignal("");
  const begin = useAction(async () => {
    const { keep, onStatus } = watchNearby();
    const made = await tenant.offerPeer({ onStatus });
    offer.value = {
      ...made,
      accept: async (text) => {
        const link = await made.accept(text);
        keep(link);
        return link;
      },
    };
  });
  const accept = useAction(async () => {
    await offer.peek()?.accept(answer.peek());
    offer.value = undefined;
    onDone();
  });
  useEffect(() => {
    begin.run();
    return () => offer.peek()?.cancel();
  }, []);
  const text = offer.value?.text;
  return (
    <form
      class="form"
      aria-label="Begin on this device"
      onSubmit={(event) => {
        event.preventDefault();
        accept.run();
      }}
    >
      <ErrorNote error={begin.error} />
      {text === undefined ? null : (
        <>
          <CopyBox label="Text for the other device" text={text} testId="peer-offer" />
          <QrCode text={text} label="Text for the other device as a QR code" />
          <PasteField
            label="Answer of the other device"
            value={answer}
            hint="On the other device choose “Answer another device”. The text is good for ten minutes."
          />
        </>
      )}
      <ErrorNote error={accept.error} />
      <div class="actions">
        <button
          type="submit"
          class="button button-main"
          disabled={text === undefined || answer.value.trim() === "" || accept.isBusy.value}
        >
          {accept.isBusy.value ? "Connecting…" : "Connect"}
        </button>
        <button type="button" class="button button-plain" onClick={onDone}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function Answer({ tenant, onDone }: StepProps) {
  const offer = useSignal("");
  const answer = useSignal<PeerAnswer | undefined>(undefined);
  const reply = useAction(async () => {
    const { keep, onStatus } = watchNearby();
    const made = await tenant.answerPeer(offer.peek(), { onStatus });
    answer.value = made;
    made.connected.then(
      (link) => {
        keep(link);
        answer.value = undefined;
        onDone();
      },
      () => undefined,
    );
  });
  const wait = useAction(async () => void (await answer.peek()?.connected));
  useEffect(() => {
    if (answer.value !== undefined) wait.run();
  }, [answer.value]);
  useEffect(() => () => answer.peek()?.cancel(), []);
  const made = answer.value;
  return (
    <form
      class="form"
      aria-label="Answer another device"
      onSubmit={(event) => {
        event.preventDefault();
        reply.run();
      }}
    >
      {made === undefined ? (
        <PasteField
          label="Text of the other device"
          value={offer}
          hint="What the other device shows after “Begin on this device”."
        />
      ) : (
        <>
          <p role="status">
            This is from {isOwnKey(made.peer.user) ? "another device of yours" : memberName(made.peer.user)}.
            Waiting until your answer is taken there.
          </p>
          <CopyBox label="Answer for the other device" text={made.text} testId="peer-answer" />
          <QrCode text={made.text} label="Answer for the other device as a QR code" />
        </>
      )}
      <ErrorNote error={reply.error} />
      <ErrorNote error={wait.error} />
      <div class="actions">
        {made === undefined ? (
          <button
            type="submit"
            class="button button-main"
            disabled={offer.value.trim() === "" || reply.isBusy.value}
          >
            {reply.isBusy.value ? "Answering…" : "Answer"}
          </button>
        ) : null}
        <button type="button" class="button button-plain" onClick={onDone}>
          Cancel
        </button>
      </div>
    </form>
  );
}
