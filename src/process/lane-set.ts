/** The lanes of a gateway with all they are born with: wake-ups, inboxes, and sockets of the kinds that are needed. */
import type { Endpoint } from "#core/address";
import { ConfigError } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { LaneInbox } from "#gateway/lane-inbox";
import type { Descriptor } from "#io/native";
import { openRaw, openUdp, openWake, steerPort, steerRaw } from "#io/sockets";
import type { TunDevice } from "#io/tun-device";
import type { SaTable } from "#ipsec/sa";
import { compileSpd } from "#ipsec/spd-compile";
import { adopted, type OpenLane } from "./inherited.ts";
import type { BirthSocket } from "./lane-birth.ts";
import { type LaneListener, LaneThread } from "./lane-thread.ts";
import { SOCKET_MARK } from "./network.ts";
import type { Opened } from "./opened.ts";

/**
 * Octets of each socket buffer, which the kernel doubles. Measured with one TCP stream: 2 MiB take a millisecond off the
 * ping beside it and a quarter off the throughput, because a lane that waits for a processor then loses packets.
 */
const SOCKET_BUFFERS = 8 << 20;
/** What the lanes listen on for UDP; the index is that of the lanes' sockets. */
export interface LaneListen {
  readonly endpoint: Endpoint;
  /** One a lane. */
  readonly fds: readonly number[];
}

export interface LaneSet {
  readonly lanes: readonly LaneThread[];
  readonly listens: readonly LaneListen[];
  /** Of each lane, for a process that takes them over. */
  readonly open: readonly OpenLane[];
}

export function openLanes(
  config: GatewayConfig,
  table: SaTable,
  tun: TunDevice,
  listener: LaneListener,
  opened: Opened,
  inherited?: readonly OpenLane[],
): LaneSet {
  const lanes: LaneThread[] = [];
  const fds = config.listen.map((): number[] => []);
  const open: OpenLane[] = [];
  // Lanes wake each other: all wake-ups outlive all lanes.
  const wakes = Array.from({ length: config.lanes }, () => {
    const wake = openWake();
    opened.add(() => wake.close());
    return wake;
  });
  // However this process ends: a lane that waits in native code would keep it from ending.
  const abandon = () => {
    for (const lane of lanes) lane.abandon();
  };
  process.on("exit", abandon);
  opened.add(() => void process.off("exit", abandon));
  const inboxes = config.lanes === 1 ? [] : wakes.map(() => LaneInbox.allocate().buffer);
  for (const [lane, wake] of wakes.entries()) {
    const queue = tun.queues[lane];
    if (queue === undefined) throw ConfigError.of("lanes", `${tun.name} has no queue ${lane}`, "give fewer lanes");
    const one = inherited?.[lane];
    const { sockets, udpGro } = one === undefined ? openSockets(config, lane, opened) : adoptSockets(one, opened);
    open.push({ sockets, udpGro });
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
      inherited === undefined,
    );
    opened.add(() => thread.stop());
    lanes.push(thread);
    for (const [index, list] of fds.entries()) list.push(sockets[index]?.fd ?? -1);
  }
  return { lanes, listens: config.listen.map((endpoint, index) => ({ endpoint, fds: fds[index] ?? [] })), open };
}

/** Buffers, filters and the kernel's queues are the sockets' own: they come with them. */
function adoptSockets({ sockets, udpGro }: OpenLane, opened: Opened): OpenLane {
  for (const { fd, kind } of sockets) {
    const descriptor = adopted(fd, `${kind} socket`);
    opened.add(() => descriptor.close());
  }
  return { sockets, udpGro };
}

/** Sockets of the kinds and families that SAs and policies use; with IKE all kinds, as a reload may need them. */
function openSockets(config: GatewayConfig, lane: number, opened: Opened): OpenLane {
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
    const wanted = rawProtocols(config, family);
    for (const protocol of wanted) {
      const socket = openRaw({ ...shared, family, protocol: protocol === "esp" ? 50 : 51 });
      keep(protocol, family, socket.descriptor);
      if (config.lanes > 1) steerRaw(socket, lane, config.lanes);
    }
    if (bypasses(config, family)) keep("bypass", family, openRaw({ ...shared, family, protocol: 255 }).descriptor);
  }
  return { sockets, udpGro };
}

/** What manual SAs use, and what IKE may ever agree on in the families it listens to. */
function rawProtocols(config: GatewayConfig, family: 4 | 6): ("esp" | "ah")[] {
  const manual = config.sas.filter((sa) => sa.encapsulation === "none" && sa.remote.address.family === family);
  const listens = config.listen.some(({ address }) => address.family === family);
  const negotiable = listens && config.ike !== undefined;
  return (["esp", "ah"] as const).filter(
    (protocol) => negotiable || manual.some((sa) => (sa.outerAh ?? sa).protocol === protocol),
  );
}

function bypasses(config: GatewayConfig, family: 4 | 6): boolean {
  const listens = config.listen.some(({ address }) => address.family === family);
  return (
    (listens && config.ike !== undefined) ||
    config.policies.some((p) => p.action === "bypass" && p.local.some((s) => s.first.family === family))
  );
}
