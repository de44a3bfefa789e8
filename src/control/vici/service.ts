/** All of vici in one: commands, events, and what IKE reports. Sockets are the process's. */
import type { IkeReport } from "#core/ike-state";
import type { Command } from "./command.ts";
import { Controlling } from "./controlling.ts";
import { ViciCounters } from "./counters.ts";
import { daemonCommands } from "./daemon.ts";
import { SA_EVENTS, ViciEvents } from "./events.ts";
import { listCerts } from "./list-certs.ts";
import { listConns, listPolicies } from "./list-conns.ts";
import { listSas } from "./list-sas.ts";
import { Loading } from "./loading.ts";
import { reqidsOf } from "./reqids.ts";
import { ViciServer } from "./server.ts";
import { Watchers } from "./watching.ts";
import type { ViciWorld } from "./world.ts";

/** What commands tell piece by piece, and what happens by itself. */
const EVENTS: readonly string[] = [
  "list-sa",
  "list-policy",
  "list-conn",
  "list-cert",
  "list-authority",
  "control-log",
  "log",
  ...SA_EVENTS,
];

export class ViciService {
  readonly server: ViciServer;
  readonly #events: ViciEvents;
  readonly #counters: ViciCounters;
  readonly #watchers = new Watchers();

  /** `wake`: `flush` is wanted, once the work at hand is done. */
  constructor(world: ViciWorld, wake: () => void) {
    const reqids = reqidsOf(world.gateway);
    this.#counters = new ViciCounters(world);
    const commands: Readonly<Record<string, Command>> = {
      ...daemonCommands(world),
      ...this.#counters.commands,
      ...new Controlling(world, this.#watchers).commands,
      ...new Loading(world).commands,
      "list-sas": listSas(world, reqids),
      "list-policies": listPolicies(world),
      "list-conns": listConns(world),
      "list-certs": listCerts(world),
    };
    this.server = new ViciServer(new Map(Object.entries(commands)), EVENTS, (event) => this.#registers(event));
    this.#events = new ViciEvents(this.server, world.gateway, reqids, wake);
  }

  /** A line of the gateway's log. */
  line(text: string): void {
    this.#events.line(text);
  }

  /** `text`: its line, which has been given before. */
  report(report: IkeReport, text: string): void {
    this.#counters.report(report);
    this.#watchers.tell(report, text);
    this.#events.report(report, text);
  }

  flush(): void {
    this.#events.flush();
  }

  #registers(event: string): void {
    const sas: readonly string[] = SA_EVENTS;
    if (!sas.includes(event) || sas.some((one) => this.server.isHeard(one))) return;
    this.#events.flush();
    this.#events.look();
  }
}
