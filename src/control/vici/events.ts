/**
 * What IKE reports, as vici's events: ike-updown, ike-rekey, ike-update, child-updown, child-rekey, log. Reports are gathered
 * and told together, so that the state behind them is looked at once.
 */
import type { GatewayDetails, PairDetails } from "#core/details";
import type { ChildSnapshot, IkeReport, IkeSaSnapshot } from "#core/ike-state";
import type { OperatedGateway } from "#core/operator";
import { flag, type Message, section, value } from "./message.ts";
import type { Reqids } from "./reqids.ts";
import { childKeys, childSection, ikeKeys, type ShownChild } from "./sa-messages.ts";
import type { ViciServer } from "./server.ts";
import { connectionOf, groupOf } from "./watching.ts";

export const SA_EVENTS = ["ike-updown", "ike-rekey", "ike-update", "child-updown", "child-rekey"] as const;
const LOG = "log";
/** strongSwan's level of what is told without being asked for. */
const LOG_LEVEL = 1;
/** Lines and reports that wait to be told; more in one turn of the event loop are a flood, and only the last of them count. */
const WAITING_LIMIT = 10_000;

interface Line {
  readonly text: string;
  report: IkeReport | undefined;
}

/** An SA as it was when it was last told of: what is gone can be shown by it alone. */
interface Known {
  readonly sa: IkeSaSnapshot;
  /** By number. */
  readonly children: ReadonlyMap<number, ShownChild>;
}

export class ViciEvents {
  readonly #server: ViciServer;
  readonly #gateway: Pick<OperatedGateway, "details">;
  readonly #reqids: Reqids;
  readonly #wake: () => void;
  #lines: Line[] = [];
  #known = new Map<number, Known>();

  /** `wake`: `flush` is wanted, once the work at hand is done. */
  constructor(server: ViciServer, gateway: Pick<OperatedGateway, "details">, reqids: Reqids, wake: () => void) {
    this.#server = server;
    this.#gateway = gateway;
    this.#reqids = reqids;
    this.#wake = wake;
  }

  /** A line of the gateway's log. */
  line(text: string): void {
    this.#add({ text, report: undefined });
  }

  /** `text`: its line, which has been given before. */
  report(report: IkeReport, text: string): void {
    const last = this.#lines.at(-1);
    if (last !== undefined && last.report === undefined && last.text === text) last.report = report;
    else this.#add({ text, report });
  }

  #add(line: Line): void {
    if (this.#lines.length === 0) this.#wake();
    if (this.#lines.length < WAITING_LIMIT) this.#lines.push(line);
  }

  flush(): void {
    const lines = this.#lines;
    this.#lines = [];
    if (this.#server.isHeard(LOG)) for (const line of lines) this.#server.raise(LOG, logMessage(line));
    const reports = lines.flatMap(({ report }) => (report === undefined ? [] : [report]));
    if (reports.length > 0 && SA_EVENTS.some((event) => this.#server.isHeard(event))) this.#tellSas(reports);
  }

  /** Somebody begins to listen: what is there now is known from now on. */
  look(): void {
    const details = this.#gateway.details();
    if (details !== undefined) this.#known = this.#knownFrom(details);
  }

  #tellSas(reports: readonly IkeReport[]): void {
    const details = this.#gateway.details();
    if (details === undefined) return;
    const before = this.#known;
    const after = this.#knownFrom(details);
    this.#known = after;
    for (const [id, { sa }] of after) this.#tellMove(before.get(id)?.sa, sa, details);
    const pairs = new Map(details.pairs.map((pair) => [pair.id, pair]));
    for (const report of reports) this.#tell(report, before, after, { now: details.now, pairs });
  }

  #tell(
    report: IkeReport,
    before: ReadonlyMap<number, Known>,
    after: ReadonlyMap<number, Known>,
    details: Moment,
  ): void {
    const { now } = details;
    switch (report.kind) {
      case "ike-up":
        this.#raise("ike-updown", flag("up", true), section(report.ike.connection, ikeKeys(report.ike, now)));
        return;
      case "ike-down": {
        const sa = after.get(report.ike)?.sa ?? before.get(report.ike)?.sa;
        if (sa !== undefined)
          this.#raise("ike-updown", section(sa.connection, ikeKeys({ ...sa, state: "deleting" }, now)));
        return;
      }
      case "ike-rekeyed": {
        const former = after.get(report.former)?.sa ?? before.get(report.former)?.sa;
        const old = former === undefined ? [] : section("old", ikeKeys({ ...former, state: "rekeyed" }, now));
        this.#raise("ike-rekey", section(report.ike.connection, old, section("new", ikeKeys(report.ike, now))));
        return;
      }
      case "child-up":
        this.#tellChild(
          true,
          find(after, report, ({ shown }) => shown.child.id === report.id),
          details,
        );
        return;
      case "child-down": {
        const gone = find(before, report, ({ shown }) => !has(after, shown.child.id));
        this.#tellChild(false, gone ?? find(before, report), details);
        return;
      }
      case "rekey": {
        if (report.child === undefined || !/^done\b/.test(report.result)) return;
        const next = find(after, report, ({ shown }) => !has(before, shown.child.id));
        const old = find(before, report, ({ sa }) => sa.id === next?.sa.id);
        this.#tellRekey(old ?? find(before, report), next, details);
        return;
      }
      case "sa-retired":
      case "failed":
      case "fallback":
      case "warning":
        return;
      default:
        report satisfies never;
    }
  }

  #tellChild(up: boolean, found: Found | undefined, { now, pairs }: Moment): void {
    if (found === undefined) return;
    const { sa, shown } = found;
    const state = up ? shown.child.state : "deleting";
    const child = childSection({ ...shown, child: { ...shown.child, state }, pair: pairNow(shown, pairs) }, now);
    this.#raise("child-updown", flag("up", up), section(sa.connection, ikeKeys(sa, now), section("child-sas", child)));
  }

