/** A gateway process from its configuration to its end: what `up` and `run` have in common. */
import { wipeKeys } from "#config/gateway";
import { wipeSecrets } from "#config/swanctl/read";
import { answerLine } from "#control/answer";
import { reportLine } from "#control/report-text";
import { REQUEST_LIMIT } from "#control/request";
import { complaintToText, SystemError } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { EventJournal } from "#gateway/journal";
import { type ControlServer, listenControl } from "#io/control-socket";
import { hideMemory } from "#io/hide-memory";
import { packageVersion } from "#io/package-file";
import { monotonicClock, wallClock } from "#io/system-clock";
import { IkeEventMetrics } from "#metrics/ike-events";
import { ConfiguredInventory } from "#process/configured-inventory";
import { Doors } from "#process/doors";
import { type HttpDoor, openHttp } from "#process/http-service";
import { isPolicyOf, KeyLog, keysQuestion } from "#process/key-log";
import { LoopDelay } from "#process/loop-delay";
import { Measuring, type MeasuringParts } from "#process/measuring";
import { Failures, Operated } from "#process/operated";
import { runAs } from "#process/privileges";
import { whyNotReady } from "#process/readiness";
import { ServiceManager } from "#process/service-manager";
import { TakeOver } from "#process/take-over";
import { TunnelTally } from "#process/tunnel-tally";
import { Upgrades } from "#process/upgrades";
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
  process.on("SIGUSR2", () => undefined);
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
  const takeOver = TakeOver.begin();
  const config = takeOver?.offer.config ?? load(options.path, io);
  try {
    return await serve(config, options, io, Promise.race([wanted, ...endOfKeeper(takeOver)]), takeOver, manager);
  } catch (error) {
    await takeOver?.refuse(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    wipeSecrets(config);
  }
}

/** Whoever waits for us is the only one who can stop us. */
function endOfKeeper(takeOver: TakeOver | undefined): Promise<undefined>[] {
  const keeper = takeOver?.keeper?.channel;
  return keeper === undefined ? [] : [keeper.ended.then(() => undefined)];
}

async function serve(
  config: GatewayConfig,
  options: ServeOptions,
  io: CliIo,
  wanted: Promise<undefined>,
  takeOver: TakeOver | undefined,
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
    gateway = await startGateway(config, heard, { inheritance: takeOver?.inheritance, keys });
  } finally {
    // Lanes have copies of their own. IKE needs its secrets until the end.
    wipeKeys(config);
    lines.flush();
  }
  if (takeOver?.events !== undefined) events?.thaw(takeOver.events);
  tally.found(upIn(gateway));
  parent.answerFor(gateway);
  const from = takeOver?.offer.file;
  const reading = {
    began: () => manager.reloading(),
    ended: () => {
      manager.ready();
      manager.tellSoon();
    },
  };
  const configuration = runningConfiguration(gateway, config, options.path, io, { ...log, journal, reading }, from);
  manager.tells(() => tally.text(configuration.current()));
  process.on("SIGHUP", () => {
    // A fault of ours there is no reason to end a gateway.
    configuration.reload(undefined).catch((error: unknown) => log.warn(`${options.path} was not read again: ${error}`));
  });
  let why: Ending;
  await using doors = new Doors();
  const upgrades = new Upgrades({
    gateway,
    doors,
    takeOver,
    version: VERSIONS.version,
    config: () => gateway.exchange?.running ?? config,
    file: () => configuration.state,
    events: () => events?.freeze(),
    handedTo: (pid) => manager.handedTo(pid),
    say: log.info,
    warn: log.warn,
  });
  process.on("SIGUSR2", () => {
    upgrades.upgrade().catch((error: unknown) => log.warn(`the upgrade failed: ${error}`));
  });
  try {
    using delay = new LoopDelay();
    const upgrade = () => upgrades.upgrade();
    const operated = new Operated(gateway, {
      configuration,
      failures,
      clock,
      pid: process.pid,
      delay,
      journal,
      upgrade,
    });
    const inherited = takeOver?.offer.listening;
    const shown = (line: string) => keysFor(line, keys, gateway);
    doors.control = await listen(options.socket, operated, shown, inherited?.control);
    const inventory = new ConfiguredInventory(configuration);
    const messages = () => gateway.ike?.exchanges ?? new Map();
    const parts = { gateway: operated, inventory, lanes: config.lanes, messages };
    const warn = (text: string) => lines.err(`${paint(io, "yellow", "warning")}: ${text}\n`);
    doors.vici = await openVici(vici, options, parts, warn, inherited?.vici);
    doors.http = await listenToMonitors(config.http, operated, events, { gateway, clock, delay }, inherited?.http);
    await takeOver?.taken();
    manager.tellSoon();
    manager.watch(() => gateway.turn());
    manager.ready();
    lines.out(`${takeOver === undefined ? "ready" : "taken over"}: ${readyText(config)} on ${gateway.tunName}\n`);
    why = await Promise.race([
      gateway.ended.then((reason) => (reason === undefined ? "stopped" : { reason })),
      wanted.then(() => "stopped" as const),
      upgrades.done.then(() => "handed over" as const),
    ]);
    await upgrades.cancel();
    if (why === "handed over") await upgrades.leave();
    else if (why === "stopped") await gateway.stop();
  } finally {
    if (why !== "handed over") manager.stopping();
    if (why === undefined) await gateway.stop();
    configuration.wipe();
  }
  lines.flush();
  if (process.connected === true) process.disconnect();
  if (why === "stopped" || why === "handed over") return 0;
  io.err(`esplanade: ${why.reason}; protected traffic stays blocked until the gateway runs again\n`);
  return 1;
}

