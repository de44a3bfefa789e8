/** vici in the gateway process: its socket, its clock, and what the machine says of itself. */
import { machine, release, type } from "node:os";
import { ViciService } from "#control/vici/service";
import type { HostFacts } from "#control/vici/world";
import type { IkeReport } from "#core/ike-state";
import type { Inventory } from "#core/inventory";
import type { OperatedGateway } from "#core/operator";
import type { ControlServer } from "#io/control-socket";
import { packageVersion } from "#io/package-file";
import { listenVici } from "#io/vici-socket";

/** Of so many parts of time one goes into telling: with thousands of SAs a look at all of them is some ten milliseconds. */
const SHARE = 4;

export interface ViciParts {
  readonly gateway: OperatedGateway;
  readonly inventory: Inventory;
  /** Threads that carry packets. */
  readonly lanes: number;
  messages(): ReadonlyMap<string, number>;
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
  async open(
    path: string,
    { gateway, inventory, lanes, messages }: ViciParts,
    inherited?: number,
  ): Promise<ControlServer> {
    let rested = 0;
    const tell = () => {
      const began = performance.now();
      service.flush();
      const ended = performance.now();
      rested = ended + SHARE * (ended - began);
    };
    const service: ViciService = new ViciService(
      {
        gateway,
        inventory,
        host: hostFacts(lanes),
        memory: () => process.memoryUsage(),
        messages,
        after: (span, work) => {
          const timer = setTimeout(work, span);
          return () => clearTimeout(timer);
        },
      },
      () => {
        const pause = rested - performance.now();
        if (pause < 1) setImmediate(tell);
        else setTimeout(tell, pause).unref();
      },
    );
    const server = await listenVici(path, (output) => service.server.open(output), inherited);
    this.#service = service;
    return server;
  }
}

function hostFacts(lanes: number): HostFacts {
  return {
    version: packageVersion(),
    sysname: type(),
    release: release(),
    machine: machine(),
    since: timeText(new Date()),
    lanes,
  };
}

/** "Nov 22 04:35:44 2026", in local time. */
function timeText(date: Date): string {
  const [, month = "", day = "", year = "", time = ""] = date.toString().split(" ");
  return `${month} ${day} ${time} ${year}`;
}
