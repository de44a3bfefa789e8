/**
 * The gateway process: opens what a configuration asks for, joins control and lanes, and closes in reverse.
 *
 * Order of starting: block (unreachable routes) → TUN → sockets → lanes → SAs → routes into TUN. A failure at any step
 * undoes the steps before it; a block that was there before (after a crash) outlives it.
 */

import type { ChildSaSpec } from "#core/child-sa-spec";
import { DROP_REASONS } from "#core/drop";
import { ConfigError } from "#core/errors";
import { LaneEvent } from "#core/event-ring";
import type { GatewayConfig, Policy } from "#core/policy";
import { IoCounter } from "#core/slab";
import { type ChildCounters, DataPlane } from "#gateway/data-plane";
import { LaneInbox } from "#gateway/lane-inbox";
import { childMtu } from "#gateway/sa-install";
import type { Descriptor } from "#io/native";
import { openRaw, openUdp, openWake, steerPort, steerRaw } from "#io/sockets";
import { systemRandom } from "#io/system-random";
import { ALL_OFFLOADS, NO_OFFLOADS, openTunDevice, type TunDevice } from "#io/tun-device";
import { SaTable } from "#ipsec/sa";
import { compileSpd } from "#ipsec/spd-compile";
import { ClearGuard } from "./clear-guard.ts";
import type { BirthSocket } from "./lane-birth.ts";
import { type LaneListener, LaneThread } from "./lane-thread.ts";
import { GatewayNetwork, SOCKET_MARK } from "./network.ts";

/**
 * Octets of each socket buffer, which the kernel doubles. Measured with one TCP stream: 2 MiB take a millisecond off the
 * ping beside it and a quarter off the throughput, because a lane that waits for a processor then loses packets.
 */
const SOCKET_BUFFERS = 8 << 20;
/** Without SAs nothing bounds the TUN's MTU. */
const DEFAULT_MTU = 1400;
const IPV6_MINIMUM = 1280;

/** Nobody replaces manual keys but the operator. */
const LIMITS: ReadonlyMap<number, string> = new Map([
  [LaneEvent.SOFT, "a soft limit: give it new keys soon"],
  [LaneEvent.HARD, "a hard limit and carries nothing more: start again with new keys"],
  [LaneEvent.SEQUENCE_END, "its last sequence number and carries nothing more: start again with new keys"],
]);

export interface GatewayLog {
  info(text: string): void;
  warn(text: string): void;
}

export interface GatewaySnapshot {
  readonly children: readonly ChildCounters[];
  /** Reason → packets, of all lanes; reasons that never occurred are left out. */
  readonly drops: Readonly<Record<string, number>>;
  readonly io: Readonly<Record<string, number>>;
}

export interface Gateway {
  readonly tunName: string;
  readonly mtu: number;
  /** What serves the packets, for people: cipher and offloads of lane 0. */
  readonly description: string;
  /** Resolves with why when the gateway ended by itself, with undefined after `stop`. */
  readonly ended: Promise<string | undefined>;
  snapshot(): GatewaySnapshot;
  stop(): Promise<void>;
}

/** What was opened so far, closed in reverse; what cannot be closed keeps nothing else open. */
class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> = Promise.resolve();

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** Whoever asks a second time waits for the first. */
  closeAll(): Promise<void> {
    this.#closing = this.#closing.then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse())
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    if (failures.length > 0) throw failures[0];
  }
}

