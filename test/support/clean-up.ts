import type { TestContext } from 'node:test'

const steps = new WeakMap<object, (() => unknown)[]>()

/**
 * Runs `step` when the test ends: the last one first, each after the one before has ended. Node's
 * own `after` goes the other way.
 */
export function cleanUp(t: Pick<TestContext, 'after'>, step: () => unknown): void {
  let own = steps.get(t)
  if (!own) {
    own = []
    steps.set(t, own)
    const all = own
    t.after(async () => {
      for (const each of all.reverse()) await each()
    })
  }
  own.push(step)
}
