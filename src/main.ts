/**
 * The gateway process: opens what a configuration asks for, joins control and lanes, and closes in reverse.
 *
 * Order of starting: block (unreachable routes) → TUN → sockets → lanes → policies, SAs → routes into TUN. A failure at any step
 * undoes the steps before it; a block that was there before (after a crash) outlives it.
 */

import { reportLine } from "#control/report-text";
import type { ChildSaSpec } from "#core/child-sa-spec";
import type { Connection, IkeConfig } from "#core/connection";
import { DROP_REASONS } from "#core/drop";
import { LaneEvent } from "#core/event-ring";
import type { IkeReport } from "#core/ike-state";
import type { KeyWatch } from "#core/key-watch";
import type { GatewayConfig, Policy } from "#core/policy";
import { IoCounter } from "#core/slab";
import type { ChildCounters } from "#gateway/child-usage";
import type { IkePort } from "#gateway/control-doors";
import { DataPlane } from "#gateway/data-plane";
import { childMtu } from "#gateway/sa-install";
import type { IkeWorld } from "#ike/effects";
import { IkeEngine } from "#ike/engine";
import { wayTo } from "#io/ike-socket";
import { nativeIo } from "#io/native";
import { monotonicClock } from "#io/system-clock";
import { systemRandom } from "#io/system-random";
import { ownThreadId } from "#io/thread-time";
import { ALL_OFFLOADS, NO_OFFLOADS, openTunDevice, type TunDevice } from "#io/tun-device";
import { SaTable } from "#ipsec/sa";
import { ClearGuard } from "#process/clear-guard";
import { ConfigurationExchange } from "#process/configuration-exchange";
import { Freezing, type GatewayState } from "#process/freezing";
import { smallestChildMtu } from "#process/ike-mtu";
import { IkeService, type IkeServiceSnapshot } from "#process/ike-service";
import { adoptTun, type OpenDescriptors } from "#process/inherited";
import { type LaneReadings, readLanes } from "#process/lane-meter";
import { type LaneListen, openLanes } from "#process/lane-set";
import type { LaneListener, LaneThread } from "#process/lane-thread";
import { GatewayNetwork, SOCKET_MARK } from "#process/network";
import { Opened } from "#process/opened";
import { RecentWays } from "#process/recent-ways";

/** Without SAs nothing bounds the TUN's MTU. */
const DEFAULT_MTU = 1400;
const IPV6_MINIMUM = 1280;
const ETHERNET_MTU = 1500;

/** Nobody replaces manual keys but the operator. */
const LIMITS: ReadonlyMap<number, string> = new Map([
  [LaneEvent.SOFT, "a soft limit: give it new keys soon"],
  [LaneEvent.HARD, "a hard limit and carries nothing more: start again with new keys"],
  [LaneEvent.SEQUENCE_END, "its last sequence number and carries nothing more: start again with new keys"],
]);

export interface GatewayLog {
  info(text: string): void;
  warn(text: string): void;
  /** What IKE reports, as data; its line has gone to the others. */
  report(report: IkeReport): void;
}

export interface GatewaySnapshot {
  readonly children: readonly ChildCounters[];
  /** Reason → packets, of all lanes; reasons that never occurred are left out. */
  readonly drops: Readonly<Record<string, number>>;
  readonly io: Readonly<Record<string, number>>;
  /** undefined: all keys are manual. */
  readonly ike: IkeServiceSnapshot | undefined;
}

/** What a process that takes over is born with, and how it comes by the rest. Until it has let go the former one may go on. */
export interface Inheritance {
  readonly descriptors: OpenDescriptors;
  readonly mtu: number;
  /** nftables guards against clear packets; else rules do. */
  readonly guarded: boolean;
  /** All is there but the state: the former process stands still and gives it. Rejects: there is nothing to take over. */
  prepared(): Promise<GatewayState>;
  /** Lanes have their SAs. Resolves when the former process has let go. */
  thawed(): Promise<void>;
}

/** What another process needs to take this gateway over. */
export interface Handover {
  readonly descriptors: OpenDescriptors;
  readonly guarded: boolean;
  /** Stands still. The state's keys are the caller's to wipe. */
  freeze(): Promise<GatewayState>;
  /** Goes on; harmless where it does. */
  resume(): Promise<void>;
  /** Another process has it: what is open here is closed, and the system stays as it is. */
  letGo(): Promise<void>;
}