export async function startGateway(given: GatewayConfig, log: GatewayLog): Promise<Gateway> {
  const config = { ...given, policies: given.policies.map((policy) => withSource(policy, given.sas)) };
  const opened = new Opened();
  const network = new GatewayNetwork(config.policies);
  const guard = new ClearGuard(config);
  try {
    return await start(config, log, opened, network, guard);
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

async function start(
  config: GatewayConfig,
  log: GatewayLog,
  opened: Opened,
  network: GatewayNetwork,
  guard: ClearGuard,
): Promise<Gateway> {
  network.block();
  const tun = openTun(config, opened);
  const mtu = tunMtu(config);
  opened.add(() => network.forget(tun.name));
  network.configure(tun.name, mtu, config.tun.addresses);
  const unguarded = guard.raise();
  if (unguarded !== undefined) {
    log.warn(`clear packets to this host's own protected addresses are not dropped: ${unguarded}; install nftables`);
    network.dropForwarded(tun.name);
  }

  const table = SaTable.allocate(config.slots);
  let settle: (why: string | undefined) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    settle = resolve;
  });
  /** What takes one lane takes others too, and may come while the gateway stops: the first end counts. */
  let ending = false;
  const waiting = new Map<number, () => void>();
  const listener: LaneListener = {
    event: (_lane, record) => {
      const [kind, slot, value] = record;
      if (kind === LaneEvent.PATH_ERROR) plane.pathError(record);
      const limit = LIMITS.get(kind ?? 0);
      if (limit !== undefined) log.warn(`${plane.nameOf(slot ?? -1)} has reached ${limit}`);
      if (kind !== LaneEvent.DONE) return;
      plane.done(value ?? 0);
      waiting.get(value ?? 0)?.();
      waiting.delete(value ?? 0);
    },
    ike: () => undefined,
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
  const lanes = openLanes(config, table, tun, listener, opened);
  const plane = new DataPlane(table, lanes, systemRandom);
  const [first] = await Promise.all(lanes.map((lane) => lane.ready));

  plane.setPolicies(config.policies);
  const installed = config.sas.map((sa) => plane.install(sa, true).command);
  const done = Promise.all(installed.map((command) => new Promise<void>((resolve) => waiting.set(command, resolve))));
  // A lane that ends now answers no command.
  const why = await Promise.race([done.then(() => undefined), ended]);
  if (why !== undefined) throw new Error(why);
  network.attach(tun.name);
  const priority = first?.preferred === true ? "raised" : "normal";
  const description = `${first?.cipher ?? "no lane"}; ${offloadText(tun)}; ${priority} priority`;
  log.info(`${tun.name} mtu ${mtu}; ${description}`);

  return {
    tunName: tun.name,
    mtu,
    description,
    ended,
    snapshot: () => ({
      children: plane.children.map((child) => plane.counters(child.id)),
      drops: dropsOf(lanes),
      io: ioOf(lanes),
    }),
    stop: async () => {
      if (ending) return;
      ending = true;
      network.detach(tun.name);
      await opened.closeAll();
      network.unblock();
      guard.lower();
      settle(undefined);
    },
  };
}

function openTun(config: GatewayConfig, opened: Opened): TunDevice {
  const tun = openTunDevice({
    name: config.tun.name,
    queues: config.lanes,
    vnetHeader: config.offload,
    offloads: config.offload ? ALL_OFFLOADS : NO_OFFLOADS,
  });
  opened.add(() => tun.close());
  return tun;
}

/** The device's MTU follows the smallest SA on it (design: cut packets must fit), but IPv6 needs 1280 (RFC 8200 §5). */
function tunMtu(config: GatewayConfig): number {
  const fits = Math.min(...config.sas.map((sa) => childMtu(sa, sa.pathMtu)), Number.POSITIVE_INFINITY);
  const largest = Number.isFinite(fits) ? fits : DEFAULT_MTU;
  const ipv6 = config.policies.some((policy) => policy.local.some((selector) => selector.first.family === 6));
  return Math.max(Math.min(config.tun.mtu ?? largest, largest), ipv6 ? IPV6_MINIMUM : 0);
}

function openLanes(
  config: GatewayConfig,
  table: SaTable,
  tun: TunDevice,
  listener: LaneListener,
  opened: Opened,
): LaneThread[] {
  const lanes: LaneThread[] = [];
  // Lanes wake each other: all wake-ups outlive all lanes.
  const wakes = Array.from({ length: config.lanes }, () => {
    const wake = openWake();
    opened.add(() => wake.close());
    return wake;
  });
  const inboxes = config.lanes === 1 ? [] : wakes.map(() => LaneInbox.allocate().buffer);
  for (const [lane, wake] of wakes.entries()) {
    const queue = tun.queues[lane];
    if (queue === undefined) throw ConfigError.of("lanes", `${tun.name} has no queue ${lane}`, "give fewer lanes");
    const { sockets, udpGro } = openSockets(config, lane, opened);
    const thread = new LaneThread(
      {
        lane,
        table,
        policies: { table: compileSpd([], 1), formerIndex: [], answersFrom: [] },
        sockets,
        tunFd: queue.fd,
        wake,
        inboxes,
        wakeFds: wakes.map(({ fd }) => fd),
        crypto: config.crypto,
        offloads: {
          vnetHeader: tun.vnetHeader,
          gso: config.offload,
          gro: config.offload && udpGro,
          uso: tun.offloads.uso4 && tun.offloads.uso6,
        },
      },
      listener,
    );
    opened.add(() => thread.stop());
    lanes.push(thread);
  }
  return lanes;
}

/** Sockets of the kinds and families that SAs and policies use, and no others. */
function openSockets(
  config: GatewayConfig,
  lane: number,
  opened: Opened,
): { readonly sockets: BirthSocket[]; readonly udpGro: boolean } {
  const sockets: BirthSocket[] = [];
  let udpGro = true;
  const keep = (kind: BirthSocket["kind"], family: 4 | 6, descriptor: Descriptor) => {
    opened.add(() => descriptor.close());
    sockets.push({ kind, family, fd: descriptor.fd });
  };
  const shared = { mark: SOCKET_MARK, buffers: SOCKET_BUFFERS };
  for (const { address, port } of config.listen) {
    const socket = openUdp({ ...shared, address, port, reusePort: config.lanes > 1 });
    udpGro &&= socket.gro;
    keep("udp", address.family, socket.descriptor);
    if (lane === 0 && config.lanes > 1) steerPort(socket, config.lanes);
  }
  for (const family of [4, 6] as const) {
    const raw = config.sas.filter((sa) => sa.encapsulation === "none" && sa.remote.address.family === family);
    for (const protocol of ["esp", "ah"] as const) {
      if (!raw.some((sa) => (sa.outerAh ?? sa).protocol === protocol)) continue;
      const socket = openRaw({ ...shared, family, protocol: protocol === "esp" ? 50 : 51 });
      keep(protocol, family, socket.descriptor);
      if (config.lanes > 1) steerRaw(socket, lane, config.lanes);
    }
    const bypass = config.policies.some((p) => p.action === "bypass" && p.local.some((s) => s.first.family === family));
    if (bypass) keep("bypass", family, openRaw({ ...shared, family, protocol: 255 }).descriptor);
  }
  return { sockets, udpGro };
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
