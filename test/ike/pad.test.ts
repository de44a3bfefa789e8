// Who may be whom (RFC 4301 §4.4.3): connections by address, then by identity; secrets by their owners.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "#core/address";
import { type Connection, DEFAULT_CONNECTION_POLICY, type HostPattern, type SharedSecret } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import { millis } from "#core/units";
import { identityMatch } from "#crypto/identity";
import { connectionForPeer, connectionsFor, type PeerClaim, secretFor } from "#ike/pad";
import { ramp } from "./counting-random.ts";

function fqdn(text: string): Identity {
  return { type: IdType.ID_FQDN, data: new TextEncoder().encode(text) };
}

function host(text: string): HostPattern {
  if (text === "any") return { kind: "any" };
  const [first, last] = text.split("-").map((one) => parseAddress(one));
  if (first === undefined) return { kind: "name", name: text };
  return last === undefined ? { kind: "address", address: first } : { kind: "range", first, last };
}

interface Wanted {
  readonly name: string;
  readonly local?: string;
  readonly remote?: string;
  readonly version?: Connection["version"];
  readonly us?: string;
  readonly them?: string;
  readonly method?: Connection["remote"]["method"];
}

function connection(wanted: Wanted): Connection {
  const { name, local = "any", remote = "any", version = 0, us, them, method = "any" } = wanted;
  const hosts = (text: string) => text.split(",").map(host);
  const rest = { certificates: [], hashes: [] };
  return {
    ...DEFAULT_CONNECTION_POLICY,
    name,
    version,
    localAddresses: hosts(local),
    remoteAddresses: hosts(remote),
    localPort: 500,
    remotePort: 500,
    proposals: [],
    local: { ...rest, method: "psk", identity: us === undefined ? undefined : fqdn(us), rsaPss: false },
    remote: {
      ...rest,
      method,
      identity: them === undefined ? undefined : fqdn(them),
      authorities: [],
      publicKeys: [],
      revocation: "relaxed",
    },
    children: [],
    unique: "no",
    mobike: true,
    encap: false,
    fragmentation: "yes",
    childless: "allow",
    sendCertificate: "ifasked",
    requestCertificate: true,
    dpdDelay: millis(0),
    keyingTries: 1,
    rekeyTime: millis(0),
    reauthTime: millis(0),
    overTime: millis(0),
    randTime: millis(0),
    pfsPreflight: true,
  };
}

function found(all: readonly Connection[], local: string, remote: string, version: 1 | 2 = 2): string[] {
  const us = parseAddress(local);
  const them = parseAddress(remote);
  assert.ok(us && them);
  return connectionsFor(all, version, us, them).map(({ name }) => name);
}

const US = "203.0.113.1";

test("the most specific remote address comes first, then our own, then the file's order", () => {
  const all = [
    connection({ name: "any" }),
    connection({ name: "any-here", local: US }),
    connection({ name: "wide", remote: "198.51.100.0-198.51.100.255" }),
    connection({ name: "narrow", remote: "198.51.100.0-198.51.100.7" }),
    connection({ name: "exact", remote: "192.0.2.1,198.51.100.7" }),
    connection({ name: "exact-here", remote: "198.51.100.7", local: `10.0.0.1,${US}` }),
    connection({ name: "elsewhere", local: "10.0.0.1" }),
    connection({ name: "somebody-else", remote: "198.51.100.8" }),
    connection({ name: "unknown-name", remote: "gw.example.org" }),
    connection({ name: "any-too" }),
  ];
  assert.deepEqual(found(all, US, "198.51.100.7"), [
    "exact-here",
    "exact",
    "narrow",
    "wide",
    "any-here",
    "any",
    "any-too",
  ]);
  assert.deepEqual(found(all, US, "198.51.100.200"), ["wide", "any-here", "any", "any-too"]);
  assert.deepEqual(found(all, "2001:db8::1", "2001:db8::2"), ["any", "any-too"]);
});

test("versions are kept apart; 0 answers both", () => {
  const all = [
    connection({ name: "one", version: 1 }),
    connection({ name: "both" }),
    connection({ name: "two", version: 2 }),
  ];
  assert.deepEqual(found(all, US, "192.0.2.1", 1), ["one", "both"]);
  assert.deepEqual(found(all, US, "192.0.2.1", 2), ["both", "two"]);
});

function claim(them: string, us?: string, method?: PeerClaim["method"]): PeerClaim {
  return { remoteIdentity: fqdn(them), localIdentity: us === undefined ? undefined : fqdn(us), method };
}