export interface Gateway {
  readonly tunName: string;
  /** A reload may change it. */
  readonly mtu: number;
  /** What serves the packets, for people: cipher and offloads of lane 0. */
  readonly description: string;
  /** Resolves with why when the gateway ended by itself, with undefined after `stop`. */
  readonly ended: Promise<string | undefined>;
  /** undefined: all keys are manual. */
  readonly ike: IkeService | undefined;
  /** Takes other configurations; undefined: all keys are manual. */
  readonly exchange: ConfigurationExchange | undefined;
  snapshot(): GatewaySnapshot;
  /** Of all lanes, by reason; reasons that never occurred are left out. */
  drops(): Readonly<Record<string, number>>;
  /** The SPD, in its order. */
  policies(): readonly Policy[];
  /** What lanes count of themselves. */
  readings(): LaneReadings;
  /** Keys of the SAs there are, whose policy is wanted, for who traces. */
  showKeys(watch: Pick<KeyWatch, "child">, isWanted: (policy: string) => boolean): void;
  readonly handover: Handover;
  /** Resolves when every lane has come to its commands once more; never when one does not. */
  turn(): Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** Tests look at what goes in and out. */
  readonly makeEngine?: (world: IkeWorld) => IkePort;
  /** Another process's gateway is taken over; `given` is what that one runs. */
  readonly inheritance?: Inheritance | undefined;
  /** Is shown keys while somebody traces. */
  readonly keys?: KeyWatch;
}

interface Parts {
  readonly inheritance: Inheritance | undefined;
  readonly config: GatewayConfig;
  readonly log: GatewayLog;
  readonly makeEngine: (world: IkeWorld) => IkePort;
  readonly keys: KeyWatch | undefined;
  readonly opened: Opened;
  readonly network: GatewayNetwork;
  readonly guard: ClearGuard;
  readonly ways: RecentWays;
}

/** Secrets of `given.ike` are the gateway's until it has ended. */
export async function startGateway(
  given: GatewayConfig,
  log: GatewayLog,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const config = { ...given, policies: given.policies.map((policy) => withSource(policy, given.sas)) };
  const opened = new Opened();
  const network = new GatewayNetwork(config.policies);
  const guard = new ClearGuard(config);
  const clock = monotonicClock();
  const ways = new RecentWays(
    (remote) => wayTo(remote, SOCKET_MARK),
    () => clock.now(),
  );
  const { makeEngine = (world) => new IkeEngine(world), inheritance, keys } = options;
  try {
    return await start({ config, log, makeEngine, keys, opened, network, guard, ways, inheritance });
  } catch (error) {
    // What could not be closed must not hide why the start failed.
    await opened.closeAll().catch((failure) => log.warn(String(failure)));
    network.undoBlock();
    guard.undo();
    throw error;
  }
}

/** In transport mode this host speaks from the SA's own address; the kernel might choose another, which no policy fits. */
function withSource(policy: Policy, sas: readonly ChildSaSpec[]): Policy {
  const own = sas.find((sa) => sa.policy === policy.name && sa.mode === "transport");
  return policy.source !== undefined || own === undefined ? policy : { ...policy, source: own.local.address };
}

