/** What director and operator want, turned into main modes and tasks. */
import { compareAddresses, type Endpoint, type IpAddress } from "#core/address";
import type { ChildConfig, Connection } from "#core/connection";
import type { Trigger } from "#core/ike-state";
import { type Attempt, Attempts } from "#ike/attempts";
import type { IkeInput } from "#ike/effects";
import { report } from "#ike/host";
import { endLine } from "./end-line.ts";
import { heard } from "./hearing.ts";
import type { Host } from "./host.ts";
import { isKept, type Pair } from "./pairs.ts";
import { follow } from "./path.ts";
import { type Path, PeerLine } from "./peer-line.ts";
import { hasPair, isAskedFor } from "./pump.ts";
import { onFirstPacket } from "./quick-mode-responder.ts";
import { addDelete, usePair } from "./succession.ts";
import { MAX_TASKS, type PacketSelectors, type TaskWork } from "./tasks.ts";

export type Wish = Exclude<
  IkeInput,
  { readonly kind: "configure" | "datagram" | "timeout" | "computed" | "hold" | "release" }
>;
type Initiate = Extract<IkeInput, { readonly kind: "initiate" }>;

const UNSPECIFIED: IpAddress = { family: 4, octets: new Uint8Array(4) };

export function onWish(host: Host, wish: Wish): void {
  switch (wish.kind) {
    case "initiate":
      initiate(host, wish);
      return;
    case "rekey-child":
      withPair(host, wish.id, (line, pair) => replacePair(host, line, pair, wish.trigger));
      return;
    case "delete-child":
      withPair(host, wish.id, (line, pair) => {
        if (pair.state.kind === "Installed") addDelete(host, line, pair, wish.reason, 0);
      });
      return;
    case "rekey-ike":
    case "reauthenticate":
      // RFC 2409 has no rekey of an ISAKMP SA but a new main mode, which authenticates.
      withLine(host, wish.ike, (line) => {
        // One that is on its way out has nothing that another main mode would be for.
        if (line.current !== undefined || line.pairs.size > 0) host.renew(line, wish.trigger);
      });
      return;
    case "delete-ike":
      withLine(host, wish.ike, (line) => end(host, line, wish.reason));
      return;
    case "heard":
      withPair(host, wish.id, (line) => heard(host, line));
      return;
    case "first-packet":
      withPair(host, wish.id, (line, pair) => firstPacket(host, line, pair));
      return;
    case "peer-moved":
      withPair(host, wish.id, (line) => follow(host, line, wish.remote));
      return;
    case "addresses":
      // RFC 2409 has no way to tell: pairs from an address that is gone end by dead peer detection.
      return;
    case "unreachable":
      for (const line of host.registry.lines)
        if (line.peer.kind === "unknown" && compareAddresses(line.path.remote.address, wish.remote.address) === 0)
          line.unreachable = wish.reason;
      return;
    default:
      wish satisfies never;
  }
}

function withPair(host: Host, id: number, act: (line: PeerLine, pair: Pair) => void): void {
  const found = host.registry.pair(id);
  if (found === undefined) return;
  host.touch(found.line);
  act(found.line, found.pair);
}

/** By any of its ISAKMP SAs, or the last one it had. */
function withLine(host: Host, ike: number, act: (line: PeerLine) => void): void {
  const line = host.registry.byId(ike)?.line ?? [...host.registry.lines].find(({ lastIke }) => lastIke === ike);
  if (line === undefined) return;
  host.touch(line);
  act(line);
}

function end(host: Host, line: PeerLine, reason: string): void {
  if (line.attempt !== undefined) host.attempts.done(line.attempt);
  endLine(host, line, "tell", reason);
}

function replacePair(host: Host, line: PeerLine, pair: Pair, trigger: Trigger): void {
  const queued = line.tasks.some(({ work }) => work.kind === "replace-pair" && work.pair === pair);
  if (!isKept(pair) || queued || isReplacing(host, line, pair)) return;
  add(host, line, { kind: "replace-pair", pair }, trigger);
}

function isReplacing(host: Host, line: PeerLine, pair: Pair): boolean {
  return host.registry.sasOf(line).some(({ state }) => {
    if (state.kind !== "Live") return false;
    return [...state.exchanges.values()].some(
      (one) => "task" in one && one.task.work.kind === "replace-pair" && one.task.work.pair === pair,
    );
  });
}

function add(host: Host, line: PeerLine, work: TaskWork, trigger: Trigger): void {
  if (line.tasks.length >= MAX_TASKS) {
    host.count("queue_full");
    return;
  }
  line.tasks.push({ work, trigger, tries: 0, notBefore: host.now });
  host.touch(line);
}

function firstPacket(host: Host, line: PeerLine, pair: Pair): void {
  heard(host, line);
  for (const sa of host.registry.sasOf(line)) if (sa.state.kind === "Live") onFirstPacket(host, sa, sa.state, pair);
  usePair(host, pair);
}

