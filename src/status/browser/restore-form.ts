import type { DatabaseStatus } from '../document.js'
import { element, setText } from './dom.js'
import { moment } from './format.js'

/**
 * The part of the status page for restores, which shows the range of times that a user can restore,
 * and the command for a chosen time.
 */
export class RestoreForm {
  readonly node: HTMLElement
  readonly #range = element('p', { class: 'range' })
  readonly #time = element('input', { type: 'datetime-local', step: '1', 'aria-label': 'time to restore to' })
  readonly #command = element('code', {})
  readonly #copy = element('button', { type: 'button' }, 'Copy')
  readonly #form: HTMLElement
  #base = ''

  constructor() {
    this.#time.addEventListener('input', () => this.#show())
    this.#copy.addEventListener('click', () => void this.#copyCommand())
    this.#form = element(
      'div',
      { class: 'restore' },
      element('label', {}, 'Time (empty: the newest commit)', this.#time),
      element('pre', {}, this.#command),
      this.#copy,
    )
    this.node = element('section', {}, element('h3', {}, 'Restore'), this.#range, this.#form)
  }

  update({ restorable, restoreCommand, levelsError }: DatabaseStatus, now: number): void {
    this.#base = restoreCommand
    this.#form.hidden = !restorable
    if (!restorable) {
      const why = levelsError
        ? `The replica cannot be listed: ${levelsError}`
        : 'No state of the database can be restored yet.'
      setText(this.#range, why)
      return
    }
    const [from, to] = [moment(restorable.from.timestamp, now), moment(restorable.to.timestamp, now)]
    setText(
      this.#range,
      from === to
        ? `You can restore the state of ${to}.`
        : `You can restore from ${from} to ${to}, the newest commit in the replica.`,
    )
    this.#time.min = local(restorable.from.timestamp)
    this.#time.max = local(restorable.to.timestamp)
    this.#show()
  }

  #show(): void {
    const at = this.#time.value === '' ? Number.NaN : new Date(this.#time.value).getTime()
    const time = Number.isNaN(at) ? '' : ` -timestamp ${new Date(at).toISOString()}`
    setText(
      this.#command,
      this.#base.replace(/ restore /, () => ` restore${time} `),
    )
  }

  async #copyCommand(): Promise<void> {
    const text = this.#command.textContent ?? ''
    const done = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    )
    if (!done) {
      // A page without https has no clipboard, so the page selects the command for the user to
      // copy.
      getSelection()?.selectAllChildren(this.#command)
    }
    setText(this.#copy, done ? 'Copied' : 'Selected')
    window.setTimeout(() => setText(this.#copy, 'Copy'), 1500)
  }
}

/** Formats a time for an input of type datetime-local. */
function local(at: number): string {
  const date = new Date(at)
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}
