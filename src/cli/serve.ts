/** A gateway process from its configuration to its end: what `up` and `run` have in common. */
import { wipeKeys } from "#config/gateway";
import { wipeSecrets } from "#config/swanctl/read";
import { answerLine } from "#control/answer";
import { reportLine } from "#control/report-text";
import { REQUEST_LIMIT } from "#control/request";
import { complaintToText, SystemError } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { EventJournal } from "#gateway/journal";
import { listenControl } from "#io/control-socket";
import { hideMemory } from "#io/hide-memory";
import { packageVersion } from "#io/package-file";
import { monotonicClock, wallClock } from "#io/system-clock";
import { IkeEventMetrics } from "#metrics/ike-events";
import { ConfiguredInventory } from "#process/configured-inventory";
import { openHttp } from "#process/http-service";
import { KEYS_REQUEST, KeyLog } from "#process/key-log";
import { LoopDelay } from "#process/loop-delay";
import { Measuring, type MeasuringParts } from "#process/measuring";
import { Failures, Operated } from "#process/operated";
import { runAs } from "#process/privileges";
import { whyNotReady } from "#process/readiness";
import { ServiceManager } from "#process/service-manager";
import { TunnelTally } from "#process/tunnel-tally";
import { ViciDoor, type ViciParts } from "#process/vici-door";
import { type Gateway, type GatewayLog, startGateway } from "#src/main";
import { paint } from "./colour.ts";
import type { CliIo, Option } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { GatheredLines } from "./gathered-lines.ts";
import { ParentLink } from "./parent-link.ts";
import { runningConfiguration } from "./running-configuration.ts";

export const DUMPABLE_OPTION: Option = {
  type: "boolean",
  help: "let core dumps and debuggers see keys: for finding faults only",
};

const VERSIONS = { version: packageVersion(), node: process.version };
/** Milliseconds. */
const LINES_WAIT = 10;

export const USER_OPTION: Option = {
  type: "string",
  value: "NAME",
  help: "go on as this account, with no rights but CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE",
};

export interface ServeOptions {
  readonly path: string;
  readonly dumpable: boolean;
  /** Whose rights it goes on with; undefined = those it was started with. */
  readonly user: string | undefined;
  /** Where operators' commands come by; undefined = nowhere. */
  readonly socket: string | undefined;
  /** Where swanctl's come by; "none" = nowhere. */
  readonly vici: string;
  /** It was asked for: without it there is no gateway. */
  readonly viciWanted: boolean;
}

/** Runs until it is told to stop; the exit code. */
export async function serveFile(options: ServeOptions, io: CliIo): Promise<number> {
  // Until there is a gateway that could read its file again; the default would end it.
  process.on("SIGHUP", () => undefined);
  // SIGUSR1 would open Node's debugger on a port of its own.
  process.on("SIGUSR1", () => undefined);
  const wanted = stopWanted();
  using manager = new ServiceManager({
    environment: process.env,
    pid: process.pid,
    warn: (text) => io.err(`${paint(io, "yellow", "warning")}: ${text}\n`),
  });
  // Before a thread of ours has rights, and before a secret is read.
  if (options.user !== undefined) io.out(`${runAs(options.user, [options.socket, options.vici])}\n`);
  if (!options.dumpable) hideMemory();
  const config = load(options.path, io);
  try {
    return await serve(config, options, io, wanted, manager);
  } finally {
    wipeSecrets(config);
  }
}

