import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuSnapshot, difference } from "#bench/netns/cpu";
import { debianMirror } from "#bench/netns/debian-mirror";

const NOUGHT: CpuSnapshot = { at: 0, busy: 0, steal: 0, daemons: 0, kernelThreads: 0, load: 0 };

test("what neither daemons nor load nor kernel used is foreign, as a share of all processors", () => {
  const now = { at: 10_000, busy: 15, steal: 1, daemons: 6, kernelThreads: 1, load: 6 };
  assert.equal(difference(NOUGHT, now, 2).foreign, 0.1);
});

test("sampled and precise clocks may disagree: the share is never negative", () => {
  const now = { at: 1000, busy: 1, steal: 0, daemons: 1.2, kernelThreads: 0, load: 0 };
  assert.equal(difference(NOUGHT, now, 2).foreign, 0);
});

test("Debian's mirror is found in both forms of package sources, and other archives are not taken for it", () => {
  const other = "deb https://packages.example/apt bookworm main\n";
  const line = "# a comment\ndeb [arch=amd64 signed-by=/k] http://mirror.example/debian/ bookworm main\n";
  const deb822 = "Types: deb\nURIs: https://mirror.example:8080/path/debian\nSuites: bookworm\n";
  const security = "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n";
  assert.equal(debianMirror([other, line]), "http://mirror.example/debian");
  assert.equal(debianMirror([security, deb822]), "https://mirror.example:8080/path/debian");
  assert.equal(debianMirror([other, security]), undefined);
});
