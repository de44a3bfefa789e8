import assert from "node:assert/strict";
import { test } from "node:test";
import { spi } from "#core/units";
import { bodyOf, decodeBody, proveCodec, range, refused, typeOf } from "#test/wire/ike/codec-rows";
import { NotifyType } from "#wire/ike/numbers";
import { childSpiOctets, childSpiOf } from "#wire/ike/spi";
import { notify } from "#wire/ike/v2/notify";

const NOTHING = new Uint8Array(0);

proveCodec(typeOf("N"), "RFC 7296 §3.10", [
  {
    what: "REKEY_SA of an ESP SA",
    body: "03 04 4009 0000a5f8",
    value: { kind: "N", protocol: 3, spi: childSpiOctets(spi(0xa5f8)), type: NotifyType.REKEY_SA, data: NOTHING },
    validCuts: [],
    lengths: [],
  },
  {
    what: "COOKIE",
    body: "00 00 4006 c0c1c2",
    value: notify(NotifyType.COOKIE, bodyOf("c0c1c2")),
    validCuts: range(4, 6),
    lengths: [],
  },
  {
    what: "a status nobody knows",
    body: "00 00 9c40",
    value: { kind: "N", protocol: 0, spi: NOTHING, type: 40000, data: NOTHING },
    validCuts: [],
    lengths: [],
  },
]);

test("an SPI longer than the notification is refused (RFC 7296 §3.10)", () => {
  refused(typeOf("N"), "03 05 4009 0000a5f8", "notify SPI at octet 8");
  refused(typeOf("N"), "03 ff 4009 0000a5f8", "notify SPI at octet 8");
});

test("row 21: REKEY_SA with protocol 0 or 1 and with an SPI of another length is readable, and no Child SA's", () => {
  for (const [body, protocol] of [
    ["00 00 4009", 0],
    ["01 08 4009 0001020304050607", 1],
    ["01 00 4009", 1],
    ["03 03 4009 00a5f8", 3],
  ] as const) {
    const payload = decodeBody(typeOf("N"), bodyOf(body));
    assert.ok(payload?.kind === "N");
    assert.equal(payload.protocol, protocol);
    assert.equal(childSpiOf(payload.spi), undefined);
  }
});
