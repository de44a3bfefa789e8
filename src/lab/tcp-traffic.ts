/** The TCP ends of a traffic agent: who connects gets the pattern for as long as it reads. */
import { connect, createServer, type Socket } from "node:net";
import { PATTERN, PATTERN_PERIOD, patternAt } from "./pattern.ts";
import type { PullResult } from "./traffic-messages.ts";

const CONNECT_MILLIS = 5000;
/** A stream that stands still this long is broken. */
const STALL_MILLIS = 5000;
const READ_OCTETS = 131_072;

/** On every address of the box; resolves with the port. */
export async function startTcpSource(): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    pour(socket);
    socket.on("drain", () => pour(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "::", resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("bug: a TCP server without a port");
  return bound.port;
}

/** Until the kernel takes no more: what it takes then is asked for by "drain". */
function pour(socket: Socket): void {
  const stream = PATTERN.subarray(0, PATTERN_PERIOD);
  while (socket.writable && socket.write(stream));
}

export interface Pull {
  readonly address: string;
  readonly port: number;
  readonly seconds: number;
  readonly octets: number;
}

/** Measures from the first octet on, so that setting up is not part of it. */
export function pull(order: Pull): Promise<PullResult> {
  return new Promise((resolve, reject) => {
    let [octets, damaged, started] = [0, 0, 0];
    const finish = () => {
      clearTimeout(overdue);
      clearTimeout(over);
      socket.destroy();
      resolve({ octets, damaged, seconds: (performance.now() - started) / 1000 });
    };
    const fail = (why: string) => {
      clearTimeout(overdue);
      clearTimeout(over);
      socket.destroy();
      reject(new Error(`TCP from ${order.address}: ${why}`));
    };
    const take = (count: number, chunk: Uint8Array) => {
      if (started === 0) {
        started = performance.now();
        clearTimeout(overdue);
        over = setTimeout(finish, order.seconds * 1000);
      }
      if (!patternAt(octets, count).equals(chunk.subarray(0, count))) damaged++;
      octets += count;
      if (octets >= order.octets) finish();
      return true;
    };
    const overdue = setTimeout(() => fail(`nothing within ${CONNECT_MILLIS / 1000} s`), CONNECT_MILLIS);
    let over: NodeJS.Timeout | undefined;
    const socket = connect({
      host: order.address,
      port: order.port,
      onread: { buffer: Buffer.alloc(READ_OCTETS), callback: take },
    });
    socket.setTimeout(STALL_MILLIS, () => fail(`nothing for ${STALL_MILLIS / 1000} s after ${octets} octets`));
    socket.on("error", (error) => fail(error.message));
    socket.on("end", () => fail(`closed after ${octets} octets`));
  });
}
