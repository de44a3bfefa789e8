/**
 * Where the flooded gateway stands: gateway B of the lab with a tunnel to gateway A, both by IKEv1, and a box of strangers.
 *
 *     host A ---- gateway A ==== gateway B ---- host B
 *                                    | 198.18.0.1
 *                                    | 198.18.0.2–251
 *                                strangers
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { joinLoad } from "#bench/handshakes/load-link";
import { responderAddress, SOURCES } from "#bench/handshakes/plan";
import { numberedStreams, type StreamFigures } from "#bench/report/numbered-streams";
import { addressToString } from "#core/address";
import type { StallReport } from "#core/operator";
import { Box } from "#lab/box";
import { LabProcess } from "#lab/children";
import type { GatewayProcess } from "#lab/gateway-process";
import {
  connectionText,
  freshSecret,
  IKE_PLAN_1,
  type LabFiles,
  MAIN_FILE,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A, SITE_B, type Site } from "#lab/network";
import type { FlooderReport } from "./flooder.ts";

const MTU = 1500;
const PATIENCE_SECONDS = 20;
const HONEST = "net6";
const STREAM_RATE = 1000;
const NANOS = 1e6;

export type Sources = "one" | "many";

export interface FloodRun {
  readonly sources: Sources;
  readonly flood: FlooderReport;
  /** The control thread's, with the same streams: without the flood, and under it. */
  readonly calm: StallReport;
  readonly stall: StallReport;
  /** The control thread's milliseconds under the flood: at work, and ready for it while others had the processors. */
  readonly work: ThreadTimes;
  readonly streams: StreamFigures;
  /** Milliseconds until main mode and quick mode of an honest peer were over, asked for under the flood. */
  readonly honestMillis: number;
  /** When the flood had just ended. */
  readonly halfOpen: number;
  /** Resident memory, in octets. */
  readonly growth: number;
  /** Of the gateway, what the flood added. */
  readonly counters: Readonly<Record<string, number>>;
}

/** The tunnel that is there, one over IPv6 that comes up under the flood, and anybody with group 1 or 2. */
function files(site: Site, secret: string): LabFiles {
  const honest = connectionText({ ...IKE_PLAN_1, ike: "aes128-sha1-modp1024", outside: 6, inside: [6] }, site)
    .replace("s2s {", "honest {\n    allow_weak = yes")
    .replace("net {", `${HONEST} {`);
  const anybody = `anybody {
    version = 1
    allow_weak = yes
    proposals = aes128-sha1-modp768, aes128-sha1-modp1024
    local_addrs = ${addressToString(responderAddress())}
    remote_addrs = %any
    local {
      auth = psk
    }
    remote {
      auth = psk
      id = %any
    }
    children {
      guest {
      }
    }
  }`;
  const connections = [connectionText(IKE_PLAN_1, site), honest, ...(site === SITE_B ? [anybody] : [])];
  return { [MAIN_FILE]: mainFile(connections.join("\n  "), secretsText(secret)) };
}

/** Resident memory of a process, in octets. */
export function resident(pid: number): number {
  const [, kilo] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilo) * 1024;
}

type Hosts = Awaited<ReturnType<Lab["startHosts"]>>;

export interface ThreadTimes {
  readonly run: number;
  readonly wait: number;
}

/** Of a process's first thread, so far, in milliseconds (the kernel's Documentation/scheduler/sched-stats). */
function threadTimes(pid: number): ThreadTimes {
  const [run = 0, wait = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ").map(Number);
  return { run: run / NANOS, wait: wait / NANOS };
}

export class FloodBed implements AsyncDisposable {
  readonly lab: Lab;
  readonly strangers: Box;
  readonly a: GatewayProcess;
  readonly b: GatewayProcess;
  readonly #hosts: Hosts;
  #flows = 1;

  private constructor(lab: Lab, strangers: Box, gateways: Pick<FloodBed, "a" | "b">, hosts: Hosts) {
    this.lab = lab;
    this.strangers = strangers;
    this.a = gateways.a;
    this.b = gateways.b;
    this.#hosts = hosts;
  }

  static async start(): Promise<FloodBed> {
    const [lab, strangers] = [new Lab(MTU), new Box("strangers")];
    try {
      const { gatewayA, gatewayB } = lab.network;
      joinLoad(strangers, gatewayB);
      const secret = freshSecret();
      const hosts = await lab.startHosts();
      const [a, b] = [lab.launchIke(gatewayA, files(SITE_A, secret)), lab.launchIke(gatewayB, files(SITE_B, secret))];
      await Promise.all([a.ready(), b.ready()]);
      await a.act("initiate", "net");
      return new FloodBed(lab, strangers, { a, b }, hosts);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      strangers[Symbol.dispose]();
      throw error;
    }
  }

  async run(sources: Sources, seconds: number, perSecond: number): Promise<FloodRun> {
    const { a, b } = this;
    await b.stall();
    await this.#streams(1);
    const calm = await b.stall();
    const [memory, before] = [resident(b.process.pid), await this.#ike()];
    await b.stall();
    const worked = threadTimes(b.process.pid);
    const flooding = this.#flood(sources, seconds, perSecond);
    const streaming = this.#streams(seconds);
    const asked = performance.now();
    await a.act("initiate", HONEST);
    const honestMillis = performance.now() - asked;
    const [streams, flood] = [await streaming, await flooding];
    const stall = await b.stall();
    const { run, wait } = threadTimes(b.process.pid);
    await a.act("terminate", "honest", true);
    const { halfOpen, counters } = await this.#ike();
    const added = Object.entries(counters).map(
      ([name, count]) => [name, count - (before.counters[name] ?? 0)] as const,
    );
    return {
      sources,
      flood,
      calm,
      stall,
      work: { run: run - worked.run, wait: wait - worked.wait },
      streams,
      honestMillis,
      halfOpen,
      growth: resident(b.process.pid) - memory,
      counters: Object.fromEntries(added.filter(([, count]) => count > 0)),
    };
  }

  #streams(seconds: number): Promise<StreamFigures> {
    this.#flows += 2;
    return numberedStreams(this.#hosts, seconds, STREAM_RATE, this.#flows);
  }

  async #ike(): Promise<{ readonly halfOpen: number; readonly counters: Readonly<Record<string, number>> }> {
    const { halfOpen, ike } = await this.b.status();
    return { halfOpen, counters: ike };
  }

  #flood(sources: Sources, seconds: number, perSecond: number): Promise<FlooderReport> {
    const module = fileURLToPath(import.meta.resolve("./flooder.js"));
    const words = [sources === "one" ? 1 : SOURCES, seconds, perSecond].map(String);
    const process = new LabProcess("flooder", this.strangers.fork(module, { arguments: words }));
    return process.until<FlooderReport>("the flood", seconds + PATIENCE_SECONDS, (resolve) =>
      process.onMessage((message) => resolve(message as FlooderReport)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
    this.strangers[Symbol.dispose]();
  }
}