  #tellRekey(old: Found | undefined, next: Found | undefined, { now, pairs }: Moment): void {
    if (next === undefined || old?.shown.child.id === next.shown.child.id) return;
    const keys = ({ shown }: Found, state: ChildSnapshot["state"]) =>
      childKeys({ ...shown, child: { ...shown.child, state }, pair: pairNow(shown, pairs) }, now);
    const { sa, shown } = next;
    const both = section(
      shown.child.name,
      old === undefined ? [] : section("old", keys(old, "rekeyed")),
      section("new", keys(next, shown.child.state)),
    );
    this.#raise("child-rekey", section(sa.connection, ikeKeys(sa, now), section("child-sas", both)));
  }

  #tellMove(former: IkeSaSnapshot | undefined, sa: IkeSaSnapshot, { now }: GatewayDetails): void {
    if (former === undefined || endpoints(former) === endpoints(sa)) return;
    const places = ikeKeys(sa, now).filter(({ key }) => /^(local|remote)-(host|port)$/.test(key));
    this.#raise("ike-update", places, section(sa.connection, ikeKeys(former, now)));
  }

  #raise(event: (typeof SA_EVENTS)[number], ...parts: readonly Message[]): void {
    this.#server.raise(event, parts.flat());
  }

  #knownFrom({ sas, pairs }: GatewayDetails): Map<number, Known> {
    const byId = new Map<number, PairDetails>(pairs.map((pair) => [pair.id, pair]));
    return new Map(
      sas.map((sa) => {
        const children = sa.children.map((child): [number, ShownChild] => [
          child.id,
          { child, pair: byId.get(child.id), reqid: this.#reqids.of(sa.connection, child.name) },
        ]);
        return [sa.id, { sa, children: new Map(children) }];
      }),
    );
  }
}

/** What is looked at once for all reports that are told together. */
interface Moment {
  readonly now: GatewayDetails["now"];
  readonly pairs: ReadonlyMap<number, PairDetails>;
}

interface Found {
  readonly sa: IkeSaSnapshot;
  readonly shown: ShownChild;
}

/** The newest child of this name of which `holds` is true. */
function find(
  known: ReadonlyMap<number, Known>,
  { connection, child }: { readonly connection: string; readonly child: string | undefined },
  holds: (found: Found) => boolean = () => true,
): Found | undefined {
  let newest: Found | undefined;
  for (const { sa, children } of known.values()) {
    if (sa.connection !== connection) continue;
    for (const shown of children.values())
      if (shown.child.name === child && holds({ sa, shown }) && shown.child.id > (newest?.shown.child.id ?? -1))
        newest = { sa, shown };
  }
  return newest;
}

function has(known: ReadonlyMap<number, Known>, id: number): boolean {
  for (const { children } of known.values()) if (children.has(id)) return true;
  return false;
}

/** A pair that only drains is still counted. */
function pairNow({ child, pair }: ShownChild, pairs: Moment["pairs"]): PairDetails | undefined {
  return pairs.get(child.id) ?? pair;
}

function endpoints({ local, remote }: IkeSaSnapshot): string {
  return [local, remote].map(({ address, port }) => `${address.octets.join(".")}:${port}`).join(" ");
}

function logMessage({ text, report }: Line): Message {
  return [
    value("group", groupOf(report)),
    value("level", LOG_LEVEL),
    value("thread", 0),
    value("ikesa-name", report === undefined ? undefined : connectionOf(report)),
    value("msg", text),
  ].flat();
}
