/** The Worker's entry: attaches a lane's descriptors and memory, then moves batches until it is told to stop. */
import { setPriority } from "node:os";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EventRing } from "#core/event-ring";
import { IpProtocol } from "#core/selector";
import { READY_WAKE } from "#core/slab";
import type { LaneCommand } from "#gateway/lane-command";
import { LaneEngine } from "#gateway/lane-engine";
import { LaneMesh } from "#gateway/lane-mesh";
import { LanePolicies } from "#gateway/lane-policies";
import { LaneTelemetry } from "#gateway/lane-telemetry";
import { inlineWholePacketPath } from "#io/jit";
import { openLanePort } from "#io/lane-port";
import { type LaneSocket as NativeSocket, nativeIo } from "#io/native";
import { monotonicClock } from "#io/system-clock";
import { fromThrown } from "#io/system-error";
import { systemRandom } from "#io/system-random";
import { ownThreadId } from "#io/thread-time";
import { SaTable } from "#ipsec/sa";
import {
  type BirthSocket,
  Gate,
  IkeQueue,
  type LaneBirth,
  type LanePriority,
  type LaneQuestion,
} from "#process/lane-birth";
import { createLaneCipher } from "#process/lane-cipher";
import { SuiteWatch } from "#process/suite-watch";

/** Longest wait without anything to do, in milliseconds; a wake-up ends it at once. */
const LONGEST_WAIT = 60_000;

/** Its share of the cores where it goes among others (measured: ping under load falls to a half). */
const PRIORITY = -10;

/** A lane that has to wait for the cores makes every flow wait. */
function askForPriority(): LanePriority {
  const before = nativeIo().preferThread();
  try {
    setPriority(PRIORITY);
    return before ? "real-time" : "raised";
  } catch {
    return before ? "real-time" : "normal";
  }
}

function main(birth: LaneBirth): void {
  inlineWholePacketPath();
  const priority = askForPriority();
  const clock = monotonicClock();
  const table = new SaTable(birth.sas);
  const events = new EventRing(birth.events);
  const told = new Int32Array(birth.told);
  const port = openLanePort({
    memory: birth.memory,
    tunFd: birth.tunFd,
    sockets: birth.sockets.map(nativeSocket),
    wakeFd: birth.wakeFd,
    options: { ...birth.offloads, join: birth.offloads.vnetHeader },
  });
  const cipher = createLaneCipher(birth.crypto, birth.memory, table.capacity);
  const policies = new LanePolicies(birth.policies, systemRandom);
  const engine = new LaneEngine({
    memory: birth.memory,
    table,
    cipher,
    port,
    sockets: birth.sockets,
    events,
    ike: new IkeQueue(birth.ikeWaiting, (message) => parentPort?.postMessage(message)),
    drops: birth.drops,
    policies,
    mesh: new LaneMesh(birth.lane, birth.inboxes, (lane) => nativeIo().signalEvent(birth.wakeFds[lane] ?? -1)),
  });
  const suites = new SuiteWatch(
    (slot) => cipher.implementation(slot),
    (suite, impl) => parentPort?.postMessage({ kind: "serves", suite, impl }),
  );
  parentPort?.postMessage({ kind: "ready", cipher: cipher.description, priority, thread: ownThreadId() });
  const tell = () => {
    // What found no room may have some by now; nobody tells it a second time.
    events.flush();
    if (events.pending && Atomics.exchange(told, 0, 1) === 0) parentPort?.postMessage({ kind: "events" });
  };
  const gate = new Int32Array(birth.gate);
  while (!engine.stopped && Atomics.load(gate, Gate.OPEN) === 0) {
    const bell = Atomics.load(gate, Gate.BELL);
    takeCommands(birth, engine, suites, clock.now());
    tell();
    if (!engine.stopped) Atomics.wait(gate, Gate.BELL, bell, LONGEST_WAIT);
  }
  // Counters of the lane that was here before are there by now.
  const telemetry = new LaneTelemetry(birth.telemetry, birth.memory.ioCounters);
  while (!engine.stopped) {
    const timeout = engine.nextTimeout;
    const wait = timeout === undefined ? LONGEST_WAIT : Math.max(0, Math.ceil(timeout - clock.now()));
    const ready = port.wait(Math.min(LONGEST_WAIT, wait));
    const now = clock.now();
    if ((ready & READY_WAKE) !== 0) takeCommands(birth, engine, suites, now);
    engine.run(ready, now);
    telemetry.round(clock.now() - now);
    tell();
  }
  parentPort?.postMessage({ kind: "rests", outbound: policies.outbound });
  port.close();
  cipher.destroy();
  birth.commands.close();
}

function takeCommands(birth: LaneBirth, engine: LaneEngine, suites: SuiteWatch, now: number): void {
  for (;;) {
    const received = receiveMessageOnPort(birth.commands);
    if (received === undefined) return;
    const command: LaneCommand | LaneQuestion = received.message;
    if (command.kind === "turn") {
      parentPort?.postMessage({ kind: "turned" });
      continue;
    }
    engine.command(command, now);
    suites.command(command);
  }
}

/** Raw sockets: the protocol they take; a bypass socket only sends. */
const PROTOCOL = { udp: 0, esp: IpProtocol.ESP, ah: IpProtocol.AH, bypass: 255 } as const;

function nativeSocket({ fd, kind, family }: BirthSocket): NativeSocket {
  const form = kind === "udp" ? "udp" : "raw";
  return { fd, kind: `${form}${family}`, protocol: PROTOCOL[kind] };
}

try {
  main(workerData);
} catch (error) {
  throw fromThrown(error, "TUN device and sockets");
}
