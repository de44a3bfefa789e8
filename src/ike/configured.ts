/** Another configuration took the place of the one that something was begun by. */
import type { ChildConfig, Connection } from "#core/connection";

/** The connection of that name as it is configured now; what was known of it where it is no more. */
export function connectionNow(connections: readonly Connection[], known: Connection): Connection {
  return connections.find(({ name }) => name === known.name) ?? known;
}

/** The child of that name as it is configured now; what was known of it where it is no more. */
export function configuredNow({ children }: Connection, known: ChildConfig): ChildConfig {
  return children.find(({ name }) => name === known.name) ?? known;
}

/** Things to do with the children that are configured now; those of children that are no more are left out. */
export function tasksNow<
  Work extends { readonly kind: string; readonly config?: ChildConfig },
  Task extends { readonly work: Work },
>({ children }: Connection, tasks: readonly Task[]): Task[] {
  return tasks.flatMap((task) => {
    const { config: known } = task.work;
    if (known === undefined) return [task];
    const config = children.find(({ name }) => name === known.name);
    return config === undefined ? [] : [{ ...task, work: { ...task.work, config } }];
  });
}
