import type { TestContext } from 'node:test'

const steps = new WeakMap<object, (() => unknown)[]>()

/**
 * Runs `step` when the test ends. Steps run in reverse order, each after the previous one has
 * ended. Node's own `after` goes the other way. A step that fails does not prevent the others: a
 * process that is left running would keep the test file from ending.
 */
export function cleanUp(t: Pick<TestContext, 'after'>, step: () => unknown): void {
  let own = steps.get(t)
  if (!own) {
    own = []
    steps.set(t, own)
    const all = own
    t.after(async () => {
      const errors: unknown[] = []
      for (const each of all.reverse()) {
        try {
          await each()
        } catch (error) {
          errors.push(error)
        }
      }
      if (errors.length > 0) throw errors[0]
    })
  }
  own.push(step)
}