async function start(parts: Parts): Promise<Gateway> {
  const { config, log, opened, network, guard, inheritance } = parts;
  if (inheritance === undefined) network.block();
  const tun = inheritance === undefined ? openTun(config) : adoptTun(inheritance.descriptors.tun);
  opened.add(() => tun.close());
  /** By whom the rules of the TUN are taken away in the end. */
  let owned = inheritance === undefined;
  let mtu = inheritance?.mtu ?? tunMtu(config, parts.ways);
  opened.add(() => {
    if (owned) network.forget(tun.name);
  });
  if (inheritance === undefined) protect(parts, tun.name, mtu);

  const table = SaTable.allocate(config.slots);
  let settle: (why: string | undefined) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    settle = resolve;
  });
  /** What takes one lane takes others too, and may come while the gateway stops: the first end counts. */
  let ending = false;
  const waiting = new Map<number, () => void>();
  /** Slots of SAs with manual keys. */
  const manual = new Set<number>();
  let ike: IkeService | undefined;
  const listener: LaneListener = {
    event: (lane, record) => {
      const [kind, slot = -1, value = 0] = record;
      if (kind === LaneEvent.PATH_ERROR) plane.pathError(record);
      const limit = LIMITS.get(kind ?? 0);
      if (limit !== undefined && manual.has(slot)) log.warn(`${plane.nameOf(slot)} has reached ${limit}`);
      if (kind === LaneEvent.DONE) {
        plane.done(value);
        waiting.get(value)?.();
        waiting.delete(value);
      }
      ike?.laneEvent(lane, record);
    },
    ike: (_lane, octets, train) => ike?.laneDatagram(octets, train),
    // The TUN goes, its routes with it; the block stays: packets wait for nobody and leave in clear for nobody.
    died: (lane, why) => {
      if (ending) return;
      ending = true;
      const text = `lane ${lane} ended: ${why}`;
      opened.closeAll().then(
        () => settle(text),
        (error) => settle(`${text}; then ${error instanceof Error ? error.message : String(error)}`),
      );
    },
  };
  const { lanes, listens, open } = openLanes(config, table, tun, listener, opened, inheritance?.descriptors.lanes);
  const plane = new DataPlane(table, lanes, systemRandom, undefined, new (nativeIo().KeyVault)());
  // Before any lane can say something.
  ike = config.ike === undefined ? undefined : openIke(parts, config.ike, plane, tun.name, listens);
  const [first] = await Promise.all(lanes.map((lane) => lane.ready));

  const control = ownThreadId();
  const clock = monotonicClock();
  const done = async (command: number) => {
    const carriedOut = new Promise<undefined>((resolve) => waiting.set(command, () => resolve(undefined)));
    // A lane that ends now answers no command.
    const why = await Promise.race([carriedOut, ended]);
    if (why !== undefined) throw new Error(why);
  };
  const freezing = new Freezing({ plane, ike, lanes, manual, control, done, now: clock.now });
  if (inheritance === undefined) {
    if (ike === undefined) plane.setPolicies(config.policies);
    else ike.start();
    const installed = config.sas.map((sa) => {
      const { child, command } = plane.install(sa, true);
      for (const slot of [child.inbound, child.outbound, child.inboundAh, child.outboundAh])
        if (slot !== undefined) manual.add(slot);
      return command;
    });
    await Promise.all(installed.map(done));
    network.attach(tun.name);
  } else {
    const state = await inheritance.prepared();
    network.takeOver(tun.name, !inheritance.guarded, state.plane.policies);
    guard.takeOver(inheritance.guarded, state.plane.policies);
    await freezing.thaw(state);
    await inheritance.thawed();
    owned = true;
    freezing.open();
    log.info(`packets waited ${Math.round(clock.now() - state.stillSince)} ms`);
  }
  const description = `${first?.cipher ?? "no lane"}; ${offloadText(tun)}; ${first?.priority ?? "normal"} priority`;
  log.info(`${tun.name} mtu ${mtu}; ${description}`);

  const resize = (next: GatewayConfig) => {
    const fits = tunMtu(next, parts.ways);
    if (fits !== mtu) network.resize(tun.name, fits);
    mtu = fits;
  };
  return {
    tunName: tun.name,
    get mtu() {
      return mtu;
    },
    description,
    ended,
    ike,
    exchange: ike === undefined ? undefined : new ConfigurationExchange(config, { network, guard, ike, resize }),
    snapshot: () => ({
      children: plane.children.map((child) => plane.counters(child.id)),
      drops: dropsOf(lanes),
      io: ioOf(lanes),
      ike: ike?.snapshot(),
    }),
    drops: () => dropsOf(lanes),
    policies: () => plane.policies,
    showKeys: (watch, isWanted) => plane.showKeys(watch, isWanted),
    readings: () => readLanes(lanes, control, freezing.controlBefore),
    handover: {
      get descriptors() {
        const { name, queues, vnetHeader, offloads } = tun;
        return {
          tun: { name, fds: queues.map(({ fd }) => fd), vnetHeader, offloads },
          lanes: open,
          ike: ike?.openPorts ?? [],
        };
      },
      get guarded() {
        return guard.raised;
      },
      freeze: () => freezing.freeze(),
      resume: () => freezing.resume(),
      letGo: async () => {
        ending = true;
        owned = false;
        await opened.closeAll();
      },
    },
    turn: () => Promise.all(lanes.map((lane) => lane.turn())).then(() => undefined),
    stop: async () => {
      if (ending) return;
      ending = true;
      network.detach(tun.name);
      await ike?.sayGoodbye();
      await opened.closeAll();
      network.unblock();
      guard.lower();
      settle(undefined);
    },
  };
}

