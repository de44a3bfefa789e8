import assert from "node:assert/strict";
import { test } from "node:test";
import type { IkeReport } from "#core/ike-state";
import { millis } from "#core/units";
import { Failures } from "#process/operated";

function failed(child: string | undefined, reason: string): IkeReport {
  const place = { connection: "hq", child, asked: "us", stage: "IKE_AUTH", notify: undefined, from: "us" } as const;
  return { kind: "failed", ...place, reason, remedy: "", retryAt: undefined };
}

test("status shows what failed last, be it the child or the connection as a whole", () => {
  const failures = new Failures({ now: () => millis(0) });
  failures.report(failed("net", "first"));
  failures.report(failed(undefined, "second"));
  assert.equal(failures.of("hq", "net"), "hq: IKE_AUTH: second");
  assert.equal(failures.of("hq", "other"), "hq: IKE_AUTH: second");
  failures.report(failed("net", "third"));
  assert.equal(failures.of("hq", "net"), "hq/net: IKE_AUTH: third");
  assert.equal(failures.of("hq", "other"), "hq: IKE_AUTH: second");
  assert.equal(failures.of("branch", "net"), undefined);
});

test("failures of what is configured no more are forgotten", () => {
  const failures = new Failures({ now: () => millis(0) });
  for (const child of ["net", "a", "b", "c"]) failures.report(failed(child, "it was so"));
  failures.report(failed(undefined, "as a whole"));
  failures.keepOnly([{ connection: "hq", child: "net" }]);
  assert.notEqual(failures.of("hq", "net"), undefined);
  failures.keepOnly([]);
  assert.equal(failures.of("hq", "net"), undefined);
});
