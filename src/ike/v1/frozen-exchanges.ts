/** Phase 2 exchanges under way as plain data. Those that wait for a job's result cannot go over: it comes to this process. */
import type { Connection } from "#core/connection";
import { copyOctets, wipe } from "#crypto/octets";
import { type FrozenChildConfig, freezeChildConfig, thawChildConfig } from "#ike/frozen-names";
import { thawed } from "./frozen-pairs.ts";
import { type FrozenQuickTask, freezeQuickTask, type Named, pairOfTask, thawQuickTask } from "./frozen-tasks.ts";
import type { Pair } from "./pairs.ts";
import type { ExchangeOf, Nonces, Phase2Exchange, QuickOffer } from "./phase2-state.ts";

export type FrozenExchange =
  | (Omit<ExchangeOf<"AwaitMessage2">, "task" | "offer"> & {
      readonly task: FrozenQuickTask;
      readonly offer: Omit<QuickOffer, "config"> & { readonly config: FrozenChildConfig };
    })
  | { readonly kind: "AwaitConnected"; readonly pair: number }
  | ({ readonly kind: "AwaitMessage3"; readonly pair: number; readonly commit: boolean } & Nonces)
  | ExchangeOf<"AwaitAcknowledgement">;

/** The pair it is about. */
export function pairOfExchange(exchange: Phase2Exchange): Pair | undefined {
  if ("pair" in exchange) return exchange.pair;
  return exchange.kind === "AwaitMessage2" ? pairOfTask(exchange.task) : undefined;
}

/** undefined: it waits for a job. */
export function freezeExchange(connection: Connection, exchange: Phase2Exchange): FrozenExchange | undefined {
  switch (exchange.kind) {
    case "AwaitMessage2": {
      const { task, offer, nonce, ke } = exchange;
      return {
        ...exchange,
        task: freezeQuickTask(connection, task),
        offer: { ...offer, config: freezeChildConfig(connection, offer.config) },
        nonce: copyOctets(nonce),
        ke: ke && { ...ke, privateKey: copyOctets(ke.privateKey) },
      };
    }
    case "AwaitConnected":
      return { ...exchange, pair: exchange.pair.id };
    case "AwaitMessage3":
      return { ...exchange, ...copied(exchange), pair: exchange.pair.id };
    case "AwaitAcknowledgement":
      return { ...exchange, nonce: copyOctets(exchange.nonce) };
    case "GeneratingKe":
    case "AgreeingKe":
    case "RespondingKe":
      return undefined;
    default:
      return exchange satisfies never;
  }
}

/** Shares no secret with what was frozen. */
export function thawExchange(named: Named, frozen: FrozenExchange): Phase2Exchange {
  const { connection, pairs } = named;
  switch (frozen.kind) {
    case "AwaitMessage2": {
      const { task, offer, nonce, ke } = frozen;
      return {
        ...frozen,
        task: thawQuickTask(named, task),
        offer: { ...offer, config: thawChildConfig(connection, offer.config) },
        nonce: copyOctets(nonce),
        ke: ke && { ...ke, privateKey: copyOctets(ke.privateKey) },
      };
    }
    case "AwaitConnected":
      return { ...frozen, pair: thawed(pairs, frozen.pair) };
    case "AwaitMessage3":
      return { ...frozen, ...copied(frozen), pair: thawed(pairs, frozen.pair) };
    case "AwaitAcknowledgement":
      return { ...frozen, nonce: copyOctets(frozen.nonce) };
    default:
      return frozen satisfies never;
  }
}

function copied({ initiatorNonce, responderNonce }: Nonces): Nonces {
  return { initiatorNonce: copyOctets(initiatorNonce), responderNonce: copyOctets(responderNonce) };
}

export function wipeFrozenExchange(frozen: FrozenExchange): void {
  if ("nonce" in frozen) wipe(frozen.nonce);
  if (frozen.kind === "AwaitMessage2" && frozen.ke !== undefined) wipe(frozen.ke.privateKey);
  if (frozen.kind === "AwaitMessage3") wipe(frozen.initiatorNonce, frozen.responderNonce);
}
