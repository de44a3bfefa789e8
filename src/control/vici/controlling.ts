/** initiate, terminate, rekey, install, uninstall, redirect: what an operator wants done, and how it ended. */
import type { GatewayDetails } from "#core/details";
import type { IkeReport } from "#core/ike-state";
import { nearest } from "#core/nearest";
import type { OperatorAction, OperatorTarget } from "#core/operator";
import { type Millis, millis } from "#core/units";
import type { Command, CommandContext, Reply } from "./command.ts";
import { isYes, type Message, numberOf, textOf, value } from "./message.ts";
import { refusal, success } from "./outcome.ts";
import { connectionOf, groupOf, type Watchers } from "./watching.ts";
import type { ViciWorld } from "./world.ts";

type Outcome = { readonly count: number } | { readonly why: string } | "late";

/** strongSwan says that a rekey has begun; here a short while is waited for how it ends. */
const REKEY_PATIENCE: Millis = millis(5000);
/** `--force`: the SA goes in any case, and the peer gets this long to say that it has gone there. */
const FORCE_PATIENCE: Millis = millis(1000);
/** Some weeks. Longer ones are none to a timer, which would go off at once. */
const LONGEST = 2 ** 31 - 1;
/** strongSwan's level of a line that is told without being asked for. */
const LEVEL = 1;

export class Controlling {
  readonly #world: ViciWorld;
  readonly #watchers: Watchers;

  constructor(world: ViciWorld, watchers: Watchers) {
    this.#world = world;
    this.#watchers = watchers;
  }

  get commands(): Readonly<Record<string, Command>> {
    return {
      initiate: (request, context) => this.#initiate(request, context),
      terminate: (request, context) => this.#terminate(request, context),
      rekey: (request) => this.#rekey(request),
      install: (request) => this.#trap(request, "install"),
      uninstall: (request) => this.#trap(request, "uninstall"),
      redirect: () => ({
        response: refusal(
          "IKE_SAs are not redirected here (RFC 5685): terminate them, and give the peer another address",
        ),
      }),
    };
  }

  async #initiate(request: Message, context: CommandContext): Promise<Reply> {
    const [child, ike] = [textOf(request, "child"), textOf(request, "ike")];
    const [timeout, level] = [numberOf(request, "timeout") ?? 0, numberOf(request, "loglevel") ?? LEVEL];
    const name = child ?? ike;
    if (name === undefined) return { response: refusal("missing configuration name") };
    const what = child === undefined ? "IKE_SA" : "CHILD_SA";
    const unknown = this.#unknown(child, ike);
    if (unknown !== undefined) return { response: refusal(`${what} config '${name}' not found${unknown}`) };
    const target: OperatorTarget =
      child === undefined
        ? { kind: "ike", connection: name }
        : { kind: "child", child, connection: ike ?? this.#connectionWith(child) };
    const connection = target.kind === "ike" ? name : target.kind === "child" ? target.connection : undefined;
    const outcome = await this.#heard(context, level, connection, () => this.#act("initiate", target, timeout));
    if (outcome === "late" && timeout > 0) {
      const why = this.#failureOf(connection, child);
      return { response: refusal(`${what} '${name}' not established after ${timeout}ms${why}`) };
    }
    if (outcome !== "late" && "why" in outcome)
      return { response: refusal(`establishing ${what} '${name}' failed: ${outcome.why}`) };
    return { response: success() };
  }

