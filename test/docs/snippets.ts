import { readFileSync } from 'node:fs'

export interface Snippet {
  readonly language: string
  /**
   * `run`; `background`: started, and ended with the document; `norun`: read, but needs something
   * that a test does not have.
   */
  readonly mode: 'run' | 'background' | 'norun'
  readonly text: string
  /** Where it begins in the document. */
  readonly line: number
}

/** The fenced blocks of a document, in order. */
export function snippetsOf(file: string): Snippet[] {
  const snippets: Snippet[] = []
  let open: { language: string; mode: Snippet['mode']; line: number; lines: string[] } | undefined
  for (const [i, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    const fence = /^```(\w*) ?(\w*)$/.exec(text)
    if (open && text === '```') {
      snippets.push({ language: open.language, mode: open.mode, line: open.line, text: `${open.lines.join('\n')}\n` })
      open = undefined
    } else if (open) {
      open.lines.push(text)
    } else if (fence) {
      open = { language: fence[1]!, mode: (fence[2] || 'run') as Snippet['mode'], line: i + 1, lines: [] }
    }
  }
  return snippets
}
