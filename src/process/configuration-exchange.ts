/**
 * Another configuration for a running gateway: taken as a whole, or refused with everything as it was.
 *
 *     what only a restart can change? ─► sockets, routes, rules of the new one: tried ─► in force ─► what nobody needs goes
 *             └─ refused                       └─ refused, taken back
 */
import { adopt, adoptPolicies, secretsOf } from "#config/diff/adopt";
import { configChanges, isSame, NO_CREDENTIALS } from "#config/diff/changes";
import { restartNeeds } from "#config/diff/restart";
import { wipeKeys } from "#config/gateway";
import type { ConfigChanges } from "#core/config-changes";
import type { IkeConfig } from "#core/connection";
import { ConfigError, complaintToText, SystemError } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { wipe } from "#crypto/octets";
import { compileSpd } from "#ipsec/spd-compile";
import type { ClearGuard } from "./clear-guard.ts";
import type { IkeService } from "./ike-service.ts";
import type { GatewayNetwork } from "./network.ts";

/** `why`: nothing has changed. */
export type ExchangeOutcome = { readonly changes: ConfigChanges } | { readonly why: string };

/** Places of keys of section `esplanade` by path, for refusals: "esplanade.lanes" → "hq.conf:4:5". */
export type Places = ReadonlyMap<string, string>;

export interface ExchangeParts {
  readonly network: Pick<GatewayNetwork, "extend">;
  readonly guard: Pick<ClearGuard, "extend" | "listen">;
  readonly ike: Pick<IkeService, "extendPorts" | "reconfigure">;
  /** The TUN is to fit what may be negotiated now. */
  resize(config: GatewayConfig): void;
}

export class ConfigurationExchange {
  readonly #parts: ExchangeParts;
  #running: GatewayConfig;
  #isShut = false;

  constructor(running: GatewayConfig, parts: ExchangeParts) {
    this.#running = running;
    this.#parts = parts;
  }

  /** Its secrets are this object's to wipe, until the gateway has ended. */
  get running(): GatewayConfig {
    return this.#running;
  }

  /** Another process is the gateway: what it runs is not changed here. */
  shut(): void {
    this.#isShut = true;
  }

  /** What `take` would do; `next` stays the caller's. */
  preview(next: GatewayConfig, places?: Places): ExchangeOutcome {
    if (this.#isShut) return { why: "another process goes on with the gateway; ask again" };
    const needs = restartNeeds(this.#running, next, places);
    if (needs.length > 0) return { why: needs.map(complaintToText).join("\n") };
    return { changes: configChanges(this.#running, next) };
  }

  /** The secrets of `next` are not the caller's any more, whatever comes of it. */
  take(next: GatewayConfig, places?: Places): ExchangeOutcome {
    const former = this.#running.ike;
    const outcome = this.preview(next, places);
    if (former === undefined || next.ike === undefined || "why" in outcome) return this.#refused(next, outcome);
    const { ike, doubles, gone } = adopt(former, next.ike);
    if (isSame(former, next.ike, outcome.changes)) {
      wipe(...doubles);
      return outcome;
    }
    const policies = adoptPolicies(this.#running.policies, next.policies);
    const why = this.#exchange({ ...next, policies, ike });
    if (why !== undefined) return this.#refused(next, { why });
    wipe(...doubles, ...gone);
    return outcome;
  }

  #refused(next: GatewayConfig, outcome: ExchangeOutcome): ExchangeOutcome {
    const used = secretsOf(this.#running.ike?.credentials ?? NO_CREDENTIALS);
    const given = secretsOf(next.ike?.credentials ?? NO_CREDENTIALS);
    wipe(...[...given].filter((octets) => !used.has(octets)));
    wipeKeys(next);
    return outcome;
  }

  /** Why it cannot be; undefined = it is in force. */
  #exchange(next: GatewayConfig & { readonly ike: IkeConfig }): string | undefined {
    const { network, guard, ike } = this.#parts;
    const tried: (() => void)[] = [];
    try {
      compileSpd(next.policies, 1);
      tried.push(ike.extendPorts(next.ike));
      tried.push(network.extend(next.policies));
      const guarded = guard.extend(next);
      if (typeof guarded === "string") throw new SystemError("EINVAL", "nft", "rules against clear packets", guarded);
      tried.push(guarded);
    } catch (error) {
      for (const undo of tried.reverse()) undo();
      if (error instanceof SystemError || error instanceof ConfigError) return error.message;
      throw error;
    }
    const { listen, slots } = this.#running;
    // Nothing refuses any more. Room and sockets are what they were at the start.
    this.#running = { ...next, listen, slots };
    guard.listen(this.#running);
    this.#parts.resize(this.#running);
    ike.reconfigure(next.ike, next.policies);
    return undefined;
  }
}