// ── start ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function initiate(host: Host, input: Initiate): void {
  const connection = host.connections.find(({ name }) => name === input.connection);
  const config = connection?.children.find(({ name }) => name === input.child);
  if (connection === undefined || (input.child !== undefined && config === undefined)) {
    unknown(host, input);
    return;
  }
  const line = lineOf(host, connection, input.remote);
  if (line !== undefined) {
    ask(host, line, config, input.packet, input.trigger);
    // What is asked for while it is set up is asked for again with the rest should that fail.
    if (line.attempt !== undefined && line.peer.kind === "unknown") askAttempt(host, line.attempt, input);
    return;
  }
  if (!host.attempts.ask(connection.name, input.remote, input.child, input.trigger)) {
    host.count("queue_full");
    return;
  }
  const attempt = host.attempts.get(Attempts.key(connection.name, input.remote));
  if (attempt !== undefined) startAttempt(host, attempt, input.packet);
}

/** Begun with another remote, or none, it is the same attempt. */
function askAttempt(host: Host, key: string, { connection, remote, child, trigger }: Initiate): void {
  const attempt = host.attempts.get(key);
  host.attempts.ask(connection, attempt === undefined ? remote : attempt.remote, child, trigger);
}

function unknown(host: Host, { connection, child }: Initiate): void {
  report(host, {
    kind: "failed",
    connection,
    child,
    asked: "us",
    stage: "initiate",
    notify: undefined,
    from: "us",
    reason: "there is no such connection or child",
    remedy: "look at the names in the configuration",
    retryAt: undefined,
  });
}

/** The one that has an ISAKMP SA, is about to, or has pairs of one that ended (S33: one for all that goes to a peer). */
function lineOf(host: Host, connection: Connection, remote: Endpoint | undefined): PeerLine | undefined {
  for (const line of host.registry.lines) {
    if (line.connection.name !== connection.name) continue;
    if (remote !== undefined && compareAddresses(line.path.remote.address, remote.address) !== 0) continue;
    if (line.current !== undefined || line.coming !== undefined || line.pairs.size > 0) return line;
  }
  return undefined;
}

function ask(
  host: Host,
  line: PeerLine,
  config: ChildConfig | undefined,
  packet: PacketSelectors | undefined,
  trigger: Trigger,
): void {
  host.touch(line);
  if (config === undefined) {
    if (line.current === undefined) host.renew(line, trigger);
    return;
  }
  const wish = { kind: "new-pair", config, packet } as const;
  if (hasPair(line, wish) || isAskedFor(line, wish, host)) {
    host.count("initiate_repeated");
    return;
  }
  add(host, line, wish, trigger);
}

/** A main mode of ours, with all that waits for it. */
export function startAttempt(host: Host, attempt: Attempt, packet?: PacketSelectors): void {
  const connection = host.connections.find(({ name }) => name === attempt.connection);
  const key = Attempts.key(attempt.connection, attempt.remote);
  if (connection === undefined) {
    host.attempts.done(key);
    return;
  }
  const other = lineOf(host, connection, attempt.remote);
  if (other !== undefined) host.attempts.done(key);
  const line = other ?? open(host, connection, attempt);
  if (other === undefined) line.attempt = key;
  for (const name of attempt.children)
    ask(
      host,
      line,
      connection.children.find((child) => child.name === name),
      packet,
      attempt.trigger,
    );
  if (other !== undefined) return;
  if (line.path.remote.address.octets.every((octet) => octet === 0)) {
    host.registry.lines.delete(line);
    host.failed(line, {
      child: undefined,
      stage: "initiate",
      notify: undefined,
      from: "us",
      reason: `${connection.name} has no address to speak to`,
      remedy: "set remote_addrs to an address, or let the peer begin",
    });
    return;
  }
  host.renew(line, attempt.trigger);
}

function open(host: Host, connection: Connection, { remote, trigger }: Attempt): PeerLine {
  const path = pathOf(host, connection, remote);
  const line = new PeerLine({ id: host.nextId(), connection, path, trigger, now: host.now });
  host.registry.lines.add(line);
  return line;
}

function pathOf(host: Host, connection: Connection, remote: Endpoint | undefined): Path {
  const pattern = connection.remoteAddresses.find(({ kind }) => kind === "address");
  const there = remote ?? {
    address: pattern?.kind === "address" ? pattern.address : UNSPECIFIED,
    port: connection.remotePort,
  };
  const local = { address: localAddress(host, connection, there.address), port: connection.localPort };
  return { local, remote: there, natLocal: false, natRemote: false };
}

function localAddress(host: Host, connection: Connection, remote: IpAddress): IpAddress {
  for (const pattern of connection.localAddresses)
    if (pattern.kind === "address" && pattern.address.family === remote.family) return pattern.address;
  const own = host.localEndpoints.find(({ address }) => address.family === remote.family);
  return own?.address ?? { family: remote.family, octets: new Uint8Array(remote.octets.length) };
}
