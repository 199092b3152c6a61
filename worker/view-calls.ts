/** The calls about views. */
import { CofferError } from "../src/std/index.ts";
import type { LiveView } from "../src/tenant/index.ts";
import type { WorkerHost } from "./host.ts";
import { readNatural } from "./page-messages.ts";
import type { ViewCalls } from "./view-api.ts";
import {
  readQuestion,
  readTurn,
  readView,
  readViewDefinition,
  readViewSearch,
  readWindow,
} from "./view-messages.ts";

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
      const view = requireView(host, subscription);
      if (view.kept.isShown) await view.kept.whole();
      await view.update(read);
    },

    async cancelView(subscription) {
      const view = host.views.find(subscription);
      if (view?.kept.isShown === true) await view.kept.whole();
      view?.cancel();
    },

    async moveView(subscription, from, count) {
      const window = readWindow(from, count);
      const view = host.views.find(subscription);
      if (view?.kept.isShown === true) await view.kept.whole();
      view?.move(window.from, window.count);
    },

    async turnView(subscription, turn) {
      const read = readTurn(turn);
      const view = requireView(host, subscription);
      if (view.kept.isShown) await view.kept.whole();
      return view.turn(read);
    },

    async askView(subscription, question) {
      const read = readQuestion(question);
      const view = requireView(host, subscription);
      if (view.kept.isShown) await view.kept.whole();
      return view.ask(read);
    },

    async searchView(subscription, search) {
      const read = readViewSearch(search);
      const view = requireView(host, subscription);
      if (view.kept.isShown) await view.kept.whole();
      view.search.set(read);
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
