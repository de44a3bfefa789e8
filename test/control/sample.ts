/** A status as a gateway with one tunnel that is up gives it. */
import type { ConfigChanges } from "#core/config-changes";
import type { ConfigStore } from "#core/config-store";
import type { GatewayStatus, LastReload, ReloadOutcome, RunningConfiguration, TunnelStatus } from "#core/operator";
import type { GatewayConfig } from "#core/policy";

export const TUNNEL: TunnelStatus = {
  connection: "hq",
  child: "net",
  state: "up",
  upMillis: 42_000,
  peer: "203.0.113.2:4500",
  octetsIn: 2 ** 30,
  octetsOut: 20 * 2 ** 20,
  packetsIn: 800_000,
  packetsOut: 15_000,
  rate: 812e6 / 8,
  rekeyMillis: 55 * 60_000,
  suite: "aes256gcm16/x25519",
  localSelectors: ["10.1.0.0/16"],
  remoteSelectors: ["10.2.0.0/16"],
  sas: [
    {
      role: "current",
      spiIn: "0x00001001",
      spiOut: "0x00002001",
      state: "mature",
      keyOctetsIn: 1000,
      keyOctetsOut: 10,
    },
    { role: "draining", spiIn: "0x00001002", spiOut: "0x00002002", state: "mature", keyOctetsIn: 5, keyOctetsOut: 0 },
  ],
  life: {
    ageMillis: 42_000,
    rekeyMillis: 55 * 60_000,
    expiryMillis: 60 * 60_000,
    octets: 1000,
    rekeyOctets: undefined,
    lifeOctets: undefined,
    packets: 10,
    rekeyPackets: undefined,
    lifePackets: undefined,
  },
  failure: undefined,
  clear: undefined,
};

export const STATUS: GatewayStatus = {
  format: 1,
  pid: 4711,
  upMillis: 3_600_000 * 3,
  tun: "esp0",
  mtu: 1420,
  description: "native (ipsec-mb 1.3.0); offloads TSO4; raised priority",
  tunnels: [TUNNEL],
  ikeSas: [],
  stall: { p50: 0.1, p99: 2.4, max: 13.6, samples: 6000 },
  halfOpen: 0,
  rekeys: { octets: { done: 7 } },
  fallbacks: { total: 0, now: 0 },
  drops: { replayed: 3, "no-sa": 40 },
  ike: {},
  configLastReload: { ok: true, time: 1_700_000_000_000, successTime: 1_700_000_000_000, why: undefined },
};

export const CHANGES: ConfigChanges = {
  added: ["lab"],
  changed: ["hq"],
  removed: [],
  unchanged: ["paris"],
  credentials: false,
  details: [
    { connection: "hq", child: "net", fate: "renewed", keys: ["remote_ts"] },
    { connection: "lab", child: undefined, fate: "new", keys: [] },
  ],
};

/** Takes every configuration; remembers what it was asked for. */
export class SampleConfiguration implements RunningConfiguration {
  readonly asked: string[] = [];
  outcome: ReloadOutcome = { changes: CHANGES, warnings: [] };
  readonly lastReload: LastReload = STATUS.configLastReload;
  readonly store: ConfigStore = {
    take: async () => ({ ok: true, changes: CHANGES, warnings: [], id: undefined }),
    names: () => [],
  };
  async reload(file: string | undefined): Promise<ReloadOutcome> {
    this.asked.push(`reload ${file}`);
    return this.outcome;
  }
  async diff(file: string | undefined): Promise<ReloadOutcome> {
    this.asked.push(`diff ${file}`);
    return this.outcome;
  }
  async reconfigure(): Promise<ReloadOutcome> {
    this.asked.push("reconfigure");
    return this.outcome;
  }
  current(): GatewayConfig {
    const tun = { name: "esp0", mtu: undefined, addresses: [], queues: 1 };
    const ike = {
      connections: [],
      credentials: { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] },
    };
    return {
      tun,
      listen: [],
      allowWeak: [],
      lanes: 1,
      slots: 16,
      crypto: "auto",
      offload: true,
      policies: [],
      sas: [],
      ike,
    };
  }
}