/** `connection/child` of tunnels that another process brought up. */
function upIn(gateway: Gateway): readonly string[] {
  const tunnels = gateway.snapshot().ike?.tunnels ?? [];
  return tunnels
    .filter(({ current }) => current !== undefined)
    .map(({ connection, child }) => `${connection}/${child}`);
}

/** undefined: something of ours failed. */
type Ending = undefined | "stopped" | "handed over" | { readonly reason: string };

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

/** Monitors and browsers. */
async function listenToMonitors(
  http: GatewayConfig["http"],
  operated: Operated,
  events: IkeEventMetrics | undefined,
  parts: Pick<MeasuringParts, "gateway" | "clock" | "delay">,
  inherited: readonly number[] | undefined,
): Promise<HttpDoor | undefined> {
  if (http === undefined || events === undefined) return undefined;
  const { configuration } = operated;
  const measuring = new Measuring({ ...parts, configuration, events, wall: wallClock, ...VERSIONS });
  const ready = () => whyNotReady(parts.gateway);
  return openHttp(http, { gateway: operated, metrics: () => measuring.text(), ready }, inherited);
}

/** What who traces has asked for; undefined: it was another question. */
function keysFor(line: string, keys: KeyLog, gateway: Gateway): Uint8Array | undefined {
  const question = keysQuestion(line);
  const target = question?.present;
  if (target !== undefined)
    return keys.take({ target, show: (watch) => gateway.showKeys(watch, (policy) => isPolicyOf(target, policy)) });
  return question === undefined ? undefined : keys.take();
}

/** The control socket. */
async function listen(
  path: string | undefined,
  gateway: Operated,
  keys: (line: string) => Uint8Array | undefined,
  inherited: number | undefined,
): Promise<ControlServer | undefined> {
  if (path === undefined) return undefined;
  const answer = async (line: string) => keys(line) ?? answerLine(line, gateway);
  return listenControl(path, REQUEST_LIMIT, answer, inherited);
}

/** vici's socket; somebody else's charon keeps its own. */
async function openVici(
  door: ViciDoor,
  { vici, viciWanted }: ServeOptions,
  parts: ViciParts,
  warn: (text: string) => void,
  inherited: number | undefined,
): Promise<ControlServer | undefined> {
  if (vici === "none") return undefined;
  try {
    return await door.open(vici, parts, inherited);
  } catch (error) {
    if (viciWanted || !(error instanceof SystemError)) throw error;
    warn(`swanctl cannot ask this gateway: ${error.message}`);
    return undefined;
  }
}