  async #terminate(request: Message, context: CommandContext): Promise<Reply> {
    const { gateway } = this.#world;
    const [asked, level] = [numberOf(request, "timeout") ?? 0, numberOf(request, "loglevel") ?? LEVEL];
    const found = find(gateway.details(), request);
    if (found === undefined) return { response: refusal("missing terminate selector") };
    const counted = (matches: number, terminated: number) =>
      [value("matches", matches), value("terminated", terminated)].flat();
    const { targets, connections } = found;
    const [only] = connections.length === 1 ? connections : [];
    if (targets.length === 0) return { response: refusal("no matching SAs to terminate found", counted(0, 0)) };
    const force = isYes(request, "force");
    const timeout = force && asked === 0 ? FORCE_PATIENCE : asked;
    const outcomes = await this.#heard(context, level, only, () => this.#all("terminate", targets, timeout));
    const whys = outcomes.flatMap((one) => (one !== "late" && "why" in one ? [one.why] : []));
    const done =
      force || timeout < 0 ? targets.length : outcomes.filter((one) => one !== "late" && "count" in one).length;
    if (done === targets.length) return { response: success(counted(targets.length, done)) };
    const text = done === 0 ? "terminating SA failed" : "not all matching SAs could be terminated";
    const late = outcomes.includes("late") ? [`not within ${timeout}ms`] : [];
    return {
      response: refusal([text, [...new Set([...whys, ...late])].join("; ")].join(": "), counted(targets.length, done)),
    };
  }

  async #rekey(request: Message): Promise<Reply> {
    const found = find(this.#world.gateway.details(), request);
    if (found === undefined) return { response: refusal("missing rekey selector") };
    const targets = found.targets.filter(({ live }) => live);
    const matches = value("matches", targets.length);
    if (targets.length === 0) return { response: refusal("no matching SAs to rekey found", matches) };
    const action = isYes(request, "reauth") ? "reauthenticate" : "rekey";
    const outcomes = await this.#all(action, targets, REKEY_PATIENCE);
    const whys = outcomes.flatMap((one) => (one !== "late" && "why" in one ? [one.why] : []));
    return { response: whys.length === 0 ? success(matches) : refusal([...new Set(whys)].join("; "), matches) };
  }

  async #trap(request: Message, action: "install" | "uninstall"): Promise<Reply> {
    const [child, ike] = [textOf(request, "child"), textOf(request, "ike")];
    if (child === undefined) return { response: refusal("missing configuration name") };
    const unknown = this.#unknown(child, ike);
    const missing = action === "install" ? "configuration name not found" : `policy '${child}' not found`;
    if (unknown !== undefined) return { response: refusal(`${missing}${unknown}`) };
    const mode = this.#configured(child, ike)?.mode;
    if (mode === "pass" || mode === "drop")
      return {
        response:
          action === "install"
            ? success()
            : refusal(`'${child}' is a ${mode} policy: it is in force as long as it is configured`),
      };
    const outcome = await this.#world.gateway.act(action, { kind: "child", child, connection: ike });
    return { response: "why" in outcome ? refusal(outcome.why) : success() };
  }

  /** What is wrong with the name, in words that go behind "not found"; undefined: it is configured. */
  #unknown(child: string | undefined, ike: string | undefined): string | undefined {
    if (this.#configured(child, ike) !== undefined) return undefined;
    const connections = this.#world.inventory.connections().map(({ connection }) => connection);
    const isKnown = ike === undefined || connections.some(({ name }) => name === ike);
    const known = isKnown
      ? connections
          .filter(({ name }) => (ike ?? name) === name)
          .flatMap(({ children }) => children.map(({ name }) => name))
      : connections.map(({ name }) => name);
    const meant = nearest((isKnown ? child : ike) ?? "", known);
    return meant === undefined ? "" : `; did you mean '${meant}'?`;
  }

  #configured(child: string | undefined, ike: string | undefined): { readonly mode: string | undefined } | undefined {
    const connections = this.#world.inventory
      .connections()
      .filter(({ connection }) => (ike ?? connection.name) === connection.name);
    if (child === undefined) return connections.length === 0 ? undefined : { mode: undefined };
    return connections.flatMap(({ connection }) => connection.children).find(({ name }) => name === child);
  }

  /** The first that has such a child, as strongSwan takes it. */
  #connectionWith(child: string): string | undefined {
    const found = this.#world.inventory
      .connections()
      .find(({ connection }) => connection.children.some(({ name }) => name === child));
    return found?.connection.name;
  }

  #failureOf(connection: string | undefined, child: string | undefined): string {
    const { tunnels } = this.#world.gateway.status();
    const tunnel = tunnels.find((one) => one.connection === connection && (child ?? one.child) === one.child);
    return tunnel?.failure === undefined ? "" : `: ${tunnel.failure}`;
  }

  /** What is reported of the connection while `work` is under way goes to the client. */
  async #heard<T>(
    context: CommandContext,
    level: number,
    connection: string | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    const hear = (report: IkeReport, text: string) => {
      const about = connectionOf(report);
      if (level < LEVEL || (connection !== undefined && about !== undefined && about !== connection)) return;
      context.raise(
        "control-log",
        [value("group", groupOf(report)), value("level", LEVEL), value("ikesa-name", about), value("msg", text)].flat(),
      );
    };
    const end = this.#watchers.add(hear);
    try {
      return await work();
    } finally {
      end();
    }
  }

  #all(action: OperatorAction, targets: readonly OperatorTarget[], timeout: number): Promise<Outcome[]> {
    return Promise.all(targets.map((target) => this.#act(action, target, timeout)));
  }

  /** `timeout` 0: until it ends; below 0: not at all. What is late goes on nevertheless. */
  #act(action: OperatorAction, target: OperatorTarget, timeout: number): Promise<Outcome> {
    const acted = this.#world.gateway.act(action, target);
    if (timeout === 0) return acted;
    if (timeout < 0) return Promise.resolve("late");
    return new Promise((resolve, reject) => {
      const cancel = this.#world.after(millis(Math.min(timeout, LONGEST)), () => resolve("late"));
      acted.then(resolve, reject).finally(cancel);
    });
  }
}

type Found = OperatorTarget & { readonly live: boolean };

/** SAs by the request's names and numbers; undefined: it names none. */
function find(
  details: GatewayDetails | undefined,
  request: Message,
): { readonly targets: readonly Found[]; readonly connections: readonly string[] } | undefined {
  const [child, ike] = [textOf(request, "child"), textOf(request, "ike")];
  const [childId, ikeId] = [numberOf(request, "child-id"), numberOf(request, "ike-id")];
  if (child === undefined && ike === undefined && childId === undefined && ikeId === undefined) return undefined;
  const sas = (details?.sas ?? []).filter(
    (sa) => (ike ?? sa.connection) === sa.connection && (ikeId ?? sa.id) === sa.id,
  );
  const byChild = child !== undefined || childId !== undefined;
  const targets = byChild
    ? sas
        .flatMap(({ children }) => children)
        .filter(({ name, id }) => (child ?? name) === name && (childId ?? id) === id)
        .map(({ id, state }): Found => ({ kind: "child-id", id, live: state === "installed" || state === "rekeying" }))
    : sas.map(
        ({ id, state }): Found => ({ kind: "ike-id", id, live: state === "established" || state === "rekeying" }),
      );
  return { targets, connections: [...new Set(sas.map(({ connection }) => connection))] };
}