/** Blocks, then configures the device, then guards: nothing leaves or comes in clear before the first lane lives. */
function protect({ config, log, network, guard }: Parts, tun: string, mtu: number): void {
  network.configure(tun, mtu, config.tun.addresses);
  const unguarded = guard.raise();
  if (unguarded === undefined) return;
  log.warn(`clear packets to this host's own protected addresses are not dropped: ${unguarded}`);
  network.dropForwarded(tun);
}

function openIke(
  { config, log, makeEngine, keys, opened, network, guard, ways, inheritance }: Parts,
  ike: IkeConfig,
  plane: DataPlane,
  tunName: string,
  lanes: readonly LaneListen[],
): IkeService {
  const clock = monotonicClock();
  const parts = {
    config,
    ike,
    plane,
    random: systemRandom,
    clock,
    mark: SOCKET_MARK,
    ways,
    tunName,
    lanes,
    inherited: inheritance?.descriptors.ike,
    makeEngine,
    keys,
  };
  return new IkeService(
    {
      ...parts,
      policies: (policies) => {
        network.change(policies);
        const unguarded = guard.change(policies);
        if (unguarded !== undefined) log.warn(`clear packets of changed policies are not dropped: ${unguarded}`);
      },
      report: (report) => {
        const { level, text } = reportLine(report, clock.now());
        log[level](text);
        log.report(report);
      },
      warn: (text) => log.warn(text),
    },
    opened,
  );
}

function openTun(config: GatewayConfig): TunDevice {
  return openTunDevice({
    name: config.tun.name,
    queues: config.lanes,
    vnetHeader: config.offload,
    offloads: config.offload ? ALL_OFFLOADS : NO_OFFLOADS,
  });
}

/** The device's MTU follows the smallest SA on it (design: cut packets must fit), but IPv6 needs 1280 (RFC 8200 §5). */
function tunMtu(config: GatewayConfig, ways: RecentWays): number {
  const negotiable =
    config.ike === undefined ? [] : [smallestChildMtu(config.ike, (connection) => pathMtuOf(connection, ways))];
  const manual = config.sas.map((sa) => childMtu(sa, sa.pathMtu));
  const fits = Math.min(...manual, ...negotiable, Number.POSITIVE_INFINITY);
  const largest = Number.isFinite(fits) ? fits : DEFAULT_MTU;
  const ipv6 = config.policies.some((policy) => policy.local.some((selector) => selector.first.family === 6));
  return Math.max(Math.min(config.tun.mtu ?? largest, largest), ipv6 ? IPV6_MINIMUM : 0);
}

/** The smallest of the ways to a connection's peers, as far as they are known. */
function pathMtuOf({ remoteAddresses }: Connection, ways: RecentWays): number {
  const all = remoteAddresses.map((host) => (host.kind === "address" ? ways.to(host.address) : undefined));
  return Math.min(...all.map((way) => way?.mtu ?? ETHERNET_MTU), ETHERNET_MTU);
}

function offloadText(tun: TunDevice): string {
  const { tso4, tso6, uso4, uso6 } = tun.offloads;
  const on = [tso4 && "TSO4", tso6 && "TSO6", uso4 && "USO4", uso6 && "USO6"].filter((name) => name !== false);
  return on.length === 0 ? "no offloads" : `offloads ${on.join(" ")}`;
}

function dropsOf(lanes: readonly LaneThread[]): Record<string, number> {
  const drops: Record<string, number> = {};
  for (const { code, name } of DROP_REASONS) {
    const count = lanes.reduce((sum, lane) => sum + (lane.drops[-code] ?? 0), 0);
    if (count > 0) drops[name] = count;
  }
  return drops;
}

function ioOf(lanes: readonly LaneThread[]): Record<string, number> {
  const io: Record<string, number> = {};
  for (const [name, index] of Object.entries(IoCounter))
    io[name.toLowerCase()] = lanes.reduce((sum, lane) => sum + (lane.memory.ioCounters[index] ?? 0), 0);
  return io;
}
