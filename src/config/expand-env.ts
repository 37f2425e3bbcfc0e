import { rememberSecret } from '../util/redact.js'

/** The name of an unset environment variable, and the first line of the file that refers to it. */
export interface UnsetVariable {
  readonly name: string
  readonly line: number
}

export interface Expanded {
  readonly text: string
  readonly unset: readonly UnsetVariable[]
}

/**
 * Values of environment variables are masked in messages if the variable name matches
 * SECRET_VARIABLE. If the name matches LIKELY_SECRET, a value of less than ORDINARY_LENGTH
 * characters is not masked.
 */
const SECRET_VARIABLE = /secret|passw|pwd|token/i
const LIKELY_SECRET = /key|cred|auth|jwt|seed|sas/i
const ORDINARY_LENGTH = 8

/**
 * Replaces `$NAME` and `${NAME}` by environment variables, as Go's os.Expand does. An unset
 * variable is replaced by an empty text, and `$PID` is replaced by the process ID. A `$` without a
 * name stays unchanged.
 */
export function expandEnv(text: string, env: NodeJS.ProcessEnv = process.env): Expanded {
  const unset = new Map<string, number>()
  const lines = text.split('\n').map((line, i) => {
    // Variables in comments are replaced too, but an unset variable in a comment causes no warning.
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
