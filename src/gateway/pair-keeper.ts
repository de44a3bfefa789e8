/** Pairs of SAs between engine, director and data plane: installed, moved, taken out, and what follows for their tunnels. */
import { childChanges } from "#config/diff/fates";
import { ConfigError } from "#core/errors";
import type { IkeReport } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { EndCause, IkeEffect, IkeInput, NegotiatedChild } from "#ike/effects";
import { wipeChildKeys } from "#ike/keymat";
import { childPolicyName } from "./child-policies.ts";
import { childSpecOf, keepaliveOf } from "./child-spec.ts";
import type { ChildStarts } from "./child-starts.ts";
import type { TotalsOfChildren } from "./child-totals.ts";
import type { ControlCommands } from "./control-commands.ts";
import type { ControlEffect, ControlWorld } from "./control-doors.ts";
import type { DirectorEffect, DirectorInput } from "./director-doors.ts";
import type { Installed, InstalledPairs } from "./installed-pairs.ts";
import { KeyRates, type KeyRatesState } from "./key-rate.ts";
import type { RekeyDirector } from "./rekey-director.ts";
import { laneLimits, pairLimits } from "./rekey-timing.ts";
import { retiredReport } from "./retired-report.ts";
import type { Tunnels } from "./tunnels.ts";

/** What the pairs reach of their control. */
export interface KeeperParts {
  readonly world: ControlWorld;
  readonly director: RekeyDirector;
  readonly starts: ChildStarts;
  readonly commands: ControlCommands;
  readonly tunnels: Tunnels;
  readonly pairs: InstalledPairs;
  readonly totals: TotalsOfChildren;
  engine(input: IkeInput, now: Millis): void;
  direct(input: DirectorInput, now: Millis): void;
  /** The child has a pair: it does not go in clear any more. */
  secured(name: string, now: Millis): void;
  setPolicies(): void;
  tell(...effects: readonly ControlEffect[]): void;
}

export interface KeeperState {
  readonly ending: ReadonlySet<number>;
  readonly renewing: ReadonlyMap<number, string>;
  readonly keyRates: KeyRatesState;
}

export class PairKeeper {
  /** Pairs that an operator or another configuration ends: nothing brings them back. */
  readonly ending: Set<number> = new Set();
  /** Pairs whose child is to start as at first once they are gone, by the child's name. */
  readonly #renewing = new Map<number, string>();
  readonly #keyRates: KeyRates = new KeyRates();
  readonly #parts: KeeperParts;
  #whyLost: "operator" | "close" | "dpd" = "close";

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** The pair ends because its child is configured in another way, and begins anew. */
  renew(id: number, name: string): void {
    this.ending.add(id);
    this.#renewing.set(id, name);
  }

  freeze(): KeeperState {
    return { ending: this.ending, renewing: this.#renewing, keyRates: this.#keyRates.freeze() };
  }

  thaw({ ending, renewing, keyRates }: KeeperState): void {
    for (const id of ending) this.ending.add(id);
    for (const [id, name] of renewing) this.#renewing.set(id, name);
    this.#keyRates.thaw(keyRates);
  }

  install({ child, outbound }: Extract<IkeEffect, { kind: "install-child-sa" }>, now: Millis): void {
    const { tunnels, pairs, director, starts, commands } = this.#parts;
    const use = outbound === "use";
    const name = childPolicyName(child.connection, child.child);
    const connection = tunnels.connection(child.connection);
    const config = connection?.children.find((one) => one.name === child.child);
    if (connection === undefined || config === undefined) {
      this.#refuse(child, "it is not configured any more", now);
      return;
    }
    if (childChanges(child.config, config)?.fate === "renewed") {
      this.renew(child.id, name);
      this.#refuse(child, "it is configured in another way by now", now);
      return;
    }
    this.#parts.secured(name, now);
    const former = pairs.get(child.replaces);
    const found = former === undefined ? tunnels.find(child) : { tunnel: former.tunnel, isNew: false };
    if (found.isNew) this.#parts.setPolicies();
    const { tunnel } = found;
    const { plane, random, pathMtu } = this.#parts.world;
    const limits = pairLimits(config.lifetime, child.esn, random, now, child.agreedLifetime);
    const spec = childSpecOf(child, config, tunnel.policy, laneLimits(limits, now), plane.lanes, pathMtu(child.remote));
    let installed: ReturnType<typeof plane.install>;
    this.#parts.world.keys?.child(child, child.remote.address.family);
    try {
      installed = plane.install(spec, use);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#refuse(child, error.message, now);
      return;
    } finally {
      wipeKeys(child);
    }
    const { id, local, remote, localSelectors, remoteSelectors, initiator, took, trigger, replaces } = child;
    const facts = { local, remote, localSelectors, remoteSelectors };
    const pair = { id, plane: installed.child.id, sas: installed.child, tunnel, facts, updown: config.updown };
    pairs.add(pair, installed.command);
    const isFirst = director.family(tunnel.policy)?.current === undefined;
    const probeAfter = connection.dpdDelay;
    const { policy: family } = tunnel;
    const made = { family, replaces, use, initiator, outbound, took, limits, trigger, probeAfter };
    this.#parts.direct({ kind: "installed", id, ...made }, now);
    if (isFirst) this.#tell(pair, "up");
    if (replaces === undefined) starts.up(name);
    const warning = this.#keyRates.made(name, connection, now);
    if (warning !== undefined) this.#report(warning);
    this.#parts.tell(...commands.happened(`up ${name}`));
    if (replaces !== undefined) this.#parts.tell(...commands.happened(`rekeyed ${replaces}`));
  }

  #refuse(child: NegotiatedChild, why: string, now: Millis): void {
    wipeKeys(child);
    const text = `${child.connection}/${child.child}: the pair that was agreed on cannot be installed: ${why}`;
    this.#report({ kind: "warning", text });
    for (const { inbound } of child.outerAh === undefined ? [child] : [child, child.outerAh])
      this.#parts.world.plane.spis.giveBack(inbound.spi);
    this.#parts.engine({ kind: "delete-child", id: child.id, reason: why }, now);
  }

