/**
 * A lane whose engine does nothing: what comes from TUN goes to the peer by UDP, what comes by UDP goes to TUN.
 * The Worker of tests that prove the way of the octets without any cipher.
 */
import { workerData } from "node:worker_threads";
import type { LaneMemory } from "#core/lane-memory";
import { READY_SOCKET, READY_TUN, READY_WAKE, ROW_STRIDE, Row } from "#core/slab";
import { openLanePort } from "#io/lane-port";
import type { LaneOptions, LaneSocket } from "#io/native";

export interface PipeSetup {
  readonly memory: LaneMemory;
  readonly tunFd: number;
  readonly wakeFd: number;
  readonly sockets: readonly LaneSocket[];
  readonly options: LaneOptions;
}

function run(setup: PipeSetup): void {
  const port = openLanePort(setup);
  const { out } = setup.memory;
  for (;;) {
    const ready = port.wait(-1);
    if ((ready & READY_WAKE) !== 0) break;
    if ((ready & READY_TUN) !== 0) {
      const rows = port.readTun(64);
      for (let i = 0; i < rows; i++) out[i * ROW_STRIDE + Row.SLOT] = 0;
      port.send(0, rows);
    }
    if ((ready & READY_SOCKET) !== 0) port.deliver(0, port.receive(0));
  }
  port.close();
}

run(workerData);
