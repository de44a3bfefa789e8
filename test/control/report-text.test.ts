import assert from "node:assert/strict";
import { test } from "node:test";
import { reportLine, spanText } from "#control/report-text";
import { addressOf } from "#core/address";
import type { IkeReport, IkeSaSnapshot } from "#core/ike-state";
import { millis, spi } from "#core/units";

const IKE: IkeSaSnapshot = {
  id: 7,
  connection: "hq",
  version: 2,
  state: "established",
  initiator: true,
  initiatorSpi: "0000000000000001",
  responderSpi: "0000000000000002",
  local: { address: addressOf(Uint8Array.of(192, 0, 2, 1)), port: 4500 },
  remote: { address: addressOf(Uint8Array.of(192, 0, 2, 2)), port: 4500 },
  localIdentity: "gw-a.example.org",
  remoteIdentity: "gw-b.example.org",
  suite: "aes256gcm16-prfsha256-x25519",
  natLocal: false,
  natRemote: true,
  udpForced: "none",
  establishedAt: millis(5),
  rekeyAt: undefined,
  reauthAt: undefined,
  expiresAt: undefined,
  children: [],
};

const FAILED: Extract<IkeReport, { kind: "failed" }> = {
  kind: "failed",
  asked: "us",
  connection: "hq",
  child: undefined,
  stage: "IKE_SA_INIT",
  notify: undefined,
  from: "nobody",
  reason: "no answer from 192.0.2.2:500 after 6 sends in 31 s",
  remedy: "no ICMP error; is UDP 500 filtered?",
  retryAt: undefined,
};

const ROWS: readonly (readonly [IkeReport, "info" | "warn", string])[] = [
  [FAILED, "warn", "hq: no answer from 192.0.2.2:500 after 6 sends in 31 s (no ICMP error; is UDP 500 filtered?)"],
  [
    {
      ...FAILED,
      child: "net",
      stage: "IKE_AUTH",
      notify: "TS_UNACCEPTABLE",
      from: "peer",
      reason: "none of our 10.1.0.0/16 === 10.2.0.0/16 is allowed there",
      remedy: "compare local_ts and remote_ts of both sides",
      retryAt: millis(6000),
    },
    "warn",
    "hq/net: IKE_AUTH: the peer says TS_UNACCEPTABLE: none of our 10.1.0.0/16 === 10.2.0.0/16 is allowed there; compare local_ts and remote_ts of both sides; next attempt in 5 s",
  ],
  [
    {
      ...FAILED,
      stage: "IKE_AUTH",
      notify: "AUTHENTICATION_FAILED",
      from: "us",
      reason: "the peer's PSK differs from ours",
      remedy: "compare secrets.ike",
    },
    "warn",
    "hq: IKE_AUTH: we say AUTHENTICATION_FAILED: the peer's PSK differs from ours; compare secrets.ike",
  ],
  [
    { kind: "ike-up", ike: IKE, took: millis(12) },
    "info",
    "hq: up with 192.0.2.2:4500 (gw-b.example.org) in 12 ms, IKEv2 aes256gcm16-prfsha256-x25519, the peer is behind NAT",
  ],
  [
    { kind: "ike-rekeyed", ike: { ...IKE, natRemote: false }, former: 3, trigger: "time" },
    "info",
    "hq: IKE SA 3 rekeyed by time to 7, IKEv2 aes256gcm16-prfsha256-x25519",
  ],
  [
    { kind: "ike-rekeyed", ike: { ...IKE, natRemote: false, udpForced: "ours" }, former: 3, trigger: "time" },
    "info",
    "hq: IKE SA 3 rekeyed by time to 7, IKEv2 aes256gcm16-prfsha256-x25519, UDP encapsulation forced by us (encap = yes)",
  ],
  [
    { kind: "ike-down", ike: 7, connection: "hq", reason: "the peer deleted it" },
    "info",
    "hq: IKE SA 7 is down: the peer deleted it",
  ],
  [{ kind: "child-up", connection: "hq", child: "net", id: 3 }, "info", "hq/net: up"],
  [{ kind: "child-down", connection: "hq", child: "net", reason: "hard limit" }, "info", "hq/net: down: hard limit"],
  [
    { kind: "rekey", connection: "gw", child: "net", trigger: "octets", result: "done" },
    "info",
    "gw/net: rekey by octets: done",
  ],
  [
    { kind: "rekey", connection: "gw", child: undefined, trigger: "time", result: "failed" },
    "info",
    "gw: rekey of the IKE SA by time: failed",
  ],
  [
    {
      kind: "sa-retired",
      connection: "hq",
      child: "net",
      inboundSpi: spi(0xc0000001),
      outboundSpi: spi(0x2001),
      keyOctetsIn: 1000,
      keyOctetsOut: 99_999_996,
      packetsIn: 10,
      packetsOut: 70_000,
    },
    "info",
    "hq/net: SAs 0xc0000001 and 0x00002001 are gone after 1000 octets in, 99999996 out",
  ],
  [{ kind: "warning", text: "2 answers\n were \u001b[2Jlost" }, "warn", "2 answers? were ?[2Jlost"],
];

for (const [report, level, text] of ROWS)
  test(`${report.kind}: ${text}`, () => {
    assert.deepEqual(reportLine(report, millis(1000)), { level, text });
  });

test("words of a peer cannot begin a line of their own or steer a terminal", () => {
  const { text } = reportLine(
    { kind: "ike-up", ike: { ...IKE, remoteIdentity: "CN=a\r\n\u009b\u202e" }, took: millis(1) },
    millis(0),
  );
  assert.ok(text.includes("CN=a????"), text);
});

test("spans are told as people say them", () => {
  const rows = [
    [0.4, "0 ms"],
    [999, "999 ms"],
    [1000, "1 s"],
    [2500, "2.5 s"],
    [31_000, "31 s"],
    [300_000, "5 min"],
    [14_400_000, "4 h"],
  ] as const;
  for (const [span, text] of rows) assert.equal(spanText(span), text);
});