  remove({ id, drain, cause }: { id: number; drain: boolean; cause: EndCause }, now: Millis): void {
    const { starts, commands } = this.#parts;
    this.#whyLost = this.ending.delete(id) ? "operator" : cause;
    this.#parts.direct({ kind: "removed", id, drain }, now);
    this.#parts.tell(...commands.happened(`gone ${id}`));
    const renewed = this.#renewing.get(id);
    this.#renewing.delete(id);
    if (renewed !== undefined) starts.renew(renewed, now);
  }

  move({ id, local, remote, encapsulation, behindNat }: Extract<IkeEffect, { kind: "move-child-sa" }>): void {
    const { pairs, world } = this.#parts;
    const pair = pairs.get(id);
    if (pair === undefined) return;
    const pathMtu = world.pathMtu(remote);
    const keepaliveInterval = keepaliveOf(behindNat);
    world.plane.move(pair.plane, { local, remote, encapsulation, keepaliveInterval, pathMtu });
  }

  obey(effect: DirectorEffect, now: Millis): void {
    const { pairs } = this.#parts;
    const { plane } = this.#parts.world;
    switch (effect.kind) {
      case "use":
      case "prove":
      case "retire":
      case "succeed": {
        const pair = pairs.get(effect.id);
        if (pair === undefined) return;
        if (effect.kind === "use") plane.use(pair.plane);
        else if (effect.kind === "prove") plane.prove(pair.plane);
        else if (effect.kind === "retire") plane.retire(pair.plane);
        else plane.succeed(pair.plane, pairs.get(effect.successor)?.plane);
        return;
      }
      case "discard":
        this.#discard(effect.id);
        break;
      case "rekey":
        this.#parts.engine({ kind: "rekey-child", id: effect.id, trigger: effect.trigger }, now);
        break;
      case "delete":
        this.#parts.engine({ kind: "delete-child", id: effect.id, reason: effect.reason }, now);
        break;
      case "heard":
        this.#parts.engine({ kind: "heard", id: effect.id }, now);
        break;
      case "lost":
        this.#lost(effect.id, now);
        break;
      default:
        effect satisfies never;
    }
  }

  #discard(id: number): void {
    const { pairs, director, tunnels, totals, world } = this.#parts;
    const pair = pairs.get(id);
    if (pair === undefined) return;
    const { policy } = pair.tunnel;
    const family = director.family(policy);
    pairs.remove(pair);
    this.#report(retiredReport(pair.tunnel, pair.sas, world.plane.usage(pair.plane)));
    totals.retire(pair.tunnel, world.plane.counters(pair.plane));
    world.plane.remove(pair.plane);
    if (family?.isEmpty !== true) return;
    const dropped = tunnels.drop(policy);
    if (dropped || tunnels.tunnel(policy) === undefined) director.forget(policy);
    if (dropped) this.#parts.setPolicies();
  }

  #lost(id: number, now: Millis): void {
    const { pairs, starts } = this.#parts;
    const pair = pairs.get(id);
    if (pair === undefined) return;
    this.#tell(pair, "down");
    starts.lost(childPolicyName(pair.tunnel.connection, pair.tunnel.child), this.#whyLost, now);
  }

  /** The program that was told of its coming is told of its going. */
  #tell({ tunnel, facts, updown }: Installed, state: "up" | "down"): void {
    const { connection, child } = tunnel;
    this.#parts.tell({ kind: "tunnel", state, connection, child, updown, ...facts });
  }

  #report(report: IkeReport): void {
    this.#parts.tell({ kind: "report", report });
  }
}

function wipeKeys(child: NegotiatedChild): void {
  wipeChildKeys(child);
  if (child.outerAh !== undefined) wipeChildKeys(child.outerAh);
}
