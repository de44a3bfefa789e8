import assert from "node:assert/strict";
import { test } from "node:test";
import {
  acceptPathMtu,
  ahLength,
  type EncapsulationLayout,
  encapsulatedLength,
  innerMtu,
  type LayerLayout,
} from "#ipsec/pmtu";

const gcm = { protocol: "esp", ivLength: 8, icvLength: 16, alignment: 4, udp: false } as const;
const cbc = { protocol: "esp", ivLength: 16, icvLength: 16, alignment: 16, udp: false } as const;
const sha1 = { protocol: "ah", icvLength: 12 } as const;
const sha256 = { protocol: "ah", icvLength: 16 } as const;

test("known sizes: what a 1,500-octet path carries", () => {
  const rows: [string, EncapsulationLayout, number][] = [
    // 1500 - 20 - 8 - 8 - 16 = 1448, a multiple of 4, less the trailer.
    ["GCM tunnel", [{ mode: "tunnel", family: 4, layer: gcm }], 1446],
    ["GCM tunnel in UDP", [{ mode: "tunnel", family: 4, layer: { ...gcm, udp: true } }], 1438],
    ["GCM tunnel over IPv6", [{ mode: "tunnel", family: 6, layer: gcm }], 1426],
    // 1500 - 20 - 8 - 16 - 16 = 1440 = 90 blocks.
    ["CBC tunnel", [{ mode: "tunnel", family: 4, layer: cbc }], 1438],
    // 1500 - 20 - 8 - 8 - 16 - 16 = 1432, 89 blocks and 8 octets that nothing can use.
    ["CBC tunnel in UDP", [{ mode: "tunnel", family: 4, layer: { ...cbc, udp: true } }], 1422],
    ["GCM transport", [{ mode: "transport", family: 4, layer: gcm }], 1466],
    ["AH tunnel", [{ mode: "tunnel", family: 4, layer: sha1 }], 1456],
    ["AH transport over IPv6", [{ mode: "transport", family: 6, layer: sha256 }], 1468],
    [
      "bundle",
      [
        { mode: "tunnel", family: 4, layer: gcm },
        { mode: "transport", family: 4, layer: sha1 },
      ],
      1422,
    ],
  ];
  for (const [name, layout, expected] of rows) assert.equal(innerMtu(layout, 1500), expected, name);
});

test("the inner MTU is exact: it fits, one octet more does not, for every layout and path", () => {
  const layers: LayerLayout[] = [];
  for (const mode of ["tunnel", "transport"] as const) {
    for (const family of [4, 6] as const) {
      for (const layer of [gcm, cbc, { ...cbc, udp: true }, { ...gcm, icvLength: 12, udp: true }, sha1, sha256]) {
        layers.push({ mode, family, layer });
      }
    }
  }
  const bundles = layers.flatMap((inner) =>
    layers
      .filter((outer) => outer.layer.protocol === "ah" && (outer.mode === "tunnel" || outer.family === inner.family))
      .map((outer) => [inner, outer]),
  );
  for (const layout of [...layers.map((layer) => [layer]), ...bundles]) {
    for (let path = 1280; path < 1320; path++) {
      const mtu = innerMtu(layout, path);
      assert.ok(encapsulatedLength(layout, mtu) <= path, JSON.stringify({ layout, path, mtu }));
      assert.ok(encapsulatedLength(layout, mtu + 1) > path, JSON.stringify({ layout, path, mtu }));
    }
  }
});

test("AH is a multiple of 4 octets in IPv4 and of 8 in IPv6 (RFC 4302 §2.2)", () => {
  assert.deepEqual([ahLength(12, 4), ahLength(12, 6), ahLength(16, 4), ahLength(16, 6)], [24, 24, 28, 32]);
});

test("news of a smaller path: only about a live SA, only smaller, never absurd (RFC 4301 §8.2.1, RFC 8201 §4)", () => {
  const rows: [number, number, 4 | 6, boolean, number][] = [
    [1400, 1500, 4, true, 1400],
    [1400, 1500, 4, false, -1],
    [1500, 1500, 4, true, -1],
    [1499, 1500, 4, true, 1499],
    [1600, 1500, 4, true, -1],
    [576, 1500, 4, true, 576],
    [575, 1500, 4, true, -1],
    [0, 1500, 4, true, -1],
    [1280, 1500, 6, true, 1280],
    [1279, 1500, 6, true, -1],
    [Number.NaN, 1500, 4, true, -1],
    [1400.5, 1500, 4, true, -1],
  ];
  for (const [reported, current, family, live, expected] of rows) {
    assert.equal(acceptPathMtu(reported, current, family, live), expected, `${reported} ${live}`);
  }
});
