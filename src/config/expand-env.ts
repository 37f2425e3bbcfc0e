import { rememberSecret } from '../util/redact.js'

/** An unset variable, and where the file first refers to it. */
export interface UnsetVariable {
  readonly name: string
  readonly line: number
}

export interface Expanded {
  readonly text: string
  readonly unset: readonly UnsetVariable[]
}

/**
 * Names of variables whose values are masked in messages from now on; values of the second pattern
 * only if they are not ordinary words.
 */
const SECRET_VARIABLE = /secret|passw|pwd|token/i
const LIKELY_SECRET = /key|cred|auth|jwt|seed|sas/i
const ORDINARY_LENGTH = 8

/**
 * Replaces `$NAME` and `${NAME}` by environment variables as Go's os.Expand does: an unset one
 * becomes empty, `$PID` is the process id, a `$` that no name follows is kept.
 */
export function expandEnv(text: string, env: NodeJS.ProcessEnv = process.env): Expanded {
  const unset = new Map<string, number>()
  const lines = text.split('\n').map((line, i) => {
    // Comments are expanded too, but an unset variable in a comment has no effect.
    const isComment = line.trimStart().startsWith('#')
    return line.replace(/\$(?:\{([^}\n]*)\}|([A-Za-z_]\w*|[*#$@!?\d-]))/g, (_, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? ''
      if (name === 'PID') return String(process.pid)
      const value = env[name]
      if (value === undefined && !isComment && !unset.has(name)) unset.set(name, i + 1)
      if (value !== undefined && isSecret(name, value)) rememberSecret(value)
      return value ?? ''
    })
  })
  return { text: lines.join('\n'), unset: Array.from(unset, ([name, line]) => ({ name, line })) }
}

function isSecret(name: string, value: string): boolean {
  return SECRET_VARIABLE.test(name) || (LIKELY_SECRET.test(name) && value.length >= ORDINARY_LENGTH)
}
