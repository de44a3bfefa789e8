/** vici in the gateway process: its socket, its clock, and what the machine says of itself. */
import { readFileSync } from "node:fs";
import { machine, release, type } from "node:os";
import { ViciService } from "#control/vici/service";
import type { HostFacts } from "#control/vici/world";
import type { IkeReport } from "#core/ike-state";
import type { Inventory } from "#core/inventory";
import type { OperatedGateway } from "#core/operator";
import { listenVici } from "#io/vici-socket";

export interface ViciParts {
  readonly gateway: OperatedGateway;
  readonly inventory: Inventory;
  /** Threads that carry packets. */
  readonly lanes: number;
}

export class ViciDoor {
  #service: ViciService | undefined;

  /** A line of the gateway's log. */
  line(text: string): void {
    this.#service?.line(text);
  }

  /** `text`: its line, which has been given before. */
  report(report: IkeReport, text: string): void {
    this.#service?.report(report, text);
  }

  /** Throws SystemError when the path is taken or cannot be made. */
  async open(path: string, { gateway, inventory, lanes }: ViciParts): Promise<AsyncDisposable> {
    const service: ViciService = new ViciService(
      {
        gateway,
        inventory,
        host: hostFacts(lanes),
        memory: () => process.memoryUsage(),
        messages: () => new Map(),
        after: (span, work) => {
          const timer = setTimeout(work, span);
          return () => clearTimeout(timer);
        },
      },
      () => setImmediate(() => service.flush()),
    );
    const server = await listenVici(path, (output) => service.server.open(output));
    this.#service = service;
    return { [Symbol.asyncDispose]: () => server.close() };
  }
}

function hostFacts(lanes: number): HostFacts {
  return {
    version: version(),
    sysname: type(),
    release: release(),
    machine: machine(),
    since: timeText(new Date()),
    lanes,
  };
}

/** Of the package. */
function version(): string {
  const text = readFileSync(new URL(import.meta.resolve("../../../package.json")), "utf8");
  const found: unknown = JSON.parse(text);
  const known = typeof found === "object" && found !== null && "version" in found ? found.version : undefined;
  return typeof known === "string" ? known : "unknown";
}

/** "Nov 22 04:35:44 2026", in local time. */
function timeText(date: Date): string {
  const [, month = "", day = "", year = "", time = ""] = date.toString().split(" ");
  return `${month} ${day} ${time} ${year}`;
}