test("IKE_AUTH switches to the connection whose identities fit best", () => {
  const all = [
    connection({ name: "anybody" }),
    connection({ name: "wild", them: "*.example.org" }),
    connection({ name: "moon", them: "moon.example.org", us: "sun.example.org" }),
    connection({ name: "moon-as-gate", them: "moon.example.org", us: "gate.example.org" }),
  ];
  const chosen = (one: PeerClaim) => connectionForPeer(all, one, identityMatch)?.name;
  assert.equal(chosen(claim("moon.example.org", "sun.example.org")), "moon");
  assert.equal(chosen(claim("moon.example.org", "gate.example.org")), "moon-as-gate");
  assert.equal(chosen(claim("moon.example.org")), "moon");
  assert.equal(chosen(claim("mars.example.org", "gate.example.org")), "wild");
  assert.equal(chosen(claim("evil.example.com")), "anybody");
  assert.equal(connectionForPeer(all.slice(1), claim("evil.example.com"), identityMatch), undefined);
  assert.equal(
    connectionForPeer(all.slice(2), claim("moon.example.org", "pluto.example.org"), identityMatch),
    undefined,
  );
});

test("row 30: how the peer authenticates must be what the connection asks for", () => {
  const all = [
    connection({ name: "certificate", them: "moon.example.org", method: "signature" }),
    connection({ name: "secret", them: "*.example.org", method: "psk" }),
  ];
  const chosen = (method: PeerClaim["method"]) =>
    connectionForPeer(all, claim("moon.example.org", undefined, method), identityMatch)?.name;
  assert.equal(chosen("signature"), "certificate");
  assert.equal(chosen("psk"), "secret");
  assert.equal(chosen(undefined), "certificate");
  assert.equal(
    connectionForPeer(all.slice(0, 1), claim("moon.example.org", undefined, "psk"), identityMatch),
    undefined,
  );
});

test("among equals the candidates' order stays: the more specific address wins", () => {
  const all = [connection({ name: "near", them: "a" }), connection({ name: "far", them: "a" })];
  assert.equal(connectionForPeer(all, claim("a"), identityMatch)?.name, "near");
  assert.equal(connectionForPeer(all.toReversed(), claim("a"), identityMatch)?.name, "far");
});

function secret(first: number, ...owners: readonly string[]): SharedSecret {
  return { owners: owners.map(fqdn), secret: ramp(4, first) };
}

test("the secret of both owners goes before the peer's, ours, and one for anybody", () => {
  const anybody = secret(1);
  const ours = secret(2, "sun.org");
  const wild = secret(3, "*.org");
  const theirs = secret(4, "moon.org");
  const both = secret(5, "moon.org", "sun.org");
  const other = secret(6, "mars.org", "sun.org");
  const all = [anybody, other, ours, wild, theirs, both];
  const pick = (list: readonly SharedSecret[]) => secretFor(list, fqdn("sun.org"), fqdn("moon.org"), identityMatch);
  assert.equal(pick(all), both);
  assert.equal(pick([anybody, other, ours, theirs]), theirs);
  assert.equal(pick([anybody, other, ours]), ours);
  assert.equal(pick([anybody, other]), anybody);
  assert.equal(pick([other]), undefined, "a secret of ours with somebody else");
  assert.equal(pick([]), undefined);
  assert.equal(pick([secret(7, "moon.org"), theirs])?.secret[0], 7, "the first of equals");
  assert.equal(pick([wild, theirs]), theirs, "one wildcard for both is less than the peer itself");
});

test("a stranger is looked up among thousands of peers with addresses without a look at each", () => {
  let looks = 0;
  const all = Array.from({ length: 5000 }, (_, i) => {
    const one = connection({ name: `c${i}`, remote: `10.${i >> 8}.${i & 255}.1` });
    const { localAddresses } = one;
    return Object.defineProperty({ ...one }, "localAddresses", {
      get: () => {
        looks++;
        return localAddresses;
      },
    });
  });
  const [us, known, stranger] = ["192.0.2.1", "10.7.9.1", "203.0.113.9"].map((text) => parseAddress(text));
  assert.ok(us && known && stranger);
  assert.deepEqual(connectionsFor(all, 2, us, stranger), []);
  assert.equal(looks, 0);
  assert.deepEqual(
    connectionsFor(all, 2, us, known).map(({ name }) => name),
    [`c${7 * 256 + 9}`],
  );
  assert.equal(looks, 1);
});

test("the file's order holds among peers of one address, however they are named", () => {
  const all = ["10.0.0.1", "any", "10.0.0.1,any", "10.0.0.1", "10.0.0.0-10.0.0.9"].map((remote, i) =>
    connection({ name: `c${i}`, remote }),
  );
  const [us, peer] = ["192.0.2.1", "10.0.0.1"].map((text) => parseAddress(text));
  assert.ok(us && peer);
  const names = connectionsFor(all, 2, us, peer).map(({ name }) => name);
  assert.deepEqual(names, ["c0", "c2", "c3", "c4", "c1"]);
});
