/** The calls about views. */
import { CofferError } from "../src/std/index.ts";
import type { LiveView } from "../src/tenant/index.ts";
import type { WorkerHost } from "./host.ts";
import { readNatural } from "./page-messages.ts";
import type { ViewCalls } from "./view-api.ts";
import { readQuestion, readTurn, readView, readViewDefinition, readWindow } from "./view-messages.ts";

/** Answer the calls about views. */
export function viewCalls(host: WorkerHost): ViewCalls {
  return {
    async openView(message, subscription) {
      const read = readView(message);
      readNatural(subscription, "subscription");
      const { world } = await host.ready();
      host.views.open(world.env, { ...read, subscription });
    },

    async updateView(subscription, definition) {
      const read = readViewDefinition(definition);
      await requireView(host, subscription).update(read);
    },

    async cancelView(subscription) {
      host.views.find(subscription)?.cancel();
    },

    async moveView(subscription, from, count) {
      const window = readWindow(from, count);
      host.views.find(subscription)?.move(window.from, window.count);
    },

    async turnView(subscription, turn) {
      const read = readTurn(turn);
      return requireView(host, subscription).turn(read);
    },

    async askView(subscription, question) {
      const read = readQuestion(question);
      return requireView(host, subscription).ask(read);
    },

    async closeView(subscription) {
      host.views.close(subscription);
    },
  };
}

function requireView(host: WorkerHost, subscription: number): LiveView {
  const view = host.views.find(subscription);
  if (view === undefined) throw new CofferError("store/closed");
  return view;
}
