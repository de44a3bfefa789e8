import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Settling } from "#process/settling";

function settling(first: { readonly must?: string; readonly may?: string }) {
  const state = { ...first, settled: 0 } as { must?: string | undefined; may?: string | undefined; settled: number };
  const look = new Settling({
    busy: (patient) => state.must ?? (patient ? state.may : undefined),
    settled: () => void state.settled++,
  });
  return { state, look };
}

async function outcome({ done }: Settling): Promise<string> {
  return done.then(
    () => "settled",
    (error: Error) => error.message,
  );
}

test("what is under way is waited for, and nothing comes between its end and the word that nothing is", async () => {
  const { state, look } = settling({ must: "an exchange" });
  look.look();
  assert.equal(state.settled, 0);
  state.must = undefined;
  look.look();
  assert.equal(state.settled, 1, "in the same turn");
  look.look();
  assert.equal(state.settled, 1);
  assert.equal(await outcome(look), "settled");
});

test("what may be left out is waited for a while, what must not be for two seconds", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const left = settling({ may: "an IKE SA that is being set up" });
    mock.timers.tick(299);
    assert.equal(left.state.settled, 0);
    mock.timers.tick(1);
    assert.equal(left.state.settled, 1);
    const stuck = settling({ must: "an exchange" });
    mock.timers.tick(2000);
    assert.equal(await outcome(stuck.look), "an exchange");
    assert.equal(stuck.state.settled, 0);
    const stopped = settling({ must: "an exchange" });
    stopped.look.stop("the gateway stops");
    assert.equal(await outcome(stopped.look), "the gateway stops");
  } finally {
    mock.timers.reset();
  }
});
