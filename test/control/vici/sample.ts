/** A gateway for vici's tests: one connection, one IKE SA, one pair; answers that the test gives. */

import { ViciService } from "#control/vici/service";
import type { ViciSession } from "#control/vici/session";
import type { ViciWorld } from "#control/vici/world";
import { addressOf, parsePrefix } from "#core/address";
import type { Connection } from "#core/connection";
import type { GatewayDetails, PairDetails } from "#core/details";
import type { ChildSnapshot, IkeSaSnapshot } from "#core/ike-state";
import type { AlgorithmInventory, CertificateInventory, ConnectionInventory, Inventory } from "#core/inventory";
import type { GatewayStatus, OperatedGateway, OperatorAction, OperatorTarget } from "#core/operator";
import { prefixSelector } from "#core/selector";
import { type Millis, millis, octets, spi } from "#core/units";
import { EventJournal } from "#gateway/journal";
import { SampleConfiguration, STATUS } from "#test/control/sample";
import { childConfig, connection } from "#test/sim/ike-config";
import { TestOutput } from "./client.ts";

export const NOW: Millis = millis(1_000_000);

const endpoint = (last: number) => ({ address: addressOf(Uint8Array.of(192, 0, 2, last)), port: 4500 });

function net(text: string) {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return [prefixSelector(prefix)];
}

export const CHILD: ChildSnapshot = {
  id: 7,
  name: "net",
  state: "installed",
  inboundSpi: spi(0xc5b1a2f0),
  outboundSpi: spi(0x00001234),
  protocol: "esp",
  mode: "tunnel",
  encapsulation: "udp",
  suite: "aes128gcm16",
  localSelectors: ["10.1.0.0/16"],
  remoteSelectors: ["10.2.0.0/16"],
};

export const SA: IkeSaSnapshot = {
  id: 3,
  connection: "hq",
  version: 2,
  state: "established",
  initiator: true,
  initiatorSpi: "0102030405060708",
  responderSpi: "1112131415161718",
  local: endpoint(1),
  remote: endpoint(2),
  localIdentity: "gw-a",
  remoteIdentity: "gw-b",
  suite: "aes256-sha256-modp2048",
  natLocal: false,
  natRemote: true,
  udpForced: "none",
  establishedAt: millis(NOW - 42_000),
  rekeyAt: millis(NOW + 3_600_000),
  reauthAt: undefined,
  expiresAt: millis(NOW + 4_000_000),
  children: [CHILD],
};

export const PAIR: PairDetails = {
  id: 7,
  connection: "hq",
  child: "net",
  policy: "hq/net",
  role: "current",
  localSelectors: net("10.1.0.0/16"),
  remoteSelectors: net("10.2.0.0/16"),
  inbound: { octets: 8400, packets: 100, lastUsed: millis(NOW - 1_000) },
  outbound: { octets: 0, packets: 0, lastUsed: undefined },
  installedAt: millis(NOW - 41_600),
  rekeyAt: millis(NOW + 3_000_000),
  expiresAt: undefined,
};

export const DETAILS: GatewayDetails = { now: NOW, sas: [SA], pairs: [PAIR], halfOpen: 0, trapped: ["hq/net"] };

const CONNECTION: Connection = connection("192.0.2.1", "192.0.2.2", {
  name: "hq",
  rekeyTime: millis(14_400_000),
  dpdDelay: millis(30_000),
  unique: "replace",
  children: [
    childConfig("10.1.0.0/16", "10.2.0.0/16", {
      priority: 7,
      dpdAction: "restart",
      closeAction: "trap",
      lifetime: { ...childConfig("10.1.0.0/16", "10.2.0.0/16").lifetime, rekeyOctets: octets(1e9) },
    }),
    childConfig("10.9.0.0/24", "10.8.0.0/24", { name: "out", mode: "pass" }),
  ],
});

export class SampleInventory implements Inventory {
  readonly algorithms: AlgorithmInventory = {
    encryption: ["aes128", "aes256", "3des"],
    aead: ["aes128gcm16"],
    integrity: ["sha256"],
    prf: ["prfsha256"],
    keyExchange: ["x25519", "modp2048"],
  };
  list: readonly ConnectionInventory[] = [
    {
      connection: CONNECTION,
      local: { identity: "gw-a", certificates: ["CN=gw-a"], authorities: [] },
      remote: { identity: undefined, certificates: [], authorities: ["CN=CA"] },
    },
  ];
  connections(): readonly ConnectionInventory[] {
    return this.list;
  }
  certificates(): readonly CertificateInventory[] {
    const no = { ca: false, hasKey: false, subject: "" };
    return [
      { ...no, kind: "crl" as const, der: Uint8Array.of(4), subject: "CN=CA" },
      { ...no, kind: "certificate" as const, der: Uint8Array.of(1), ca: true, subject: "CN=CA" },
      { ...no, kind: "certificate" as const, der: Uint8Array.of(2), hasKey: true, subject: "CN=gw-a" },
    ];
  }
  subjects(): readonly string[] {
    return ["CN=CA"];
  }
}

export class SampleGateway implements OperatedGateway {
  readonly configuration: SampleConfiguration = new SampleConfiguration();
  readonly journal: EventJournal = new EventJournal({ wall: () => 0, now: () => millis(0) });
  readonly asked: (readonly [OperatorAction, OperatorTarget])[] = [];
  current: GatewayDetails | undefined = DETAILS;
  state: GatewayStatus = STATUS;
  answer: () => Promise<{ readonly count: number } | { readonly why: string }> = async () => ({ count: 1 });
  status(): GatewayStatus {
    return this.state;
  }
  async gatherStatus(): Promise<GatewayStatus> {
    return this.state;
  }
  tunnelNames(): GatewayStatus["tunnels"] {
    return this.state.tunnels;
  }
  details(): GatewayDetails | undefined {
    return this.current;
  }
  explainPacket(): string {
    return "no question of this protocol";
  }
  act(action: OperatorAction, target: OperatorTarget): ReturnType<OperatedGateway["act"]> {
    this.asked.push([action, target]);
    return this.answer();
  }
}

export class Scene {
  readonly gateway: SampleGateway = new SampleGateway();
  readonly inventory: SampleInventory = new SampleInventory();
  /** What waits for its time, and how long. */
  readonly timers: { readonly span: number; readonly work: () => void }[] = [];
  readonly messages: Map<string, number> = new Map();
  woken = 0;
  readonly service: ViciService;
  readonly output: TestOutput = new TestOutput();
  readonly session: ViciSession;

  constructor() {
    const world: ViciWorld = {
      gateway: this.gateway,
      inventory: this.inventory,
      host: {
        version: "0.1.0",
        sysname: "Linux",
        release: "6.1",
        machine: "x86_64",
        since: "Nov 22 04:35:44 2026",
        lanes: 2,
      },
      memory: () => ({ heapTotal: 100, heapUsed: 60, external: 5 }),
      messages: () => this.messages,
      after: (span, work) => {
        const timer = { span, work };
        this.timers.push(timer);
        return () => {
          const at = this.timers.indexOf(timer);
          if (at >= 0) this.timers.splice(at, 1);
        };
      },
    };
    this.service = new ViciService(world, () => {
      this.woken++;
    });
    this.session = this.service.server.open(this.output);
  }
}