async function serve(
  config: GatewayConfig,
  options: ServeOptions,
  io: CliIo,
  wanted: Promise<undefined>,
  manager: ServiceManager,
): Promise<number> {
  const parent = new ParentLink();
  const lines = new GatheredLines(io, (work) => setTimeout(work, LINES_WAIT));
  // A bug's last words come after these.
  process.once("exit", () => lines.flush());
  const clock = monotonicClock();
  const failures = new Failures(clock);
  const journal = new EventJournal({ wall: wallClock, now: () => clock.now() });
  const tally = new TunnelTally();
  const vici = new ViciDoor();
  const events = config.http === undefined ? undefined : new IkeEventMetrics();
  const log = {
    info: (text: string) => {
      lines.out(`${text}\n`);
      vici.line(text);
    },
    warn: (text: string) => {
      lines.err(`${paint(io, "yellow", "warning")}: ${text}\n`);
      vici.line(text);
    },
  };
  const keys = new KeyLog({
    now: () => clock.now(),
    later: (work, millis) => void setTimeout(work, millis).unref(),
    warn: log.warn,
  });
  let gateway: Gateway;
  try {
    const heard: GatewayLog = {
      ...log,
      report: (report) => {
        vici.report(report, reportLine(report, clock.now()).text);
        failures.report(report);
        journal.report(report, reportLine(report, clock.now()));
        events?.report(report);
        parent.report(report);
        if (tally.report(report)) manager.tellSoon();
      },
    };
    gateway = await startGateway(config, heard, { keys });
  } finally {
    // Lanes have copies of their own. IKE needs its secrets until the end.
    wipeKeys(config);
    lines.flush();
  }
  parent.answerFor(gateway);
  const configuration = runningConfiguration(gateway, config, options.path, io, {
    ...log,
    journal,
    reading: {
      began: () => manager.reloading(),
      ended: () => {
        manager.ready();
        manager.tellSoon();
      },
    },
  });
  manager.tells(() => tally.text(configuration.current()));
  process.on("SIGHUP", () => {
    // A fault of ours there is no reason to end a gateway.
    configuration.reload(undefined).catch((error: unknown) => log.warn(`${options.path} was not read again: ${error}`));
  });
  let why: string | undefined;
  try {
    using delay = new LoopDelay();
    const operated = new Operated(gateway, { configuration, failures, clock, pid: process.pid, delay, journal });
    await using _server = await listen(options.socket, operated, keys);
    const inventory = new ConfiguredInventory(configuration);
    const messages = () => gateway.ike?.exchanges ?? new Map();
    const parts = { gateway: operated, inventory, lanes: config.lanes, messages };
    await using _vici = await openVici(vici, options, parts, (text) =>
      lines.err(`${paint(io, "yellow", "warning")}: ${text}\n`),
    );
    await using _http = await listenToMonitors(config.http, operated, events, { gateway, clock, delay });
    manager.tellSoon();
    manager.watch(() => gateway.turn());
    manager.ready();
    lines.out(`ready: ${readyText(config)} on ${gateway.tunName}\n`);
    why = await Promise.race([gateway.ended, wanted]);
  } finally {
    manager.stopping();
    if (why === undefined) await gateway.stop();
    configuration.wipe();
  }
  lines.flush();
  if (process.connected === true) process.disconnect();
  if (why === undefined) return 0;
  io.err(`esplanade: ${why}; protected traffic stays blocked until the gateway runs again\n`);
  return 1;
}

function readyText({ sas, ike }: GatewayConfig): string {
  const connections = ike?.connections.length ?? 0;
  return connections === 0 ? `${sas.length} SAs` : `${connections} ${connections === 1 ? "connection" : "connections"}`;
}

/** Listens from the start on: a gateway that is told to stop while it starts must not leave half of itself behind. */
function stopWanted(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve(undefined));
    // A parent that forked us is the only one who can stop us.
    process.once("disconnect", () => resolve(undefined));
    process.channel?.unref();
  });
}

function load(path: string, io: CliIo): GatewayConfig {
  const { config, warnings } = loadConfiguration(path, io);
  for (const warning of warnings) io.err(`${paint(io, "yellow", "warning")}: ${complaintToText(warning)}\n`);
  return config;
}

/** Monitors and browsers, until the scope ends. */
async function listenToMonitors(
  http: GatewayConfig["http"],
  operated: Operated,
  events: IkeEventMetrics | undefined,
  parts: Pick<MeasuringParts, "gateway" | "clock" | "delay">,
): Promise<AsyncDisposable> {
  if (http === undefined || events === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const { configuration } = operated;
  const measuring = new Measuring({ ...parts, configuration, events, wall: wallClock, ...VERSIONS });
  return openHttp(http, {
    gateway: operated,
    metrics: () => measuring.text(),
    ready: () => whyNotReady(parts.gateway),
  });
}

/** The control socket, closed with the scope. */
async function listen(path: string | undefined, gateway: Operated, keys: KeyLog): Promise<AsyncDisposable> {
  if (path === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const server = await listenControl(path, REQUEST_LIMIT, async (line) =>
    line === KEYS_REQUEST ? keys.take() : answerLine(line, gateway),
  );
  return { [Symbol.asyncDispose]: () => server.close() };
}

/** vici's socket, closed with the scope; somebody else's charon keeps its own. */
async function openVici(
  door: ViciDoor,
  { vici, viciWanted }: ServeOptions,
  parts: ViciParts,
  warn: (text: string) => void,
): Promise<AsyncDisposable> {
  const nothing = { [Symbol.asyncDispose]: async () => undefined };
  if (vici === "none") return nothing;
  try {
    return await door.open(vici, parts);
  } catch (error) {
    if (viciWanted || !(error instanceof SystemError)) throw error;
    warn(`swanctl cannot ask this gateway: ${error.message}`);
    return nothing;
  }
}
