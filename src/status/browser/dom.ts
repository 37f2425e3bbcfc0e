/**
 * Functions that build elements from data. Text from the server becomes text nodes and attribute
 * values only. Text from the server never becomes markup or an attribute that runs code.
 */
export type Child = Node | string | undefined | false

type Attributes = Readonly<Record<string, string | undefined>>

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value)
  node.append(...children.filter((child) => child !== undefined && child !== false))
  return node
}

const keys = new WeakMap<Node, string>()

/**
 * Replaces the children of `node` if `data` has changed since the previous call. Children stay in
 * place if `data` is unchanged. A refresh therefore does not remove the user's text selection.
 */
export function fill(node: HTMLElement, data: unknown, make: () => readonly Child[]): void {
  const key = JSON.stringify(data) ?? ''
  if (keys.get(node) === key) return
  keys.set(node, key)
  node.replaceChildren(...make().filter((child) => child !== undefined && child !== false))
}

export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** Returns a term and its value for a `dl` element. */
export function figure(term: string, value: Child, ...notes: readonly Child[]): HTMLElement {
  const extra = notes.filter((note) => note !== undefined && note !== false)
  return element(
    'div',
    {},
    element('dt', {}, term),
    element('dd', {}, value, ...extra.map((note) => element('small', {}, note))),
  )
}
