import { setTimeout as delay } from 'node:timers/promises'

/**
 * Polls until `condition` gives something truthy, and returns that; fails after `deadline` ms with
 * `what` in the message.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadline = 60_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + deadline
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error(`gave up waiting until ${what}`)
    await delay(5)
  }
}
