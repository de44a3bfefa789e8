import assert from "node:assert/strict";
import { test } from "node:test";
import { DROP_COUNTERS, DROP_REASONS, Drop } from "#core/drop";
import { ConfigError, complaintToString, SystemError } from "#core/errors";
import { spi, spiToString } from "#core/units";

test("every drop code has a name, a sentence and a counter of its own", () => {
  const codes = Object.values(Drop);
  assert.equal(new Set(codes).size, codes.length);
  for (const code of codes) {
    assert.ok(code < 0 && -code < DROP_COUNTERS);
    const reason = DROP_REASONS.find((one) => one.code === code);
    assert.ok(reason !== undefined && reason.text.length > 10 && /^[a-z_]+$/.test(reason.name), `${code}`);
  }
  assert.equal(new Set(DROP_REASONS.map(({ name }) => name)).size, DROP_REASONS.length);
});

test("SPIs are int32 inside and eight hex digits outside", () => {
  assert.equal(spiToString(spi(0xa5f8)), "0x0000a5f8");
  assert.equal(spiToString(spi(0xffffffff)), "0xffffffff");
  assert.equal(spi(0xffffffff), -1);
});

test("errors are one line with what to do; a configuration's complaints come together", () => {
  const complaint = { path: "sas[0].spi", problem: "SPI 7 is reserved", remedy: "give one from 256" };
  assert.equal(complaintToString(complaint), "sas[0].spi: SPI 7 is reserved; give one from 256");
  assert.equal(complaintToString({ ...complaint, place: "a.json:1:2" }).startsWith("a.json:1:2: sas[0].spi: "), true);
  const error = new ConfigError([complaint, { ...complaint, path: "" }]);
  assert.equal(error.code, "CONFIG");
  assert.equal(error.message.split("\n").length, 2);
  assert.equal(
    new SystemError("EPERM", "TUNSETIFF", "esp0", "run as root").message,
    "esp0: TUNSETIFF failed with EPERM; run as root",
  );
});
