// What a traffic agent's end tells whoever waits for it (src/lab/agent.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Agent } from "#lab/agent";
import { Box } from "#lab/box";
import type { LabProcess } from "#lab/children";
import { NEEDS_ROOT } from "./root.ts";

async function withAgent(use: (agent: Agent, process: LabProcess) => Promise<void>): Promise<void> {
  using box = new Box("host A");
  const kept: LabProcess[] = [];
  try {
    const agent = await Agent.start(box, (process) => kept.push(process));
    await use(agent, agent.process);
  } finally {
    for (const process of kept) await process.end("disconnect");
  }
}

test("an agent that dies fails what it was asked, and says by what it died", NEEDS_ROOT, () =>
  withAgent(async (agent, process) => {
    const asked = agent.execute(30, "sleep", "30");
    process.signal("SIGKILL");
    await assert.rejects(asked, /traffic agent of host A ended with SIGKILL/);
  }),
);

test(
  "an agent that is to end fails nobody: a failure that ends the lab in the middle of traffic stays the one that is told",
  NEEDS_ROOT,
  () =>
    withAgent(async (agent, process) => {
      let settled = false;
      const settle = () => {
        settled = true;
      };
      agent.execute(30, "sleep", "30").then(settle, settle);
      await process.end("disconnect");
      await turn();
      assert.equal(settled, false);
    }),
);
